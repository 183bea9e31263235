"""Sign-ins and consents: a task that a person does in a browser of his own while the panel waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from to_my_email.answers import Invitation, Progress
from to_my_email.connection import Connection
from to_my_email.errors import Cancelled, Error, Refused, SignInRequired, Temporary

SLOWER = 5.0
"""Seconds that ``slow_down`` adds to the interval for good (RFC 8628 section 3.5)."""
LONGEST_INTERVAL = 60.0

Show = Callable[[Invitation], None]
Ask = Callable[[str], bool]


class Handoffs:
    """The calls that sign-ins and consents share, and the loop over them.

    Args:
        connection: the device's.
        path: ``sign-ins``, ``consents``, or the sign-ins of a mail or fax server.
    """

    def __init__(self, connection: Connection, path: str) -> None:
        self._connection = connection
        self._path = path

    def start(self, request: Mapping[str, Any]) -> Invitation:
        """Begin one: ``{user: {id, email, name?}}`` for a sign-in, ``{range?}`` for a consent; adds the locale."""
        return Invitation.read(
            self._connection.call("POST", self._path, json={"locale": self._connection.language, **request})
        )

    def look(self, handoff_id: str) -> Progress:
        """Ask once how it stands; asking too fast raises ``Temporary`` with the reason ``slow_down``."""
        return Progress.read(self._connection.call("GET", f"{self._path}/{handoff_id}", patience=0))

    def wait(self, begun: Invitation, cancel: threading.Event | None = None) -> Progress:
        """Ask at the service's interval until it is pending no more, and return how it stands then.

        Obeys the interval, Retry-After, and ``slow_down`` as RFC 8628 section 3.5 says: from then on five
        seconds more. Where no answer comes the interval doubles. Ends with ``expires_in``.

        Raises:
            Cancelled: ``cancel`` was set; withdrawing it is the caller's.
            Temporary: there was no answer until the time was over.
        """
        interval = float(begun.interval)
        ends = self._connection.monotonic() + begun.expires_in
        while True:
            self._sleep(interval, cancel)
            try:
                progress = self.look(begun.id)
            except Temporary as fault:
                if self._connection.monotonic() >= ends:
                    raise
                if fault.reason == "slow_down":
                    interval += SLOWER
                else:
                    interval = min(interval * 2, LONGEST_INTERVAL)
                if fault.retry_after is not None and fault.retry_after > interval:
                    self._sleep(fault.retry_after - interval, cancel)
                continue
            if progress.status != "pending":
                return progress
            # The service ends it; the device's own end is for one that does not.
            if self._connection.monotonic() >= ends:
                return Progress(status="expired")
            interval = max(interval, float(progress.interval))

    def confirm(self, handoff_id: str) -> Progress:
        """Say the person's OK. A repeated one, after an answer was lost, is none too many."""
        try:
            answer = self._connection.call("POST", f"{self._path}/{handoff_id}/confirm")
        except Refused as refusal:
            if refusal.reason != "wrong_state":
                raise
            progress = self.look(handoff_id)
            if progress.status != "active":
                raise
            return progress
        return Progress.read(answer or {"status": "active"})

    def cancel(self, handoff_id: str) -> None:
        """Withdraw it; what the person does afterwards has no effect."""
        self._connection.call("DELETE", f"{self._path}/{handoff_id}")

    def through(
        self,
        request: Mapping[str, Any],
        *,
        on_code: Show | None = None,
        on_qr: Show | None = None,
        on_confirm: Ask | None = None,
        cancel: threading.Event | None = None,
    ) -> Progress:
        """Begin one, show it, wait for the person, ask for his OK at the panel, and say it.

        Args:
            request: as for :meth:`start`.
            on_code: shows the address and the short code (``verification_uri``, ``user_code``).
            on_qr: shows the QR code (``qr_svg``, or ``verification_uri_complete`` drawn by the device).
            on_confirm: is given the account (masked) and asks whether that is the person; without it, OK is said.
            cancel: may be set by another thread (the panel's Cancel key).

        Raises:
            Cancelled: by ``cancel``, or ``on_confirm`` said no; the service has been told.
            SignInRequired: it was denied or ran out; ``reason`` and ``code`` say why.
            Error: whatever else the service says.
        """
        begun = self.start(request)
        try:
            for show in (on_code, on_qr):
                if show:
                    show(begun)
            progress = self.wait(begun, cancel)
            if progress.status == "confirm":
                if on_confirm and not on_confirm(progress.account_hint or ""):
                    raise Cancelled  # noqa: TRY301  (one way out for everybody who leaves)
                progress = self.confirm(begun.id)
        except (Temporary, Refused):
            raise
        except BaseException:
            # The person left, by whatever way: no link may stay open behind him.
            with suppress(Error):
                self._connection.call("DELETE", f"{self._path}/{begun.id}", patience=0)
            raise
        if progress.status != "active":
            raise SignInRequired(
                progress.reason or f"sign_in_{progress.status}",
                code=progress.code or 370,
                who=progress.who or "user",
                title=progress.message or "",
            )
        return progress

    def _sleep(self, seconds: float, cancel: threading.Event | None) -> None:
        if cancel is None:
            self._connection.sleep(seconds)
        elif cancel.wait(seconds):
            raise Cancelled
