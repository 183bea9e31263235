"""The stories of a device: enrol, sign people in, scan and never lose a scan, follow it, change the key."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from to_my_email.answers import DeviceRecord, Enrolment, Progress, ScanJob, User, UserStatus
from to_my_email.api import LONGEST_POLL, Api, Server
from to_my_email.connection import PATIENCE
from to_my_email.errors import (
    DeviceRefused,
    Error,
    NotEnrolled,
    Refused,
    StoreLocked,
    Temporary,
    Unreachable,
)
from to_my_email.handoffs import Ask, Show
from to_my_email.handover import BLOCK, INLINE_LARGEST, Handover
from to_my_email.spool import Entry, Spool
from to_my_email.store import Store

SCAN_PATIENCE = 60.0
"""Seconds that a person at the panel waits for a service that is away; after that the scan waits in the spool."""
SELDOM = (2.0, 60.0)
"""Seconds between two long polls that brought nothing: the first pause, and the longest."""
REST = frozenset({"held", "uncertain"})
"""States that only a person moves on: waiting for them is left to him."""
_NOT_FOUND = 404

Report = Callable[[int, int], None]
"""Hears bytes handed over so far, and bytes in all."""


@dataclass(frozen=True)
class Resumed:
    """What became of one spooled scan: ``job`` where the service has it, else ``error``.

    ``kept`` says whether the scan is still in the spool.
    """

    id: str
    job: ScanJob | None = None
    error: Error | None = None
    kept: bool = False


class Client:
    """A device. Keeps everything in ``store``; several processes may use one store. Safe for several threads.

    Args:
        service: the service's address: https, or http on the loopback.
        store: a :class:`Store`, or the path of its directory.
        inline_largest, block: sizes in bytes, see ``handover``.
        given: ``dpop=True`` asks for tokens bound to the device's key (RFC 9449); clocks for tests.

    Raises:
        ValueError: the address is not such a one.
    """

    def __init__(
        self,
        service: str,
        store: Store | str | os.PathLike[str],
        *,
        inline_largest: int = INLINE_LARGEST,
        block: int = BLOCK,
        **given: Any,
    ) -> None:
        self.api = Api(service, store, **given)
        self._spool = Spool(self.api.store.spool)
        self._handover = Handover(self.api, inline_largest=inline_largest, block=block)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the device's connections."""
        self.api.close()
        self._handover.close()

    # Who the device is

    @property
    def language(self) -> str:
        """The language (BCP 47 tag) in which the service answers; may be set at any time."""
        return self.api.language

    @language.setter
    def language(self, tag: str) -> None:
        self.api.language = tag

    @property
    def enrolment(self) -> Enrolment | None:
        """The kept enrolment at this service, or None."""
        return self.api.enrolment

    def enrol(self, ticket: str, *, model: str, serial: str, name: str, patience: float = PATIENCE) -> Enrolment:
        """Enrol under a ticket (pasted) or a short code (typed). See :meth:`Api.enrol`."""
        return self.api.enrol(ticket, model=model, serial=serial, name=name, patience=patience)

    def about(self) -> DeviceRecord:
        """Return the device's own record."""
        return self.api.about()

    @property
    def email_server(self) -> Server:
        """The printer's own mailbox."""
        return self.api.email_server

    @property
    def fax_server(self) -> Server:
        """The printer's fax account."""
        return self.api.fax_server

    # People

    def user(self, user_id: str) -> UserStatus:
        """Tell whether this person may scan now, must sign in first, or is blocked."""
        return self.api.user(user_id)

    def sign_in(
        self,
        user: User,
        *,
        on_code: Show | None = None,
        on_qr: Show | None = None,
        on_confirm: Ask | None = None,
        cancel: threading.Event | None = None,
    ) -> Progress:
        """Let a person sign in, once for all devices of the group. Returns when he may scan.

        ``on_code`` and ``on_qr`` are called once, ``on_confirm`` when he has signed in, with his account
        (masked); they and ``cancel`` are :meth:`Handoffs.through`'s.

        Raises:
            Cancelled: the person said no, or ``cancel`` was set.
            SignInRequired: it was denied or ran out.
        """
        person = {"id": user.id, "email": user.email, **({"name": user.name} if user.name else {})}
        return self.api.sign_ins.through(
            {"user": person}, on_code=on_code, on_qr=on_qr, on_confirm=on_confirm, cancel=cancel
        )

    def consent(
        self,
        permission_range: str | None = None,
        *,
        on_code: Show | None = None,
        on_qr: Show | None = None,
        on_confirm: Ask | None = None,
        cancel: threading.Event | None = None,
    ) -> Progress:
        """Let an administrator consent for the organisation, in his browser; as :meth:`sign_in` otherwise.

        Args:
            permission_range: ``send``, ``send-large`` or ``send-verified``; the service's default without it.
            on_code: as for :meth:`sign_in`.
            on_qr: likewise.
            on_confirm: likewise.
            cancel: likewise.
        """
        wanted = {"range": permission_range} if permission_range else {}
        return self.api.consents.through(wanted, on_code=on_code, on_qr=on_qr, on_confirm=on_confirm, cancel=cancel)

    # Scans

    def scan(
        self,
        document: str | os.PathLike[str] | BinaryIO,
        *,
        user: str | None = None,
        title: str = "",
        name: str | None = None,
        media_type: str | None = None,
        kind: str = "to_my_email",
        to: list[str] | None = None,
        fax_number: str | None = None,
        scan_id: str | None = None,
        progress: Report | None = None,
        patience: float = SCAN_PATIENCE,
    ) -> ScanJob:
        """Hand a scan to the service and return its job. From the first byte on a power cut loses nothing.

        Args:
            document: a file's path, or a binary stream that is read to its end.
            user: the register's id of the person (kind ``to_my_email``).
            title: for the mail's subject.
            name: the file's name in the mail; a path brings its own.
            media_type: where the device knows it; else the first bytes say it.
            kind: ``to_my_email``, ``email`` or ``fax``.
            to: addresses, for ``email``.
            fax_number: for ``fax``.
            scan_id: a UUID of the device's own making.
            progress: hears the bytes handed over, and in all.
            patience: seconds to spend waiting for a service that is away, of each step.

        Raises:
            Temporary, DeviceRefused, NotEnrolled: the scan is kept; :meth:`resume` brings it later.
            Refused: final; the scan is kept nowhere.
            OSError: the document cannot be read.
        """
        if name is None:
            name = Path(document).name if isinstance(document, str | os.PathLike) else "scan"
        wanted = {"user": user, "to": to, "fax_number": fax_number, "title": title or None}
        manifest = {
            "kind": kind,
            "locale": self.language,
            **{member: value for member, value in wanted.items() if value is not None},
            "document": {"name": name},
        }
        with self._spool.take(document, manifest, scan_id=scan_id, media_type=media_type) as entry:
            return self._hand_over(entry, patience, progress)

    def resume(self, *, progress: Report | None = None, patience: float = PATIENCE) -> list[Resumed]:
        """Hand over what waits in the spool, oldest first: at the device's start, and now and then.

        Scans that another process is handing over are left to it. Once no service answers, the rest is
        left for later.
        """
        done: list[Resumed] = []
        for scan_id in self._spool.ids():
            try:
                with self._spool.hold(scan_id) as entry:
                    if entry is None:
                        continue
                    if entry.state == "withdrawn":
                        self._tell_withdrawn(entry)
                    else:
                        job = self._hand_over(self._spool.complete(entry), patience, progress)
                        done.append(Resumed(scan_id, job))
            except StoreLocked:
                continue
            except (Temporary, DeviceRefused, NotEnrolled) as fault:
                done.append(Resumed(scan_id, error=fault, kept=True))
                if not isinstance(fault, Temporary) or isinstance(fault, Unreachable):
                    break  # the rest would fare no better
                patience = 0.0  # but one scan's trouble must not hold up the others
            except Refused as refusal:
                done.append(Resumed(scan_id, error=refusal))
        return done

    def waiting(self) -> list[str]:
        """Return the ids of scans that the service does not have yet, oldest first."""
        entries = [self._spool.entry(scan_id) for scan_id in self._spool.ids()]
        return [entry.id for entry in entries if entry is not None and entry.state != "withdrawn"]

    def job(self, scan_id: str) -> ScanJob:
        """Return a scan as it stands at the service."""
        return self.api.scan(scan_id)

    def wait(
        self, job: ScanJob, *, timeout: float = 180.0, seen: Callable[[ScanJob], None] = lambda _: None
    ) -> ScanJob:
        """Follow a job until nothing more happens by itself, or for ``timeout`` seconds; returns it as it stands.

        Asks by long poll, and ever more seldom while nothing changes. Faults that pass are sat out.

        Args:
            job: as it was last seen.
            timeout: seconds.
            seen: hears every change of state.
        """
        connection = self.api.connection
        ends, pause = connection.monotonic() + timeout, SELDOM[0]
        while not job.final and job.state not in REST and (left := ends - connection.monotonic()) > 0:
            try:
                later = self.api.scan(job.id, wait=int(min(LONGEST_POLL, max(left, 1))), since=job.updated_at)
            except Temporary as fault:
                if (fault.retry_after or pause) > left:
                    raise
                connection.sleep(fault.retry_after or pause)
                continue
            if later.updated_at == job.updated_at:
                connection.sleep(min(pause, max(left, 0)))
                pause = min(pause * 2, SELDOM[1])
            else:
                pause = SELDOM[0]
                if later.state != job.state:
                    seen(later)
            job = later
        return job

    def history(self) -> Iterator[ScanJob]:
        """Yield the device's jobs, newest first, page after page as they are asked for."""
        cursor: str | None = None
        while True:
            page, following = self.api.history(cursor)
            yield from page
            if not following or following == cursor:
                return
            cursor = following

    def cancel(self, scan_id: str) -> None:
        """Cancel what has not been sent, whether the service has it yet or not.

        Raises:
            Refused: ``wrong_state``: it is being sent, or has ended; ``not_found``: there is none.
            StoreLocked: another process is handing it over at this moment.
            Temporary: the service does not know yet; :meth:`resume` tells it.
        """
        with self._spool.hold(scan_id) as entry:
            if entry is not None:
                self._tell_withdrawn(self._spool.withdraw(entry))
                return
        self.api.cancel(scan_id)

    def _hand_over(self, entry: Entry, patience: float, progress: Report | None) -> ScanJob:
        try:
            job = self._handover.run(
                entry,
                patience=patience,
                progress=lambda sent: progress(sent, entry.size) if progress else None,
            )
        except DeviceRefused:
            raise  # the device's trouble, not the scan's
        except Refused:
            self._spool.remove(entry)
            raise
        self._spool.remove(entry)
        if progress:
            progress(entry.size, entry.size)
        return job

    def _tell_withdrawn(self, entry: Entry) -> None:
        """Cancel at the service what it may have got in spite of a lost answer."""
        try:
            self.api.cancel(entry.id)
        except DeviceRefused:
            raise
        except Refused as refusal:
            if refusal.status != _NOT_FOUND:
                self._spool.remove(entry)
                raise
        self._spool.remove(entry)

    # The key

    def roll_key(self) -> None:
        """Put a new key in the place of the device's key. May be repeated after any cut.

        The new key is on the disk before the service hears of it, and becomes the device's before it is
        first used: the service takes the old one until then, so no cut locks the device out.
        """
        with self.api.store.exclusive():
            self.api.change_key(self.api.store.next_key())
            self.api.store.promote()
        self.api.connection.tokens.forget()
