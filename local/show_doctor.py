"""The doctor's page with answers as they occur; ``local.show_console`` shows it beside the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from functions.console.doctor import PATH, areas
from shared import faults
from shared.doctor.doctor import verdict
from shared.doctor.rounds import Answers, Said
from shared.doctor.subjects import Known, Patient
from shared.mail import Heard, Mailbox
from shared.organisations import RANGES, Organisation, Policy
from shared.pages import ConsoleDoctor, Frame, SubjectChoice, SubjectGroup, View

TENANT = "11111111-1111-4111-8111-111111111111"
OID = "5d0a8f3e-1c7b-4d38-9a9e-0f6f8f1f7c21"
CEILING = 157_286_400
LARGE = RANGES["send-large"]


def doctor_pages(frame: Frame, now: datetime) -> Iterator[tuple[str, View]]:
    """Yield the page before anybody was asked, with all in order, and with many faults."""
    people = [("person:1", "a•••@contoso.example (5d0a8f3e)"), ("person:2", "b•••@contoso.example (9c41d7aa)")]
    printers = [
        ("printer:1", "Printer 2F: email, s•••@contoso.example"),
        ("fax:1", "Printer 2F: fax, f•••@contoso.example"),
    ]
    groups = [
        SubjectGroup("People", [SubjectChoice(value, label, value == "person:1") for value, label in people]),
        SubjectGroup("Printers", [SubjectChoice(value, label, chosen=False) for value, label in printers]),
    ]
    blank = ConsoleDoctor(frame, PATH, groups)
    yield "console-doctor", blank
    for name, known, answers in (
        ("healthy", _known(), _healthy(now)),
        ("faults", _known(), _faults(now)),
    ):
        report = verdict(known, answers, now, server=True)
        yield f"console-doctor-{name}", replace(blank, hint=report.hint, at=now, areas=areas(report))


def _organisation() -> Organisation:
    return Organisation(TENANT, "Contoso", "consented", LARGE, True, "", "0", None, Policy())


def _known() -> Known:
    nobody: Any = None
    patient = Patient(TENANT, OID, OID, nobody, LARGE, nobody, personal=False, sender="", meant=lambda fault: fault)
    return Known(_organisation(), patient, hint="a•••@contoso.example")


def _healthy(now: datetime) -> Answers:
    token = SimpleNamespace(access_token="", scopes=frozenset(LARGE.scopes))
    return Answers(
        keys=Said("key"),
        time=Said(0.4),
        graph=Said(),
        credential=Said(),
        credential_ends=Said(now + timedelta(days=200)),
        token=Said(token),
        smtp_token=Said(token),
        me=Said(Mailbox(OID, "adele.vance@contoso.example", "")),
        mailbox=Said(value=False),
        smtp=Said(Heard(CEILING, CEILING)),
    )


def _faults(now: datetime) -> Answers:
    refused = faults.SmtpDisabledForOrganisation("smtp auth 535 5.7.139")
    return replace(
        _healthy(now),
        keys=Said(fault=faults.KeyServiceUnavailable("key vault: status 503")),
        time=Said(-412.0),
        credential_ends=Said(now + timedelta(days=9)),
        mailbox=Said(fault=faults.SendDenied("status 403 ErrorAccessDenied")),
        smtp=Said(Heard(CEILING, 0, refused)),
    )
