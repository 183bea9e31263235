"""What is reached, and the clock: from the answers to checks."""

from __future__ import annotations

from collections.abc import Iterator

from shared import faults
from shared.doctor.report import Check, Result
from shared.doctor.rounds import Answers, Said
from shared.faults import N_
from shared.vault import PAUSED

LARGEST_SKEW = 300.0
"""Seconds that clocks may differ: Entra allows as much for an assertion, and we for an ID token."""

_STORAGE = N_("A row of the storage was read.")
_KEYS = N_("The keeper of the keys (Key Vault) was asked for the newest version of the key.")
_ENTRA = N_("Entra was asked for its metadata, which need no proof.")
_GRAPH = N_("Graph was asked who somebody is, without a token, which it must refuse.")
_SMTP = N_("The mail server was asked for TLS (STARTTLS), and for what it offers.")
_CLOCK = N_("The time of Entra's answer was compared with the service's.")


def checks(
    answers: Answers, storage: faults.Fault | None, *, key_file: bool, server: bool, allowed: bool
) -> Iterator[Check]:
    """Yield the checks of this area.

    Args:
        answers: what was answered.
        storage: why storage did not answer; None where it did.
        key_file: the keys lie in a file, and nobody keeps them.
        server: larger scans leave by SMTP.
        allowed: it is known which permissions were agreed to.
    """
    yield _check("reach_storage", _STORAGE, Said(fault=storage), "200")
    if key_file:
        yield Check("reach_keys", Result.NOT_ASKED, said=N_("The keys lie in a file on this machine."))
    else:
        yield _check("reach_keys", _KEYS, answers.keys, "200")
    others = (answers.token, answers.narrow, answers.challenged, answers.smtp_token)
    yield _check("reach_entra", _ENTRA, _all(answers.time, *others), "200")
    yield _check("reach_graph", _GRAPH, _all(answers.graph, answers.me, answers.mailbox), "401")
    if server:
        heard = answers.smtp.value if answers.smtp and answers.smtp.fault is None else None
        refused = Said(fault=heard.refused) if heard else None
        yield _check("reach_smtp", _SMTP, _all(answers.smtp, refused), "250 STARTTLS, AUTH XOAUTH2")
    elif allowed:
        yield Check(
            "reach_smtp", Result.NOT_ASKED, said=N_("With the permissions that were agreed to nothing goes by SMTP.")
        )
    else:
        yield Check("reach_smtp", Result.NOT_ASKED, said=N_("Nothing says yet that scans leave by SMTP."))
    yield _clock(answers)


def _all(asked: Said | None, *others: Said | None) -> Said | None:
    """Return whether somebody answers, by every answer of his; None: he was not asked.

    Only a fault counts that means that nobody answered properly; storage and keys have checks of their own.
    """
    own = (faults.StorageUnavailable, faults.KeyServiceUnavailable)
    passing = (said.passing for said in (asked, *others) if said)
    fault = next((fault for fault in passing if fault and not isinstance(fault, own) and not _rests(fault)), None)
    return Said(fault=fault) if asked is not None else None


def _rests(fault: faults.Fault) -> bool:
    return fault.note == PAUSED


def _check(name: str, asked: str, said: Said | None, answer: str) -> Check:
    if said is None:
        return Check(name, Result.NOT_ASKED, said=N_("Nobody was there to ask."))
    if said.fault is None:
        return Check(name, Result.OK, asked, answer)
    return Check(name, Result.FAILS, asked, said.fault.note, fault=type(said.fault))


def _clock(answers: Answers) -> Check:
    if answers.time is None or answers.time.fault is not None:
        return Check("clock", Result.UNKNOWN, _CLOCK, said=N_("Entra did not answer, so nobody said what time it is."))
    ahead = answers.time.value
    if abs(ahead) > LARGEST_SKEW:
        return Check(
            "clock",
            Result.FAILS,
            _CLOCK,
            f"{ahead:+.0f} s",
            N_("The clocks differ by more than five minutes, which is what Microsoft allows."),
            faults.OwnCredentialRefused,
        )
    return Check("clock", Result.OK, _CLOCK, f"{ahead:+.0f} s")
