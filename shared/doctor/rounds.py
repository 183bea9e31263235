"""The questions: each with its own time-out, side by side where they do not depend on each other, and within a minute.

What depends on each other is one row of questions (:meth:`Rounds._with_patient`): a token first, then whose mailbox it
is for, then what Exchange says to it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import faults
from shared.mail.graph.presence import require_answer, shows_mailbox
from shared.mail.smtp import SCOPES as SMTP_SCOPES
from shared.mail.transport import TokenRejected
from shared.organisations.ranges import SEND_MAIL

if TYPE_CHECKING:
    from shared.doctor.subjects import Patient
    from shared.identity import Entra, Token
    from shared.identity.client_assertion import ClientAssertion, FederatedAssertion
    from shared.mail import Graph, Smtp
    from shared.vault.key_encryption import KeyEncryption

LONGEST = 60.0
"""Seconds until whatever has not answered counts as not reached."""
_LATE = "no answer in time"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Said:
    """An answer: a value, or the fault that was the answer."""

    value: Any = None
    fault: faults.Fault | None = None
    claims: str | None = None
    """The claims challenge, where the token was not taken for one."""

    @property
    def passing(self) -> faults.Fault | None:
        """The fault, where it means that nobody answered properly; a claims challenge is an answer."""
        return self.fault if isinstance(self.fault, faults.Passing) and self.claims is None else None


@dataclass
class Answers:
    """Every answer by what was asked; None: it was not asked."""

    keys: Said | None = None
    time: Said | None = None
    """Value: seconds that Entra is ahead of us."""
    graph: Said | None = None
    credential: Said | None = None
    credential_ends: Said | None = None
    """Value: when; None: never."""
    token: Said | None = None
    narrow: Said | None = None
    """The same with the least permissions, after the range's were refused for want of consent."""
    smtp_token: Said | None = None
    challenged: Said | None = None
    """A new token after Graph's claims challenge."""
    me: Said | None = None
    mailbox: Said | None = None
    smtp: Said | None = None

    @property
    def granted(self) -> Token | None:
        """The token for Graph that there is, whatever it holds."""
        said = next((said for said in (self.challenged, self.narrow, self.token) if said and said.fault is None), None)
        return said.value if said else None


class Rounds:
    """Asks.

    Args:
        entra: for people's app registration.
        proof: by what the app proves itself there.
        graph: Microsoft Graph.
        keys: whoever keeps the key-encryption key.
        clock: the time now.
        longest: seconds for all questions together.
    """

    def __init__(
        self,
        entra: Entra,
        proof: ClientAssertion | FederatedAssertion,
        graph: Graph,
        keys: KeyEncryption,
        clock: Callable[[], datetime],
        longest: float = LONGEST,
    ) -> None:
        self._entra = entra
        self._proof = proof
        self._graph = graph
        self._keys = keys
        self._clock = clock
        self._longest = longest

    def ask(self, tid: str, patient: Patient | None, server: Smtp | None) -> Answers:
        """Ask everything that can be asked, and return what was answered in time.

        Args:
            tid: the organisation.
            patient: who can be asked with.
            server: the mail server that larger scans leave by; None where none do.
        """
        answers = Answers()
        rows: list[Callable[[], object]] = [
            lambda: self._put(answers, "keys", self._keys.current),
            lambda: self._put(answers, "time", lambda: self._ahead(tid)),
            lambda: self._put(answers, "graph", lambda: require_answer(self._graph)),
            lambda: self._put(answers, "credential", lambda: self._entra.ask_as_app(tid)),
            lambda: self._put(answers, "credential_ends", self._proof.ends),
            lambda: self._with_patient(answers, patient, server),
        ]
        pool = ThreadPoolExecutor(len(rows), "doctor")
        wait([pool.submit(row) for row in rows], timeout=self._longest)
        # Whoever has not answered by now answers nobody: each call ends by a time-out of its own.
        pool.shutdown(wait=False, cancel_futures=True)
        return copy(answers)

    def _ahead(self, tid: str) -> float:
        there = self._entra.time(tid)
        return (there - self._clock()).total_seconds()

    def _with_patient(self, answers: Answers, patient: Patient | None, server: Smtp | None) -> None:
        if patient is not None:
            self._tokens(answers, patient)
        if patient is not None and answers.granted is not None:
            self._look(answers, patient)
        if server is None:
            return
        address = patient.sender if patient else ""
        if not address and answers.me is not None and answers.me.fault is None:
            address = answers.me.value.address or ""
        if patient is not None and answers.granted is not None and address:
            tokens = patient
            said = self._put(
                answers, "smtp_token", lambda: tokens.grants.ask(tokens.tid, tokens.key, SMTP_SCOPES), tokens.meant
            )
            if said.fault is None:
                self._put(answers, "smtp", lambda: server.ask(said.value.access_token, address))
                return
        self._put(answers, "smtp", server.ask)

    def _tokens(self, answers: Answers, patient: Patient) -> None:
        asked = self._put(
            answers, "token", lambda: patient.grants.ask(patient.tid, patient.key, patient.range.scopes), patient.meant
        )
        if isinstance(asked.fault, faults.ConsentWithdrawn | faults.MailboxConsentMissing):
            self._put(answers, "narrow", lambda: patient.grants.ask(patient.tid, patient.key, SEND_MAIL), patient.meant)

    def _look(self, answers: Answers, patient: Patient) -> None:
        """Ask Graph whose mailbox it is, and whether it is there; a claims challenge is answered once."""
        me = self._put(answers, "me", lambda: self._graph.me(_token(answers)))
        if me.claims is not None:
            again = self._put(
                answers,
                "challenged",
                lambda: patient.grants.ask(patient.tid, patient.key, SEND_MAIL, me.claims),
                patient.meant,
            )
            if again.fault is not None:
                return
            me = self._put(answers, "me", lambda: self._graph.me(_token(answers)))
        if me.fault is None:
            readable = patient.reads_mail and answers.narrow is None
            self._put(answers, "mailbox", lambda: shows_mailbox(self._graph, _token(answers), readable=readable))

    @staticmethod
    def _put(
        answers: Answers,
        name: str,
        question: Callable[[], Any],
        meant: Callable[[faults.Fault], faults.Fault] = lambda fault: fault,
    ) -> Said:
        """Ask one question, and put down that it was asked before its answer."""
        setattr(answers, name, Said(fault=faults.NoConnection(_LATE)))
        try:
            said = Said(question())
        except TokenRejected as rejected:
            said = Said(fault=rejected.lasting("a fresh token was rejected"), claims=rejected.claims)
        except faults.Fault as fault:
            said = Said(fault=meant(fault))
            if said.fault is not None:
                said.fault.numbers = fault.numbers
        except Exception as error:  # noqa: BLE001  (one question must not cost the others their answers)
            log.error("a question of the doctor's failed: %s", type(error).__name__)  # noqa: TRY400
            said = Said(fault=faults.Unexpected(type(error).__name__))
        setattr(answers, name, said)
        return said


def _token(answers: Answers) -> str:
    granted = answers.granted
    assert granted is not None
    return granted.access_token
