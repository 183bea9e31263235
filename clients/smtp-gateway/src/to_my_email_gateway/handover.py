"""From a mail to the service: the scans in it are handed over before the printer hears 250.

A scan's id is made from the mail: printer, person, Message-ID, Date and the document's hash. A printer that
did not hear our 250 sends the same mail again and gets the same id, and the service, which takes an id once,
answers as the first time. So neither a lost answer nor a gateway that dies makes a second mail, and nothing
has to be remembered here. (The other side of it: a printer whose mail has neither Message-ID nor Date, and
that sends the very same bytes again, means the same scan.)
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import IO, Any

from to_my_email import Api, Error
from to_my_email.handover import Handover
from to_my_email.spool import Entry
from to_my_email_gateway import replies
from to_my_email_gateway.documents import Document, Mail, take_apart
from to_my_email_gateway.printers import Printer
from to_my_email_gateway.replies import RefusedMail, Reply

PATIENCE = 15.0
"""Seconds to wait for a service that is away, of each step, before the printer is told to try again: printers
give up on an answer after about a minute, whatever RFC 5321 section 4.5.3.2.6 asks of them."""
TAKEN_APART_AT_ONCE = 1
"""Mails that are in memory at one time; the others wait in their files."""
NAMESPACE = uuid.UUID("6d1f3d0c-6d9a-5b0e-9c57-0c2a64c1d6a3")
"""Of the ids made here (RFC 9562 section 5.5)."""

log = logging.getLogger("to_my_email_gateway")


class Handing:
    """Hands mails over. Safe for several threads.

    Args:
        service: the service's address.
        language: BCP 47 tag of the texts and of the mails.
        work: a directory of the gateway's own; cleared at the start.
        given: for the device client (clocks for tests).
    """

    def __init__(self, service: str, language: str, work: Path, **given: Any) -> None:
        self._service = service
        self._language = language
        self._given = given
        self._devices: dict[Path, tuple[Api, Handover]] = {}
        self._lock = threading.Lock()
        self._in_hand: set[str] = set()
        self._memory = threading.Semaphore(TAKEN_APART_AT_ONCE)
        self.work = work
        shutil.rmtree(work, ignore_errors=True)  # what a killed gateway left; the printers still have it
        work.mkdir(mode=0o700, parents=True)

    def close(self) -> None:
        """Close the connections to the service."""
        for api, handover in self._devices.values():
            api.close()
            handover.close()
        self._devices.clear()

    def receive(self, mail: IO[bytes], printer: Printer, people: Sequence[str]) -> Reply:
        """Hand over every document of ``mail`` to every person, and return what the printer is told.

        Closes ``mail``. Raises nothing.
        """
        try:
            with mail, tempfile.TemporaryDirectory(dir=self.work) as folder:
                mail.seek(0)
                with self._memory:
                    apart = take_apart(mail, Path(folder))
                reply = replies.of_all(list(self._all(apart, printer, people)))
        except RefusedMail as refused:
            reply = refused.reply
        except OSError as fault:
            full = fault.errno in {ENOSPC, EDQUOT}
            log.error("disk: %s", type(fault).__name__)  # noqa: TRY400  (a traceback could name files)
            reply = replies.FULL_DISK if full else replies.TROUBLE
        except Exception as fault:  # noqa: BLE001  (whatever it is, the mail must stay with the printer)
            log.error("fault: %s at %s", type(fault).__name__, _where(fault))  # noqa: TRY400  (likewise)
            reply = replies.TROUBLE
        log.info("printer %s: answered %d %s", printer.name, reply.code, reply.reason or "accepted")
        return reply

    def _all(self, mail: Mail, printer: Printer, people: Sequence[str]) -> Iterator[Reply]:
        for person in people:
            for number, document in enumerate(mail.documents):
                reply = self._one(mail, printer, person, number, document)
                yield reply
                if reply.passes:
                    return  # the whole mail comes again

    def _one(self, mail: Mail, printer: Printer, person: str, number: int, document: Document) -> Reply:
        manifest = {
            "kind": "to_my_email",
            "locale": self._language,
            "user": person,
            **({"title": mail.title} if mail.title else {}),
            "document": {
                "name": document.name,
                "type": document.media_type,
                "size": document.size,
                "sha256": document.sha256,
            },
        }
        scan_id = _scan_id(printer.name, mail.marks, number, manifest)
        with self._holding(scan_id) as free:
            if not free:
                return replies.IN_HAND
            try:
                job = self._device(printer).run(
                    _entry(document, manifest, scan_id), patience=PATIENCE, progress=lambda _: None
                )
            except Error as error:
                log.info("printer %s, scan %s: %s", printer.name, scan_id, error.reason)
                return replies.of_error(error)
        log.info("printer %s, scan %s: %s", printer.name, scan_id, job.state)
        return replies.of_job(job)

    @contextmanager
    def _holding(self, scan_id: str) -> Iterator[bool]:
        """Tell whether nobody else hands this scan over: a printer that lost patience may come back meanwhile."""
        with self._lock:
            free = scan_id not in self._in_hand
            self._in_hand.add(scan_id)
        try:
            yield free
        finally:
            if free:
                with self._lock:
                    self._in_hand.discard(scan_id)

    def _device(self, printer: Printer) -> Handover:
        with self._lock:
            if printer.store not in self._devices:
                api = Api(self._service, printer.store, **self._given)
                api.language = self._language
                self._devices[printer.store] = (api, Handover(api))
            return self._devices[printer.store][1]


def _scan_id(printer: str, marks: Sequence[str], number: int, manifest: dict[str, Any]) -> str:
    """Return the id of a scan: a UUID that the same mail has again, with the same manifest."""
    made_of = json.dumps([printer, list(marks), number, manifest], sort_keys=True)
    return str(uuid.uuid5(NAMESPACE, hashlib.sha256(made_of.encode()).hexdigest()))


def _entry(document: Document, manifest: dict[str, Any], scan_id: str) -> Entry:
    """Return what the device client hands over: a folder of the scan's own, since its name is the id."""
    folder = document.folder.with_name(scan_id)
    folder.mkdir(mode=0o700)
    (folder / "document").hardlink_to(document.folder / "document")
    return Entry(folder, "ready", {**manifest, "id": scan_id})


def _where(fault: BaseException) -> str:
    """Return the line of ours at which a fault arose; never its text, which could hold what was in the mail."""
    trace = fault.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
