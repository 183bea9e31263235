"""One examination: who is asked with, the questions, and what the answers mean together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from shared import faults
from shared.devices.limits import Use
from shared.doctor import app, mailbox, reach, sign_in
from shared.doctor.report import TITLES, Report
from shared.doctor.rounds import Answers, Rounds
from shared.doctor.subjects import Known, Subject, Subjects

if TYPE_CHECKING:
    from shared.devices import Limits
    from shared.mail import Smtp
    from shared.storage import Storage


class Doctor:
    """Examines organisations.

    Args:
        subjects: finds who can be asked with.
        rounds: asks.
        storage: is asked first: without it there is nobody to ask with.
        limits: how often an organisation may be examined.
        exchange: the mail server for whoever has none of his own.
        clock: the time now.
        key_file: the keys lie in a file on this machine.
        federated: a managed identity proves the app, and no certificate.
    """

    def __init__(
        self,
        subjects: Subjects,
        rounds: Rounds,
        storage: Storage,
        limits: Limits,
        exchange: Smtp,
        clock: Callable[[], datetime],
        *,
        key_file: bool,
        federated: bool,
    ) -> None:
        self._subjects = subjects
        self._rounds = rounds
        self._storage = storage
        self._limits = limits
        self._exchange = exchange
        self._clock = clock
        self._key_file = key_file
        self._federated = federated

    def examine(self, tid: str, subject: Subject) -> Report:
        """Ask everything that can be asked for an organisation with somebody's sign-in.

        Raises:
            NotFound: the subject is unknown, or another organisation's.
            TooManyRequests: the organisation was examined often enough for now.
        """
        known, storage = Known(), None
        try:
            self._storage.check()
            self._subjects.require(tid, subject)
            self._limits.count_organisation(Use.DIAGNOSES, tid)
            known = self._subjects.known(tid, subject)
        except faults.StorageUnavailable as fault:
            storage = fault
        server = (known.patient.smtp if known.patient else self._exchange) if known.by_smtp else None
        answers = self._rounds.ask(tid, known.patient, server)
        return verdict(
            known,
            answers,
            self._clock(),
            storage=storage,
            server=server is not None,
            key_file=self._key_file,
            federated=self._federated,
        )


def verdict(
    known: Known,
    answers: Answers,
    now: datetime,
    *,
    storage: faults.Fault | None = None,
    server: bool,
    key_file: bool = False,
    federated: bool = False,
) -> Report:
    """Return what the answers mean together; asks nobody.

    Args:
        known: what the service's own records say.
        answers: what was answered.
        now: the time.
        storage: why storage did not answer; None where it did.
        server: larger scans leave by SMTP.
        key_file: the keys lie in a file on this machine.
        federated: a managed identity proves the app, and no certificate.
    """
    found = [
        *reach.checks(answers, storage, key_file=key_file, server=server, allowed=known.allowed is not None),
        *app.checks(answers, now, federated=federated),
        *sign_in.checks(known, answers),
        *mailbox.checks(known, answers),
    ]
    places = list(TITLES)
    return Report(known.hint, now, sorted(found, key=lambda check: places.index(check.name)))
