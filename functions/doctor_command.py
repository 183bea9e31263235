"""COMMAND: the doctor, for whoever runs the service. ``docs/doctor.md`` says what it asks.

``python -m functions.doctor_command --tenant TID [--person OID | --printer ID | --fax ID] [--json]``

It takes the app's settings from the environment and needs what the app needs. It ends with 0 where nothing fails, with
1 where something does or a fault stopped it, and with 2 where the line is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from collections.abc import Iterator, Sequence
from typing import TextIO

from shared import faults
from shared.doctor import AREAS, Check, Report, Subject
from shared.mailboxes.accounts import EMAIL, FAX
from shared.services import Services, services
from shared.settings import SettingsInvalid
from shared.texts import describe, say

_MARKS = {"ok": "ok", "fails": "FAILS", "not_asked": "not asked", "unknown": "cannot be known"}


def run(arguments: Sequence[str], rooms: Services, out: TextIO) -> int:
    """Carry out one command line and return its exit status: 0, 1 where something fails, 2 for a wrong line."""
    try:
        wanted = _parser().parse_args(arguments)
    except SystemExit as exit_:
        return int(exit_.code or 0)
    printer = wanted.printer or wanted.fax or ""
    subject = Subject(printer or wanted.person or "", bool(printer), FAX if wanted.fax else EMAIL)
    try:
        report = rooms.doctor.examine(wanted.tenant, subject)
    except faults.Fault as fault:
        said = describe(fault, "en")
        sys.stderr.write(f"{said.title}. {said.detail} {said.remedy} ({fault})\n")
        return 1
    if wanted.json:
        out.write(json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n")
    else:
        out.writelines(f"{line}\n" for line in _lines(report))
    return 1 if report.failing else 0


def _lines(report: Report) -> Iterator[str]:
    yield f"{report.at:%Y-%m-%d %H:%M} UTC  {report.hint}".rstrip()
    for area, names in AREAS.items():
        yield f"\n{area}"
        for check in report.checks:
            if check.name in names:
                yield f"  {_MARKS[check.result]:15}  {names[check.name]}"
                yield from (f"{'':19}{line}" for line in _details(check))


def _details(check: Check) -> Iterator[str]:
    if check.said:
        yield say(check.said, "en")
    if check.asked:
        yield f"{say(check.asked, 'en')} {check.answer}".rstrip()
    remedy = check.remedy
    if remedy is None:
        return
    if check.fault:
        code = f", code {check.fault.code}" if check.fault.code else ""
        yield f"{describe(check.fault, 'en').title} ({check.fault.reason}{code})."
    yield f"Remedy: {say(remedy.text, 'en')}"
    yield from (f"> {line}" for line in remedy.lines)
    if remedy.role:
        yield f"Least role that may: {remedy.role}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="functions.doctor_command", description="Proves what sending needs.")
    parser.add_argument("--tenant", type=_guid, required=True, help="the tenant (GUID)")
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument("--person", type=_guid, help="object id of somebody who is signed in")
    whom.add_argument("--printer", type=_guid, help="a printer's id: its own mailbox")
    whom.add_argument("--fax", type=_guid, help="a printer's id: its fax account")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    return parser


def _guid(text: str) -> str:
    return str(uuid.UUID(text))


def main() -> None:
    """Carry out the command line of this process."""
    try:
        rooms = services()
    except SettingsInvalid as error:
        sys.exit("\n".join(error.problems))
    sys.exit(run(sys.argv[1:], rooms, sys.stdout))


if __name__ == "__main__":
    main()
