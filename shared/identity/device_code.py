"""The printer's own mailbox at Entra: an app registration of its own, which proves nothing (a public client).

It is a registration of its own because whoever sees a client that has consent can mail its device codes to people
(RFC 8628 section 5.4): the one for people never does the device code flow. Source: Microsoft, "OAuth 2.0 device
authorization grant"; RFC 8628.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import faults
from shared.identity import errors
from shared.identity.entra import CAPABILITIES, Entra
from shared.identity.id_token import PERSONAL_TENANT, canonical, prove
from shared.identity.session import speaking
from shared.identity.token_response import Redeemed, Token, granted

if TYPE_CHECKING:
    import msal

CONSUMERS = "consumers"
"""The authority of personal accounts. Their tokens are refreshed there and nowhere else."""
LONGEST_LIFE, LEAST_INTERVAL, LONGEST_INTERVAL = 1800, 5, 60
"""Seconds. What Entra says beyond these is not believed."""
SLOWER_BY = 5
"""Seconds more between two polls after ``slow_down`` (RFC 8628 section 3.5)."""
_PENDING = {"authorization_pending", "slow_down"}
_UNCONFIRMED = 50199
"""The person has not confirmed yet that it is he who signs in."""
_BLOCKED = {53003, 530036}
_BY_ERROR: Mapping[str, type[faults.Fault]] = {
    "authorization_declined": faults.SignInDeclined,
    "expired_token": faults.SignInTimedOut,
    "bad_verification_code": faults.SignInTimedOut,
}


@dataclass(frozen=True)
class Started:
    """A device code that Entra gave out; ``flow`` is secret, the rest is shown."""

    user_code: str
    verification_uri: str
    expires_in: int
    interval: int
    flow: str


@dataclass(frozen=True)
class Pending:
    """Nobody has signed in yet. ``interval``: seconds until the next poll at the earliest."""

    interval: int


class MailboxEntra(Entra):
    """Entra ID for the printer's own mailbox: the public client.

    What people's registration brought (the way by a link, where codes are blocked) is refreshed by that one.

    Args:
        authority_url: origin of the login service.
        client_id: of the mailbox's app registration.
        people: Entra for people's app registration.
        clock: the time now.
    """

    def __init__(self, authority_url: str, client_id: str, people: Entra, clock: Callable[[], datetime]) -> None:
        super().__init__(authority_url, client_id, lambda _: "", clock)
        self._people = people

    def start(self, authority: str, scopes: Sequence[str]) -> Started:
        """Ask for a device code.

        Args:
            authority: a tenant's id, or :data:`CONSUMERS`.
            scopes: full addresses, of one resource.

        Raises:
            Fault: what Entra said, classified.
        """
        with speaking():
            flow = self._app(authority).initiate_device_flow(list(scopes))
        if "error" in flow:
            raise _fault(flow)
        try:
            interval = min(max(int(flow["interval"]), LEAST_INTERVAL), LONGEST_INTERVAL)
            life = min(max(int(flow["expires_in"]), 0), LONGEST_LIFE)
            # MSAL's own memory of times is by the computer's clock.
            kept = {name: flow[name] for name in ("device_code", "user_code", "verification_uri")}
            shown = str(flow["user_code"]), str(flow["verification_uri"])
        except (KeyError, ValueError, TypeError):
            raise faults.MicrosoftUnavailable("device code", retry_after=30) from None
        return Started(*shown, life, interval, json.dumps(kept))

    def poll(self, authority: str, flow: str, interval: int) -> Redeemed | Pending:
        """Ask once whether somebody has signed in, and prove who. No waiting: the caller keeps the interval.

        Args:
            authority: as for :meth:`start`.
            flow: from :meth:`start`.
            interval: seconds, as it stands.

        Raises:
            SignInDeclined, SignInTimedOut, DeviceCodeBlocked: how it ended.
            Fault: what else Entra said, classified; a passing one does not end it.
            ResponseNotExpected: the ID token is not right.
        """
        cache = self._cache()
        # An interval of 0 would keep MSAL in its loop.
        told = {**json.loads(flow), "interval": 1}
        with speaking():
            answer = self._app(authority, cache).acquire_token_by_device_flow(told, exit_condition=lambda _: True)
        if answer.get("error") in _PENDING or _UNCONFIRMED in (answer.get("error_codes") or ()):
            return Pending(min(interval + SLOWER_BY * (answer["error"] == "slow_down"), LONGEST_INTERVAL))
        if "error" in answer:
            raise _fault(answer)
        account = prove(
            answer.get("id_token", ""),
            keys=self._keys,
            authority_url=self.authority_url,
            # Whoever it is, first it is proven; whether he may is the caller's to say, by name.
            tid=named_tenant(answer.get("id_token", "")),
            client_id=self._client_id,
            nonce=None,
            now=self._clock(),
        )
        return Redeemed(account, granted(answer), cache.serialize(), answer["access_token"])

    def held_token(self, cache: str, scopes: Sequence[str], *, margin: float = 300.0) -> str | None:
        """Return an access token that MSAL's cache holds; see :meth:`Entra.held_token`."""
        if self._is_own(cache):
            return super().held_token(cache, scopes, margin=margin)
        return self._people.held_token(cache, scopes, margin=margin)

    def refresh(self, tid: str, cache: str, scopes: Sequence[str], claims: str | None = None) -> Token:
        """Fetch a new access token; see :meth:`Entra.refresh`. A personal account's comes from :data:`CONSUMERS`.

        Raises:
            DeviceCodeBlocked: a policy came up against tokens that a device code brought.
            Fault: as there.
        """
        if not self._is_own(cache):
            return self._people.refresh(tid, cache, scopes, claims)
        homes = {str(account.get("home_account_id", "")) for account in json.loads(cache).get("Account", {}).values()}
        personal = any(home.endswith(f".{PERSONAL_TENANT}") for home in homes)
        return super().refresh(CONSUMERS if personal else tid, cache, scopes, claims)

    def _is_own(self, cache: str) -> bool:
        """Say whether tokens are of this registration, and not of people's."""
        tokens = json.loads(cache).get("RefreshToken", {}).values()
        return all(token.get("client_id") == self._client_id for token in tokens)

    def _refused(self, answer: Mapping[str, Any]) -> faults.Fault:
        return _fault(answer)

    def _made(
        self, authority: str, cache: msal.TokenCache | None, known: dict[str, Any], excluded: list[str] | None
    ) -> msal.ClientApplication:
        import msal

        return msal.PublicClientApplication(
            self._client_id,
            authority=authority,
            instance_discovery=False,
            token_cache=cache,
            http_client=self._session,
            http_cache=known,
            client_capabilities=CAPABILITIES,
            exclude_scopes=excluded,
        )


def typed(flow: str) -> tuple[str, str]:
    """Return what a person types, and where: the code and the address of a flow that was started."""
    kept = json.loads(flow)
    return str(kept["user_code"]), str(kept["verification_uri"])


def named_tenant(id_token: str) -> str:
    """Return the tenant that an unproven ID token names, for whom it must then be proven.

    Raises:
        ResponseNotExpected: it names none.
    """
    import jwt

    try:
        return canonical(jwt.decode(id_token, options={"verify_signature": False})["tid"])
    except (jwt.PyJWTError, KeyError, ValueError, TypeError) as error:
        raise faults.ResponseNotExpected(f"ID token: {type(error).__name__}") from error


def _fault(answer: Mapping[str, Any]) -> faults.Fault:
    codes = answer.get("error_codes")
    found = _BLOCKED & {code for code in codes if isinstance(code, int)} if isinstance(codes, list) else set()
    if found:
        return faults.DeviceCodeBlocked(" ".join(map(str, found)))
    leaf = _BY_ERROR.get(str(answer.get("error")))
    return leaf("device code") if leaf else errors.classify(copy.copy(answer))
