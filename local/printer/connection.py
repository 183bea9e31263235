"""The wire between a device and the service: tokens, timeouts, patience.

Every call has a timeout. Where the service names a time (Retry-After on 429 and 503) the connection
waits that long and asks again, a few times and not beyond its patience; the rest is the caller's.
A call that the service refuses, or that gets no answer, raises ``Problem``.
"""

import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import requests

from local.printer.key import DeviceKey
from local.printer.problem import Problem

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a connection."""
READ_TIMEOUT = 60.0
"""Seconds to wait for an answer; a long poll gets its own waiting time on top."""
PATIENCE = 30
"""Seconds of Retry-After that the connection sits out by itself; a longer one is the caller's to decide."""
ATTEMPTS = 4

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_LIFE = 120
"""Seconds; RFC 7523 asks for a short life, the service allows five minutes."""
_RENEW_EARLY = 60
"""Seconds before its end at which a token is renewed, so that none expires on the way."""
_UNAUTHORIZED, _TOO_MANY, _UNAVAILABLE, _CLIENT_ERROR = 401, 429, 503, 400


class Connection:
    """One device's connection to one service.

    ``device_id`` is None until the device is enrolled; ``language`` (a BCP 47 tag) goes out as
    Accept-Language. Both may be set at any time. Safe for use from several threads.
    """

    def __init__(
        self, service: str, key: DeviceKey, *, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self.service = service.rstrip("/")
        self.device_id: str | None = None
        self.language = "en"
        self._key = key
        self._clock = clock
        self._sleep = sleep
        self._http = requests.Session()
        self._renewal = threading.Lock()
        self._token = ""
        self._token_ends = 0.0

    def close(self) -> None:
        """Close the sockets."""
        self._http.close()

    def nonce(self) -> str:
        """Fetch a nonce; with it in what the device signs, the device's clock does not matter."""
        return str(json_object(self.call("GET", "nonce", anonymous=True))["nonce"])

    def call(self, method: str, path: str, *, anonymous: bool = False, extra_time: int = 0, **body: Any) -> Any:
        """Make one call, as the device unless ``anonymous``, and return the JSON of the answer.

        Patient with Retry-After; a token refused once is renewed once. ``path`` is relative to
        ``/api/v1/``, ``extra_time`` (seconds) adds to the read timeout, ``body`` goes to ``requests``.
        """

        def attempt() -> Any:
            headers = {} if anonymous else {"Authorization": f"Bearer {self._bearer()}"}
            return self._once(method, path, headers=headers, extra_time=extra_time, **body)

        try:
            return self._patiently(attempt)
        except Problem as problem:
            if problem.status != _UNAUTHORIZED or anonymous:
                raise
            self.forget_token()
            return self._patiently(attempt)

    def forget_token(self) -> None:
        """Ask for a new token at the next call."""
        with self._renewal:
            self._token = ""

    def _bearer(self) -> str:
        """Return an access token with life left in it, a new one where the old one has not."""
        with self._renewal:
            if not self._token or self._clock() > self._token_ends - _RENEW_EARLY:
                answer = self._patiently(self._ask_for_token)
                self._token = str(answer["access_token"])
                self._token_ends = self._clock() + float(answer["expires_in"])
            return self._token

    def _ask_for_token(self) -> dict[str, Any]:
        """OAuth 2.0 client credentials with private_key_jwt (RFC 6749 4.4, RFC 7523 2.2), one fresh assertion."""
        if self.device_id is None:
            raise Problem(0, {"reason": "not_enrolled", "who": "admin"})
        now = int(self._clock())
        assertion = self._key.sign(
            "client-authentication+jwt",
            {
                "iss": self.device_id,
                "sub": self.device_id,
                "aud": self.service,
                "jti": str(uuid.uuid4()),
                "nonce": self.nonce(),
                "iat": now,
                "exp": now + _ASSERTION_LIFE,
            },
        )
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        return json_object(self._once("POST", "token", data=form))

    def _patiently(self, attempt: Callable[[], Any]) -> Any:
        """Repeat ``attempt`` by Retry-After while that asks for no more than the client's patience."""
        left: float = PATIENCE
        for _ in range(ATTEMPTS - 1):
            try:
                return attempt()
            except Problem as problem:
                wait = problem.retry_after
                busy = problem.status in {_TOO_MANY, _UNAVAILABLE} and problem.reason != "slow_down"
                if not busy or wait is None or wait > left:
                    raise
                left -= wait
                self._sleep(wait)
        return attempt()

    def _once(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, extra_time: int = 0, **body: Any
    ) -> Any:
        try:
            response = self._http.request(
                method,
                f"{self.service}/api/v1/{path}",
                headers={"Accept-Language": self.language, **(headers or {})},
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT + extra_time),
                allow_redirects=False,
                **body,
            )
        except requests.RequestException as error:
            raise Problem.unreachable() from error
        if response.status_code >= _CLIENT_ERROR:
            raise Problem.from_response(response)
        try:
            return response.json() if response.content else None
        except requests.JSONDecodeError as error:
            raise Problem.from_response(response) from error


def json_object(answer: Any) -> dict[str, Any]:
    """Return an answer that is a JSON object, or raise Problem ``unexpected_answer``."""
    if not isinstance(answer, dict):
        raise Problem(0, {"reason": "unexpected_answer", "who": "operator"})
    return answer
