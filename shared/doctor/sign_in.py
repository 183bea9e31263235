"""Consent, the account, the sign-in and the rules: one question to Entra, and what its answer says of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from shared import faults
from shared.doctor.report import Check, Result
from shared.doctor.rounds import Answers
from shared.doctor.subjects import Known, Patient
from shared.faults import N_
from shared.identity.errors import SECURITY_DEFAULTS
from shared.vault import PAUSED

NAMES = ("consent", "range", "account", "sign_in", "conditional_access", "security_defaults")
_RULES = ("account", "conditional_access", "security_defaults")
"""What an organisation decides, and nobody for a personal account."""

_RECORDS = N_("The service's own records were read.")
_SILENTLY = N_(
    "Entra was asked for a new token, silently, with the stored sign-in and every permission that was agreed to."
)
_AS_APP = N_("Entra was asked for a token of the app itself in this organisation.")
_BY_SMTP = N_("Entra was asked for a token for SMTP, after it had given one for Graph.")
_CHALLENGED = N_("Graph refused a fresh token with a claims challenge, and Entra was asked for one that answers it.")

NO_STORAGE = N_("The service's storage does not answer, so there is nobody to ask with.")
NO_SIGN_IN = N_("There is no sign-in to ask with.")
NOBODY = N_("Nobody was chosen to ask with.")
_STOPPED = N_("Entra stopped at another point, and says nothing of this.")
_NO_ANSWER = N_("Entra gave no answer that says anything of this.")
_PAUSED = N_("Microsoft asked for a pause of this mailbox, so nobody was asked.")
_PERSONAL = N_("A personal account belongs to no organisation, which could rule this.")
_NOT_STOPPED = N_(
    "They do not stop this sign-in from where the service runs. Whether there are any, Entra does not say."
)

_POINTS: Mapping[type[faults.Fault], str] = {
    faults.ConsentRequired: "consent",
    faults.ConsentWithdrawn: "consent",
    faults.MailboxConsentMissing: "consent",
    faults.PermissionMissing: "range",
    faults.AccountDisabled: "account",
    faults.NotAssigned: "account",
    faults.BlockedByPolicy: "conditional_access",
    faults.DeviceCodeBlocked: "conditional_access",
}


def point_of(fault: faults.Fault) -> str | None:
    """Return the check at which a fault stopped; None: at none of this area."""
    if isinstance(fault, faults.BlockedByPolicy) and fault.numbers & SECURITY_DEFAULTS:
        return "security_defaults"
    if found := _POINTS.get(type(fault)):
        return found
    # Whatever else a sign-in can be wrong with is a matter of the sign-in.
    return "sign_in" if isinstance(fault, faults.PersonMust | faults.AdministratorMust) else None


def checks(known: Known, answers: Answers) -> Iterator[Check]:
    """Yield the checks of this area."""
    found = {check.name: check for check in _answered(known, answers)}
    patient = known.patient
    if patient is not None and patient.personal:
        found |= {name: Check(name, Result.NOT_ASKED, said=_PERSONAL) for name in _RULES}
    yield from found.values()
    if known.device is None:
        yield _for_all(known, answers)


def why_nobody(known: Known) -> str:
    """Return why there is nobody to ask with (message id)."""
    if known.organisation is None:
        return NO_STORAGE
    return NO_SIGN_IN if known.missing else NOBODY


def _answered(known: Known, answers: Answers) -> Iterator[Check]:
    if known.patient is None:
        yield from _without(known, answers)
        return
    assert answers.token is not None
    stopped = _stopped(known.patient, answers)
    point = stopped.name if stopped else None
    if stopped:
        yield stopped
    for name in NAMES:
        if name != point:
            yield _beside(name, answers, stopped)


def _without(known: Known, answers: Answers) -> Iterator[Check]:
    """Nobody can be asked with; the records may say why, and Entra may say that it does not know the app here."""
    point, missing = "", known.missing
    if missing is not None:
        point = point_of(missing) or "sign_in"
        yield Check(point, Result.FAILS, _RECORDS, missing.note, fault=type(missing))
    credential = answers.credential.fault if answers.credential else None
    if not point and isinstance(credential, faults.ConsentWithdrawn):
        point = "consent"
        yield Check(point, Result.FAILS, _AS_APP, credential.note, fault=type(credential))
    for name in NAMES:
        if name != point:
            yield Check(name, Result.NOT_ASKED, said=why_nobody(known))


def _stopped(patient: Patient, answers: Answers) -> Check | None:
    """Return the check at which Entra stopped, as failing; None where it did not, or gave no answer."""
    narrow = answers.narrow
    if narrow is not None and narrow.fault is None and answers.token and answers.token.fault:
        # The least permissions are granted, the range's are not.
        note = answers.token.fault.note
        return Check("range", Result.FAILS, _SILENTLY, note, fault=faults.PermissionMissing)
    for said, asked in (
        (answers.token, _SILENTLY),
        (answers.challenged, _CHALLENGED),
        (answers.smtp_token, _BY_SMTP),
    ):
        point = point_of(said.fault) if said and said.fault else None
        if said and said.fault and point:
            return Check(point, Result.FAILS, asked, said.fault.note, fault=type(said.fault), oid=patient.oid)
    if answers.granted and (lacking := _lacking(patient, answers.granted.scopes)):
        answer = f"- {' '.join(lacking)}"
        return Check("range", Result.FAILS, _SILENTLY, answer, fault=faults.PermissionMissing)
    return None


def _beside(name: str, answers: Answers, stopped: Check | None) -> Check:
    """Return a check at which Entra did not stop."""
    if answers.granted is None:
        fault = answers.token.fault if answers.token else None
        if fault is not None and fault.note == PAUSED:
            return Check(name, Result.NOT_ASKED, said=_PAUSED)
        answer = fault.note if fault and not stopped else ""
        said = _STOPPED if stopped else _NO_ANSWER
        return Check(name, Result.UNKNOWN, _SILENTLY, answer, said)
    if stopped and stopped.name in {"conditional_access", "security_defaults", "sign_in"} and name in _RULES:
        # For Graph it was let through, and for SMTP or a challenge it was stopped by something that has no name.
        return Check(name, Result.UNKNOWN, _SILENTLY, "", _STOPPED)
    said = _NOT_STOPPED if name in {"conditional_access", "security_defaults"} else ""
    return Check(name, Result.OK, _SILENTLY, _short(answers.granted.scopes), said)


def _for_all(known: Known, answers: Answers) -> Check:
    name, patient = "consent_for_all", known.patient
    if known.organisation is None or known.missing is not None:
        return Check(name, Result.NOT_ASKED, said=why_nobody(known))
    if known.organisation.confirmed:
        said = N_("Somebody else than the administrator who agreed has signed in since, with these permissions.")
        return Check(name, Result.OK, _RECORDS, said=said)
    another = patient is not None and known.organisation.proven_oid not in {"", patient.oid}
    if another and answers.granted is not None:
        said = N_("This is another account than the one that agreed.")
        return replace(_beside(name, answers, None), said=said)
    said = N_("A token proves it for its own account. The next person who signs in shows it.")
    return Check(name, Result.UNKNOWN, _RECORDS, said=said)


def _lacking(patient: Patient, scopes: frozenset[str]) -> list[str]:
    have = {scope.lower() for scope in scopes}
    return [scope.rpartition("/")[2] for scope in patient.range.scopes if scope.lower() not in have]


def _short(scopes: frozenset[str]) -> str:
    """Return scopes as people write them, without the resource in front and without OpenID Connect's."""
    return " ".join(sorted(scope.rpartition("/")[2] for scope in scopes if "://" in scope))
