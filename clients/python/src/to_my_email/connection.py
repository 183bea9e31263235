"""The connection of a device to the service: patience, and what is asked again.

Every call of the device API may be repeated (ids are made by the device, answers stay the same), so a
call is asked again where that can help and no person waits too long: no answer, 5xx, 408, 425 and 429,
after the time that the service names, else after a growing one with jitter, so that devices which lost
the service together do not come back together. Whatever else the service says is final. ``slow_down`` is
the caller's: it belongs to the interval of a poll.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests

from to_my_email.errors import (
    USE_DPOP_NONCE,
    DeviceRefused,
    Temporary,
    UnexpectedAnswer,
    from_response,
)
from to_my_email.store import Store
from to_my_email.tokens import Tokens
from to_my_email.wire import Body, exchange, origin, session

PATIENCE = 30.0
"""Seconds that a call spends waiting between attempts, in all; a longer Retry-After is the caller's to decide."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 20.0
"""Seconds, before jitter."""
JSON = "application/json"

_UNAUTHORIZED, _REDIRECT = 401, 300

log = logging.getLogger("to_my_email")


class Pauses:
    """The waiting of one undertaking: growing, with jitter, and bounded in all by ``patience`` seconds."""

    def __init__(self, patience: float, sleep: Callable[[float], None], jitter: Callable[[], float]) -> None:
        self._left = patience
        self._next = FIRST_PAUSE
        self._sleep = sleep
        self._jitter = jitter

    def after(self, fault: Temporary) -> None:
        """Wait before another attempt, never shorter than the service asked.

        Raises:
            Temporary: the fault itself, once patience would be over before the time has come.
        """
        if fault.retry_after is not None:
            pause = fault.retry_after + self._jitter() * min(1.0, fault.retry_after / 10)
            least = fault.retry_after
        else:
            pause = self._next * (0.5 + self._jitter())
            least = 0.0
        self._next = min(self._next * 2, LONGEST_PAUSE)
        if self._left <= 0 or least > self._left:
            raise fault
        # A zero that the service names must not become a loop without end.
        pause = max(pause, 0.1)
        self._left -= pause
        log.info("no use (status %d); asking again in %.1f s", fault.status, pause)
        self._sleep(pause)


class Connection:
    """One device's connection to one service. Safe for use from several threads.

    Args:
        service: the service's address (its public URL): https, or http on the loopback.
        store: the device's.
        wall: the time as the device believes it; only claims in signatures come from it.
        monotonic: seconds that never jump.
        sleep: waits for seconds.
        jitter: a random number from 0 to 1.
        dpop: whether to ask for tokens that are bound to the key (RFC 9449).

    Attributes:
        language: BCP 47 tag that goes out as Accept-Language; may be set at any time.

    Raises:
        ValueError: the address is not such a one.
    """

    def __init__(
        self,
        service: str,
        store: Store,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        dpop: bool = False,
    ) -> None:
        self.service = origin(service)
        self.store = store
        self.language = "en"
        self.monotonic = monotonic
        self.sleep = sleep
        self.jitter = jitter
        self._http = session()
        self.tokens = Tokens(
            store,
            self.service,
            nonce=self.nonce,
            post=lambda form, headers: self._once("POST", "token", data=form, headers=headers),
            wall=wall,
            monotonic=monotonic,
            dpop=dpop,
        )

    def close(self) -> None:
        """Close the sockets."""
        self._http.close()

    def nonce(self) -> str:
        """Fetch a nonce; with it in what the device signs, the device's clock does not matter."""
        answer = self._once("GET", "nonce")
        told = answer.get("nonce") if isinstance(answer, Mapping) else None
        if not isinstance(told, str):
            raise UnexpectedAnswer
        return told

    def pauses(self, patience: float = PATIENCE) -> Pauses:
        """Return the waiting of a new undertaking."""
        return Pauses(patience, self.sleep, self.jitter)

    def call(
        self,
        method: str,
        path: str,
        *,
        anonymous: bool = False,
        patience: float = PATIENCE,
        extra_time: float = 0.0,
        accept: str = JSON,
        **body: Any,
    ) -> Any:
        """Make one call and return the JSON of its answer, or its bytes where ``accept`` is another type.

        Args:
            method: of HTTP.
            path: relative to ``/api/v1/``.
            anonymous: without the device's token.
            patience: seconds to spend waiting between attempts; 0 asks once.
            extra_time: seconds on top of the read time-out.
            accept: the media type wanted.
            body: ``params``, ``json`` or ``multipart`` (a ``Body`` and its type).

        Raises:
            Error: one of the tree in ``errors``.
        """
        pauses, renewed = self.pauses(patience), False
        while True:
            try:
                return self._attempt(method, path, anonymous=anonymous, extra_time=extra_time, accept=accept, **body)
            except DeviceRefused as refusal:
                if refusal.status != _UNAUTHORIZED or anonymous or renewed:
                    raise
                renewed = True
                self.tokens.forget()
            except Temporary as fault:
                if fault.reason == "slow_down" or (isinstance(fault, UnexpectedAnswer) and fault.status):
                    raise
                pauses.after(fault)

    def _attempt(self, method: str, path: str, *, anonymous: bool, **rest: Any) -> Any:
        if anonymous:
            return self._once(method, path, **rest)
        url = self._url(path)
        try:
            return self._once(method, path, headers=self.tokens.headers(method, url), **rest)
        except DeviceRefused as refusal:
            # The nonce for proofs has changed; the token is as good as before.
            if refusal.reason != USE_DPOP_NONCE:
                raise
        return self._once(method, path, headers=self.tokens.headers(method, url), **rest)

    def _url(self, path: str) -> str:
        return f"{self.service}/api/v1/{path}"

    def _once(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        extra_time: float = 0.0,
        accept: str = JSON,
        multipart: tuple[Body, str] | None = None,
        **body: Any,
    ) -> Any:
        sent = {"Accept-Language": self.language, "Accept": f"{accept}, application/problem+json", **(headers or {})}
        if multipart:
            body["data"], sent["Content-Type"] = multipart
            multipart[0].seek(0)
        answer = exchange(self._http, method, self._url(path), extra_time=extra_time, headers=sent, **body)
        self.tokens.heed(answer.headers)
        if answer.status_code >= _REDIRECT:
            raise from_response(answer)
        if accept != JSON:
            if answer.headers.get("Content-Type", "").partition(";")[0].strip() != accept:
                raise UnexpectedAnswer(answer.status_code)
            return answer.content
        try:
            return answer.json() if answer.content else None
        except requests.JSONDecodeError:
            unreadable = UnexpectedAnswer(answer.status_code)
        raise unreadable
