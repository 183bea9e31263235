"""The proof of an ID token. MSAL validates none (since 1.38); this does.

Sources: OpenID Connect Core 3.1.3.7; Microsoft, "ID token claims reference" and "Secure
applications and APIs by validating claims". Threats A01 to A13.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests

from shared import faults

KEYS_GOOD_FOR = 24 * 3600.0
"""Seconds that a tenant's signing keys are used without asking again."""
KEYS_ASKED_EVERY = 300.0
"""Seconds between two fetches because of an unknown key id (threat A09)."""
KEYS_ASKED_AGAIN = 30.0
"""Seconds between two fetches while they fail."""
PERSONAL_TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""Of all personal accounts (Microsoft, "ID token claims reference", tid)."""
LEEWAY = 300
_LONGEST_HINT = 500
"""Seconds of difference allowed between our clock and Microsoft's."""


@dataclass(frozen=True)
class Account:
    """Who signed in, as far as the verified ID token proves it.

    ``(tid, oid)`` is the identity. ``name`` and ``username`` are shown and never looked up (A01).
    """

    tid: str
    oid: str
    name: str
    username: str
    wids: frozenset[str]
    """Template ids of the directory roles that are active."""
    guest: bool
    issued: datetime
    """When Entra issued the token, by its own clock."""
    roles: frozenset[str] = frozenset()
    """Values of the app roles that the account was given at this app (Microsoft, "Add app roles")."""
    authenticated: datetime | None = None
    """When somebody last proved to be the account (``auth_time``); None where the registration does not ask for it."""
    login_hint: str = ""
    """What names the account to Microsoft's own pages, and nobody else can read; empty where nobody asked for it."""


@dataclass
class _Known:
    """A tenant's keys by ``kid``; when they were fetched, and when last asked for (seconds of the epoch)."""

    keys: Mapping[str, Any] = field(default_factory=dict)
    fetched: float = 0.0
    asked: float = 0.0

    @property
    def failing(self) -> bool:
        """Whether the latest fetch brought nothing."""
        return self.fetched != self.asked


class SigningKeys:
    """Entra's signing keys per tenant. The last good set stays when a fetch fails.

    Args:
        authority_url: the one host that keys are ever fetched from (A04, A05).
        get: ``requests``' get, with a time-out of its own.
        clock: the time now.
    """

    def __init__(
        self, authority_url: str, get: Callable[[str], requests.Response], clock: Callable[[], datetime]
    ) -> None:
        self._authority_url = authority_url
        self._get = get
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def key(self, tid: str, kid: str) -> Any:
        """Return the public key ``kid`` of tenant ``tid``.

        Raises:
            ResponseNotExpected: the tenant has no such usable key.
            MicrosoftUnavailable: it may have, but the keys cannot be fetched now.
        """
        now = self._clock().timestamp()
        with self._lock:
            known = self._known.setdefault(tid, _Known())
            pause = KEYS_ASKED_AGAIN if known.failing else KEYS_ASKED_EVERY
            wanted = kid not in known.keys or now - known.fetched > KEYS_GOOD_FOR
            if wanted and now - known.asked > pause:
                known.asked = now
                if fetched := self._fetch(tid):
                    known.keys, known.fetched = fetched, now
            if kid in known.keys:
                return known.keys[kid]
            if known.failing:
                raise faults.MicrosoftUnavailable("signing keys", retry_after=KEYS_ASKED_AGAIN)
        raise faults.ResponseNotExpected("unknown signing key")

    def _fetch(self, tid: str) -> dict[str, Any]:
        """Return the usable keys; none where the fetch fails."""
        from jwt import PyJWK
        from jwt.exceptions import PyJWTError

        try:
            answer = self._get(f"{self._authority_url}/{tid}/discovery/v2.0/keys")
            listed = answer.json()["keys"] if answer.ok else []
        except (requests.RequestException, faults.Passing, ValueError, KeyError, TypeError):
            return {}
        usable = {}
        for jwk in listed:
            try:
                if jwk.get("kty") == "RSA" and jwk.get("use", "sig") == "sig":
                    usable[str(jwk["kid"])] = PyJWK(jwk, algorithm="RS256").key
            except (PyJWTError, KeyError, AttributeError, ValueError, TypeError):
                continue  # one key of a kind we do not know must not cost us the good ones (A08)
        return usable


