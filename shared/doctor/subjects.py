"""Whom the doctor asks with: nobody, a person who is signed in, or the account of a printer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared import faults
from shared.mailboxes.accounts import EMAIL, FAX, OUTLOOK_COM
from shared.organisations.ranges import RANGES, Range

if TYPE_CHECKING:
    from shared.devices import Device, Devices
    from shared.mail import Smtp
    from shared.mailboxes import Accounts, Outgoings
    from shared.organisations import Organisation, Organisations
    from shared.vault import Grants

SMTP_SEND = "SMTP.Send"
READS_MAIL = "Mail.ReadWrite"


@dataclass(frozen=True)
class Subject:
    """What an administrator chose. ``id``: of the person or the printer, or empty; ``use``: which account of it."""

    id: str = ""
    printer: bool = False
    use: str = EMAIL

    def written(self) -> str:
        """Return it as a form or a command line has it."""
        kind = ("fax" if self.use == FAX else "printer") if self.printer else "person"
        return f"{kind}:{self.id}" if self.id else ""


def read(written: str) -> Subject:
    """Return the subject that :meth:`Subject.written` wrote.

    Raises:
        InvalidRequest: it is none.
    """
    kind, _, name = written.partition(":")
    if not written:
        return Subject()
    if kind not in {"person", "printer", "fax"} or not name:
        raise faults.InvalidRequest("subject")
    return Subject(name, kind != "person", FAX if kind == "fax" else EMAIL)


@dataclass(frozen=True)
class Patient:
    """Somebody to ask with: where his tokens lie, what they should hold, and by which servers he sends."""

    tid: str
    key: str
    """Row of the tokens: the person's object id, or the id of the printer's sign-in."""
    oid: str
    """Object id of the account where it is known: the remedy's lines name it."""
    grants: Grants
    range: Range
    smtp: Smtp
    personal: bool
    """A personal account: no organisation rules it."""
    sender: str
    """Address that SMTP is asked with; empty: the one that Graph says."""
    meant: Callable[[faults.Fault], faults.Fault]
    """What a fault of the sign-in means here."""

    @property
    def reads_mail(self) -> bool:
        """Whether its tokens may look into the mailbox."""
        return any(scope.endswith(f"/{READS_MAIL}") for scope in self.range.scopes)


@dataclass(frozen=True)
class Known:
    """What our own storage says of a subject.

    Attributes:
        organisation: the organisation, or None where storage did not answer.
        patient: who can be asked with, or None.
        missing: why nobody can; None where nobody was chosen.
        hint: the account, masked; or empty.
        device: the printer, where one was chosen.
        use: which account of it.
        delivered: whether the printer has its settings; None where that is no question.
        learnt: bytes; Exchange refused a larger document of this mailbox lately. None: it refused none.
    """

    organisation: Organisation | None = None
    patient: Patient | None = None
    missing: faults.Fault | None = None
    hint: str = ""
    device: Device | None = None
    use: str = EMAIL
    delivered: bool | None = None
    learnt: int | None = None

    @property
    def allowed(self) -> Range | None:
        """The range that counts: of who is asked with, else the organisation's."""
        if self.patient is not None:
            return self.patient.range
        return self.organisation.range if self.organisation else None

    @property
    def by_smtp(self) -> bool:
        """Whether larger scans leave by SMTP."""
        return self.allowed is not None and any(scope.endswith(f"/{SMTP_SEND}") for scope in self.allowed.scopes)


class Subjects:
    """Finds who can be asked with.

    Args:
        organisations: their consent and range.
        grants: people's tokens.
        mailbox_grants: those of printers' accounts.
        devices: the printers.
        accounts: their accounts.
        outgoings: says what a fault means for a printer.
        exchange, outlook: the mail servers.
        account_hint: a person's account, masked; or empty.
    """

    def __init__(
        self,
        organisations: Organisations,
        grants: Grants,
        mailbox_grants: Grants,
        devices: Devices,
        accounts: Accounts,
        outgoings: Outgoings,
        exchange: Smtp,
        outlook: Smtp,
        account_hint: Callable[[str, str], str],
    ) -> None:
        self._organisations = organisations
        self._grants = grants
        self._mailbox_grants = mailbox_grants
        self._devices = devices
        self._accounts = accounts
        self._outgoings = outgoings
        self._exchange = exchange
        self._outlook = outlook
        self._account_hint = account_hint

    def require(self, tid: str, subject: Subject) -> None:
        """Let pass what is the organisation's own.

        Raises:
            NotFound: unknown, or another organisation's.
        """
        if subject.printer:
            self._devices.owned(tid, subject.id)
        elif subject.id and self._grants.get(tid, subject.id) is None:
            raise faults.NotFound("person")

    def known(self, tid: str, subject: Subject) -> Known:
        """Return what is known of a subject that may be asked for.

        Raises:
            StorageUnavailable: nothing is known.
        """
        organisation = self._organisations.get(tid)
        if subject.printer:
            return self._printer(organisation, subject)
        try:
            allowed = organisation.require_consent()
        except faults.AdministratorMust as fault:
            return Known(organisation, missing=fault)
        grant = self._grants.get(tid, subject.id) if subject.id else None
        if grant is None:
            return Known(organisation)
        hint = self._account_hint(tid, subject.id)
        if grant.ended:
            return Known(organisation, missing=faults.BY_REASON[grant.ended]("ended earlier"), hint=hint)
        patient = Patient(
            tid, subject.id, subject.id, self._grants, allowed, self._exchange, False, "", lambda fault: fault
        )
        return Known(organisation, patient, hint=hint, learnt=grant.largest_taken)

    def _printer(self, organisation: Organisation, subject: Subject) -> Known:
        device = self._devices.owned(organisation.tid, subject.id)
        account = self._accounts.of(device, subject.use)
        if account is None:
            return Known(organisation, missing=faults.MailboxNotSignedIn("no account"), device=device, use=subject.use)
        delivered = self._accounts.delivered(device, account)
        told = {"hint": account.account_hint, "device": device, "use": subject.use, "delivered": delivered}
        grant = self._mailbox_grants.get(account.owner.tid, account.sign_in)
        if grant is None or grant.ended:
            ended = faults.BY_REASON[grant.ended]("ended earlier") if grant and grant.ended else None
            missing = self._outgoings.meant(ended or faults.SignInRequired("no tokens"))
            return Known(organisation, missing=missing, **told)  # type: ignore[arg-type]
        personal = account.service == OUTLOOK_COM
        patient = Patient(
            account.owner.tid,
            account.sign_in,
            "",
            self._mailbox_grants,
            RANGES[account.range],
            self._outlook if personal else self._exchange,
            personal,
            account.sender,
            self._outgoings.meant,
        )
        return Known(organisation, patient, learnt=grant.largest_taken, **told)  # type: ignore[arg-type]
