"""The mailbox, SMTP AUTH, sizes, and what a printer's account needs beside: from the answers to checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shared import faults
from shared.doctor.report import Check, Result
from shared.doctor.rounds import Answers
from shared.doctor.sign_in import why_nobody
from shared.doctor.subjects import Known
from shared.faults import N_
from shared.mail.mime import largest_document
from shared.mail.smtp import NO_REASON
from shared.mailboxes.accounts import FAX

_ME = N_("Graph was asked whose mailbox the token is for.")
_OFFERED = N_("Graph was offered a mail that cannot be sent, and must refuse it as unreadable.")
_LOOKED = N_("Graph was asked for the mailbox's folder of drafts.")
_AUTH = N_("Exchange's mail server was asked to let the mailbox in (AUTH XOAUTH2); then the connection was ended.")
_SIZES = N_("The policy, what Exchange refused so far, and what its mail server announces (EHLO SIZE) were compared.")
_POLICY = N_("The organisation's policy was read.")
_DELIVERED = N_("The version of the settings that the printer acknowledged was compared with the newest.")

_NO_TOKEN = N_("Without a token and a mail address nobody can be asked with.")
_WITHOUT = N_("With the permissions that were agreed to nothing goes by SMTP.")
_STOPPED = N_("Exchange stopped at another point, and says nothing of this.")
_NO_ANSWER = N_("There was no answer that says anything of this.")
_PERSONAL = N_("A personal account belongs to no organisation, which could rule this.")
_THIS_ONE = N_("It lets this mailbox in. One with a setting of its own does not follow the organisation's.")
_NO_REASON = N_("Exchange gives no reason. To a fresh token it says so mostly where SMTP AUTH is off for the mailbox.")
_SMTP = ("smtp_auth_organisation", "smtp_auth_mailbox", "smtp_rules")
_STOPS: Mapping[type[faults.Fault], str] = {
    faults.SmtpDisabledForOrganisation: "smtp_auth_organisation",
    faults.SmtpDisabledForMailbox: "smtp_auth_mailbox",
    faults.SmtpBlockedByPolicy: "smtp_rules",
    faults.AccountLocked: "smtp_rules",
}


def checks(known: Known, answers: Answers) -> Iterator[Check]:
    """Yield the checks of this area."""
    yield _mailbox(known, answers)
    yield from _submission(known, answers)
    yield _sizes(known, answers)
    if known.device is None or known.organisation is None:
        return
    if known.delivered is not None:
        result = Result.OK if known.delivered else Result.FAILS
        yield Check("delivered", result, _DELIVERED, fault=None if known.delivered else faults.MailboxNotDelivered)
    if known.use == FAX:
        there = bool(known.organisation.policy.fax_address)
        result = Result.OK if there else Result.FAILS
        yield Check("fax", result, _POLICY, fault=None if there else faults.FaxNotSetUp)


def _mailbox(known: Known, answers: Answers) -> Check:
    name, me, shown = "mailbox", answers.me, answers.mailbox
    if known.patient is None or me is None:
        return Check(name, Result.NOT_ASKED, said=_NO_TOKEN if known.patient else why_nobody(known))
    if me.fault is None and me.value.address is None:
        return Check(name, Result.FAILS, _ME, "200, mail: null", fault=faults.NoMailbox)
    asked = _LOOKED if known.patient.reads_mail else _OFFERED
    if fault := me.fault or (shown.fault if shown else None):
        # Where it is somebody's to change it is a fact; else it says nothing of the mailbox.
        wrong = isinstance(fault, faults.AdministratorMust | faults.PersonMust)
        question = _ME if me.fault else asked
        if wrong:
            return Check(name, Result.FAILS, question, fault.note, fault=type(fault))
        return Check(name, Result.UNKNOWN, question, fault.note, _NO_ANSWER)
    return _seen(name, asked, answers)


def _seen(name: str, asked: str, answers: Answers) -> Check:
    """Return what is known where nobody denied that there is a mailbox."""
    if answers.mailbox is not None and answers.mailbox.value:
        return Check(name, Result.OK, asked, "200")
    if _let_in(answers):
        said = N_("Graph did not deny it, and Exchange's mail server let it in, which it does for mailboxes alone.")
        return Check(name, Result.OK, _AUTH, "235", said)
    said = N_("Graph does not deny it. The range has no permission to look into the mailbox; the first scan shows it.")
    return Check(name, Result.UNKNOWN, asked, "400 ErrorMimeContentInvalidBase64String", said)


def _let_in(answers: Answers) -> bool:
    """Say whether the mailbox's owner was let in by SMTP."""
    asked = answers.smtp_token is not None and answers.smtp_token.fault is None
    said = answers.smtp
    return asked and said is not None and said.fault is None and said.value.refused is None


