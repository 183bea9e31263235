"""Who the device is, in signatures: client assertions, the access token, DPoP proofs.

Sources: RFC 6749 section 4.4, RFC 7523 section 2.2 (``private_key_jwt``), RFC 9449 (DPoP). A nonce of the
service stands in every signature, so the device's clock may be years off.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from to_my_email.errors import USE_DPOP_NONCE, Error, NotEnrolled, UnexpectedAnswer
from to_my_email.key import DeviceKey, base64url
from to_my_email.store import Store

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 120
"""RFC 7523 asks for a short life; the service allows five minutes."""
RENEW_EARLY = 60.0
"""Seconds before its end at which a token is replaced, so that none expires on the way."""
_SHORTEST_LIFE = 5.0
_NONCE_ERRORS = {"use_nonce", USE_DPOP_NONCE}

Post = Callable[[dict[str, str], Mapping[str, str]], Any]
"""Posts a form with headers to the token endpoint and returns the JSON of the answer, or raises ``Error``."""


class Tokens:
    """The device's access token, and the headers that go with it. Safe for use from several threads.

    Args:
        store: has the key and the enrolment; read anew for every token, because another process may change them.
        service: the service's address, without a slash at its end: audience of what is signed.
        nonce: fetches a nonce.
        post: asks the token endpoint.
        wall: the time as the device believes it, seconds since 1970.
        monotonic: seconds that never jump.
        dpop: whether to bind tokens to the key.
    """

    def __init__(
        self,
        store: Store,
        service: str,
        *,
        nonce: Callable[[], str],
        post: Post,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
        dpop: bool,
    ) -> None:
        self._store = store
        self._service = service
        self._nonce = nonce
        self._post = post
        self._wall = wall
        self._monotonic = monotonic
        self._dpop = dpop
        self._lock = threading.Lock()
        self._token = ""
        self._type = "Bearer"
        self._ends = 0.0
        self._proof_key: DeviceKey | None = None
        self._dpop_nonce = ""

    def headers(self, method: str, url: str) -> dict[str, str]:
        """Return the headers that let the device in, for one request (``url`` without query, RFC 9449 section 4.2)."""
        token, kind = self.token()
        if kind != "DPoP":
            return {"Authorization": f"Bearer {token}"}
        return {"Authorization": f"DPoP {token}", "DPoP": self._proof(method, url, token)}

    def token(self) -> tuple[str, str]:
        """Return an access token with life left in it and its type, a new one where the old one has not.

        Raises:
            NotEnrolled: there is no enrolment at this service.
            Error: the service gave none.
        """
        with self._lock:
            if not self._token or self._monotonic() > self._ends:
                self._renew()
            return self._token, self._type

    def forget(self) -> None:
        """Ask for a new token next time."""
        with self._lock:
            self._token = ""

    def heed(self, headers: Mapping[str, str]) -> None:
        """Keep the nonce that an answer gives for the next proofs (RFC 9449 section 8.2)."""
        self._dpop_nonce = headers.get("DPoP-Nonce") or self._dpop_nonce

    def _renew(self) -> None:
        asked = self._monotonic()
        try:
            answer = self._ask()
        except Error as refusal:
            # A nonce that grew old on the way, or the first one for proofs: once more.
            if refusal.reason not in _NONCE_ERRORS:
                raise
            answer = self._ask()
        token, life = answer.get("access_token"), answer.get("expires_in", 300)
        if not isinstance(token, str) or not token or isinstance(life, bool) or not isinstance(life, int | float):
            raise UnexpectedAnswer
        self._token = token
        self._type = "DPoP" if str(answer.get("token_type", "")).lower() == "dpop" else "Bearer"
        # Never at every single call, even where a life is shorter than our margin.
        self._ends = asked + max(float(life) - RENEW_EARLY, min(float(life) / 2, _SHORTEST_LIFE))

    def _ask(self) -> Mapping[str, Any]:
        enrolment = self._store.enrolment(self._service)
        if enrolment is None:
            raise NotEnrolled
        key = self._store.key()
        now = int(self._wall())
        nonce = self._nonce()
        assertion = key.sign(
            "client-authentication+jwt",
            {
                "iss": enrolment.device_id,
                "sub": enrolment.device_id,
                "aud": self._service,
                "jti": str(uuid.uuid4()),
                "nonce": nonce,
                "iat": now,
                "exp": now + ASSERTION_SECONDS,
            },
        )
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        headers: dict[str, str] = {}
        if self._dpop:
            self._proof_key = key
            self._dpop_nonce = nonce  # younger than whatever an answer brought
            headers["DPoP"] = self._proof("POST", f"{self._service}/api/v1/token")
        answer = self._post(form, headers)
        if not isinstance(answer, Mapping):
            raise UnexpectedAnswer
        return answer

    def _proof(self, method: str, url: str, token: str | None = None) -> str:
        """Make a DPoP proof (RFC 9449 section 4.2)."""
        key = self._proof_key
        assert key is not None
        claims: dict[str, Any] = {"jti": str(uuid.uuid4()), "htm": method, "htu": url, "iat": int(self._wall())}
        if self._dpop_nonce:
            claims["nonce"] = self._dpop_nonce
        if token is not None:
            claims["ath"] = base64url(hashlib.sha256(token.encode("ascii")).digest())
        return key.sign("dpop+jwt", claims, {"jwk": key.jwk})