def prove(
    id_token: str,
    *,
    keys: SigningKeys,
    authority_url: str,
    tid: str | None,
    client_id: str,
    nonce: str | None,
    now: datetime,
) -> Account:
    """Return the account that ``id_token`` proves, or raise.

    The issuer must be the very tenant the authorization was sent to: ``tid`` is compared twice, in
    ``iss`` and in ``tid`` (A02, A03). Where every organisation may answer (``tid`` None), it is the tenant that the
    token names, with that tenant's keys and issuer, and no personal account. ``nonce`` is None only where none can be
    asked for: a device code's token comes straight from the token endpoint, in answer to a code nobody else has.

    Raises:
        ResponseNotExpected: signature, issuer, audience, nonce or time is not right.
        PersonalAccountNotAllowed: a personal account answered where organisations were asked.
        MicrosoftUnavailable: the signing keys cannot be fetched now.
    """
    import jwt

    try:
        if tid is None:
            tid = canonical(jwt.decode(id_token, options={"verify_signature": False})["tid"])
            if tid == PERSONAL_TENANT:
                raise faults.PersonalAccountNotAllowed
        header = jwt.get_unverified_header(id_token)
        claims: Mapping[str, Any] = jwt.decode(
            id_token,
            key=keys.key(tid, str(header.get("kid"))),
            algorithms=["RS256"],
            audience=client_id,
            issuer=f"{authority_url}/{tid}/v2.0",
            # The clock is given, not taken: exp and nbf are checked below.
            options={
                "require": ["exp", "iat", "aud", "iss"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
        moment = now.timestamp()
        if not (float(claims.get("nbf", claims["iat"])) - LEEWAY <= moment < float(claims["exp"]) + LEEWAY):
            raise faults.ResponseNotExpected("ID token out of its time")
        if nonce is not None and (claims.get("nonce") != nonce or not nonce):
            raise faults.ResponseNotExpected("nonce")
        if not isinstance(claims["aud"], str) or canonical(claims["tid"]) != tid:
            raise faults.ResponseNotExpected("audience or tenant")
        oid = canonical(claims["oid"])
        issued = datetime.fromtimestamp(int(claims["iat"]), UTC)
        proven = claims.get("auth_time")
        authenticated = datetime.fromtimestamp(int(proven), UTC) if proven is not None else None
    except (jwt.PyJWTError, KeyError, ValueError, TypeError, OverflowError, OSError) as error:
        raise faults.ResponseNotExpected(f"ID token: {type(error).__name__}") from error
    username = str(claims.get("preferred_username", ""))
    return Account(
        tid=tid,
        oid=oid,
        name=str(claims.get("name", "")),
        username=username,
        wids=frozenset(role.lower() for role in _texts(claims.get("wids"))),
        roles=frozenset(_texts(claims.get("roles"))),
        guest=_is_guest(claims, tid, username),
        issued=issued,
        authenticated=authenticated,
        login_hint=hint if isinstance(hint := claims.get("login_hint"), str) and len(hint) <= _LONGEST_HINT else "",
    )


def _texts(claim: Any) -> list[str]:
    """Return a claim that lists texts. One that is no list, or what in it is no text, says nothing."""
    return [each for each in claim if isinstance(each, str)] if isinstance(claim, list) else []


def _is_guest(claims: Mapping[str, Any], tid: str, username: str) -> bool:
    """Say whether the account is at home in another directory (Microsoft, "ID token claims reference").

    ``idp`` is there for members, too, where the tenant federates; then it names the tenant itself.
    """
    own = (None, claims["iss"], f"https://sts.windows.net/{tid}/")
    return claims.get("acct") == 1 or claims.get("idp") not in own or "#EXT#" in username.upper()


def canonical(guid: Any) -> str:
    """Return a GUID in the one form we compare and store (lower case, dashes).

    Raises:
        ValueError: it is none.
    """
    if not isinstance(guid, str):
        raise ValueError("not a GUID")  # noqa: TRY004  (a claim of another type is a wrong value, no bug of ours)
    made = str(uuid.UUID(guid))
    if made != guid.lower():  # uuid.UUID also takes braces, urn: and no dashes
        raise ValueError("not a GUID")
    return made
