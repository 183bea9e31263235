"""The app's own proof: from the answers to checks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from shared import faults
from shared.doctor.report import Check, Result
from shared.doctor.rounds import Answers
from shared.faults import N_
from shared.identity.client_certificate import NOTICE

_PROOF = N_("Entra was asked for a token of the app itself. It opens nothing, and was dropped.")
_CERTIFICATE = N_("The certificate itself was read.")
_IDENTITY = N_("The managed identity was asked for the assertion that proves the app.")
_REFUSED = (faults.OwnCredentialRefused, faults.ServiceMisconfigured, faults.KeyServiceUnavailable)


def checks(answers: Answers, now: datetime, *, federated: bool) -> Iterator[Check]:
    """Yield the checks of this area.

    Args:
        answers: what was answered.
        now: the time.
        federated: a managed identity proves the app, and no certificate.
    """
    yield _taken(answers)
    yield _lasts(answers, now, federated=federated)


def _taken(answers: Answers) -> Check:
    name, said = "app_credential", answers.credential
    keys_wrong = answers.keys is not None and answers.keys.fault is not None
    for other in (said, answers.token):
        fault = other.fault if other else None
        # A wrong set-up of the keys is shown where the keys are.
        if isinstance(fault, _REFUSED) and not (other is answers.token and keys_wrong):
            return Check(name, Result.FAILS, _PROOF, fault.note, fault=type(fault))
    if said is None:
        return Check(name, Result.NOT_ASKED, said=N_("Nobody was there to ask."))
    if said.fault is None:
        return Check(name, Result.OK, _PROOF, "200")
    if isinstance(said.fault, faults.ConsentWithdrawn):
        told = N_("The organisation does not know the app (any more), so Entra may not have looked at its credential.")
        return Check(name, Result.UNKNOWN, _PROOF, said.fault.note, told)
    return Check(name, Result.UNKNOWN, _PROOF, said.fault.note, N_("Entra gave no answer that says anything of this."))


def _lasts(answers: Answers, now: datetime, *, federated: bool) -> Check:
    name, said = "app_credential_ends", answers.credential_ends
    asked = _IDENTITY if federated else _CERTIFICATE
    if said is None or said.fault is not None:
        note = said.fault.note if said and said.fault else ""
        return Check(name, Result.UNKNOWN, asked, note, N_("It gave none, so nothing can be said of its end."))
    if said.value is None:
        return Check(
            name, Result.OK, asked, said=N_("The managed identity proves the app: there is nothing that ends.")
        )
    left = said.value - now
    answer = f"{said.value:%Y-%m-%d}, {left.days} d"
    if left <= NOTICE:
        told = N_("It has ended, or ends within 30 days.")
        return Check(name, Result.FAILS, asked, answer, told, faults.OwnCredentialRefused)
    return Check(name, Result.OK, asked, answer)
