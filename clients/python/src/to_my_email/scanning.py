"""What a device does with scans: hand one over, never lose one, follow it, bring what had to wait, cancel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from to_my_email.answers import ScanJob
from to_my_email.api import LONGEST_POLL, Api
from to_my_email.connection import PATIENCE
from to_my_email.errors import DeviceRefused, Error, NotEnrolled, Refused, StoreLocked, Temporary, Unreachable
from to_my_email.handover import Handover
from to_my_email.spool import Entry, Spool

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


class Scanning:
    """The scans of a device, from its spool to the mailbox. Safe for several threads.

    Args:
        api: the device.
        inline_largest, block: sizes in bytes, see ``handover``.
    """

    def __init__(self, api: Api, *, inline_largest: int, block: int) -> None:
        self.api = api
        self._spool = Spool(api.store.spool)
        self._handover = Handover(api, inline_largest=inline_largest, block=block)

    def close(self) -> None:
        """Close the device's connections."""
        self.api.close()
        self._handover.close()

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
            "locale": self.api.language,
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