def _submission(known: Known, answers: Answers) -> Iterator[Check]:
    patient, said = known.patient, answers.smtp
    if patient is None:
        yield from _all(Result.NOT_ASKED, said=why_nobody(known))
    elif not known.by_smtp:
        yield from _all(Result.NOT_ASKED, said=_WITHOUT)
    elif answers.smtp_token is None or answers.smtp_token.fault is not None or said is None:
        yield from _all(Result.NOT_ASKED, said=_NO_TOKEN)
    elif said.fault is not None:
        yield from _all(Result.UNKNOWN, _AUTH, said.fault.note, _NO_ANSWER)
    else:
        refused: faults.Fault | None = said.value.refused
        stop = _STOPS.get(type(refused)) if refused else None
        if refused and _gives_no_reason(refused) and _denied(answers):
            # There is no mailbox that could be let in.
            stop = None
        for name in _SMTP:
            if patient.personal and name == "smtp_auth_organisation":
                yield Check(name, Result.NOT_ASKED, said=_PERSONAL)
            elif refused is None:
                yield Check(name, Result.OK, _AUTH, "235", _THIS_ONE if name == "smtp_auth_organisation" else "")
            elif name == stop:
                because = _NO_REASON if _gives_no_reason(refused) else ""
                yield Check(name, Result.FAILS, _AUTH, refused.note, because, fault=type(refused))
            else:
                yield Check(name, Result.UNKNOWN, _AUTH, refused.note, _STOPPED if stop else _NO_ANSWER)


def _gives_no_reason(refused: faults.Fault) -> bool:
    return refused.note.endswith(NO_REASON)


def _denied(answers: Answers) -> bool:
    """Say whether Graph denied that there is a mailbox."""
    return answers.mailbox is not None and isinstance(answers.mailbox.fault, faults.NoMailbox)


def _all(result: Result, asked: str = "", answer: str = "", said: str = "") -> Iterator[Check]:
    yield from (Check(name, result, asked, answer, said) for name in _SMTP)


def _sizes(known: Known, answers: Answers) -> Check:
    name, organisation = "size_limits", known.organisation
    allowed = known.allowed
    if organisation is None or allowed is None:
        return Check(name, Result.NOT_ASKED, said=why_nobody(known))
    largest, learnt = allowed.largest_document(organisation.policy), known.learnt
    if not allowed.large:
        said = N_("One request to Graph takes no more, whatever the mailbox would.")
        return Check(name, Result.OK, _POLICY, f"{largest} bytes", said)
    heard = answers.smtp.value if answers.smtp and answers.smtp.fault is None else None
    announced = (heard.announced_to_owner or heard.announced) if heard else 0
    answer = f"policy {largest}, refused above {learnt or '-'}, EHLO SIZE {announced or '-'}"
    if learnt is not None and learnt < largest:
        said = N_("Exchange refused a scan of this mailbox for its size, although the policy allows it.")
        return Check(name, Result.FAILS, _SIZES, answer, said, fault=faults.TooLarge)
    if announced and largest_document(announced) < largest:
        said = N_("The mail server announces less than the policy promises.")
        return Check(name, Result.FAILS, _SIZES, answer, said, fault=faults.TooLarge)
    said = N_(
        "Nothing was refused for its size so far. Exchange announces the ceiling of all its customers; what this "
        "mailbox takes shows at the first scan that is too large."
    )
    return Check(name, Result.UNKNOWN, _SIZES, answer, said)
