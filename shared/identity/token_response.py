"""What came of a token request: who, which scopes, which claims are wanted; and MSAL's cache with the tokens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.identity.id_token import Account

GRAPH = "https://graph.microsoft.com/"
"""The resource in front of every scope, whatever host Graph is reached at."""
LONGEST_CLAIMS = 8192


@dataclass(frozen=True)
class Redeemed:
    """A finished authorization: who, with which scopes, and MSAL's cache that holds the tokens."""

    account: Account
    scopes: frozenset[str]
    cache: str
    access_token: str

    def covers(self, scopes: Iterable[str]) -> bool:
        """Say whether all these scopes (full addresses) were granted; case does not matter to Entra."""
        return {scope.lower() for scope in scopes} <= {scope.lower() for scope in self.scopes}


@dataclass(frozen=True)
class Token:
    """A new access token, the scopes that Entra says it has, and MSAL's cache with what came along with it."""

    access_token: str
    cache: str
    scopes: frozenset[str] = frozenset()


def claims_of(answer: Mapping[str, Any]) -> str | None:
    """Return the claims that an error answer wants to be asked for (Microsoft, "Claims challenges"): a JSON object."""
    claims = answer.get("claims")
    if not isinstance(claims, str) or len(claims) > LONGEST_CLAIMS:
        return None
    try:
        return claims if isinstance(json.loads(claims), dict) else None
    except (ValueError, RecursionError):
        return None


def granted(answer: Mapping[str, Any]) -> frozenset[str]:
    """Return the scopes of a token response in full form; Entra may answer in short form and any case."""
    return frozenset(canonical_scope(scope) for scope in str(answer.get("scope", "")).split())


def canonical_scope(scope: str) -> str:
    """Return a scope as a full address; a bare name means Graph (Microsoft, "Scopes and permissions")."""
    return scope if "://" in scope or scope in {"openid", "profile", "offline_access", "email"} else GRAPH + scope
