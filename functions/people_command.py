"""COMMAND: who is signed in, and erasing people, for whoever runs the service. ``docs/operations.md`` says more.

``python -m functions.people_command list --tenant TID | remove --tenant TID (--oid OID | --all)``

It takes the app's settings from the environment and needs what the app needs. It works on one tenant and takes ids
alone: an address is nobody's identity (threat A01).
"""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TextIO

from functions.command_line import carry_out
from shared.faults import Fault
from shared.privacy import Resident
from shared.services import Services


def run(arguments: Sequence[str], rooms: Services, out: TextIO) -> int:
    """Carry out one command line and return its exit status: 0, 1 for a fault, 2 for a wrong line."""
    try:
        wanted = _parser().parse_args(arguments)
    except SystemExit as exit_:
        return int(exit_.code or 0)
    try:
        lines = _list(rooms, wanted.tenant) if wanted.command == "list" else _remove(rooms, wanted)
        out.writelines(f"{line}\n" for line in lines)
    except Fault as fault:
        sys.stderr.write(f"{fault}\nWhat was done stays done; run the same again.\n")
        return 1
    return 0


def _list(rooms: Services, tid: str) -> Iterator[str]:
    yield f"{'object id':36}  {'signed in':10}  {'renewed':10}  {'ends':10}  state"
    yield from (_line(resident) for resident in rooms.overviews.residents(tid))


def _line(resident: Resident) -> str:
    grant = resident.grant
    days = [_day(moment) for moment in (grant.signed_in, grant.refreshed, grant.ends)] if grant else [_day(None)] * 3
    state = "no sign-in"
    if grant:
        state = f"ended: {grant.ended}" if grant.ended else f"blocked: {grant.blocked}" if grant.blocked else "active"
    return "  ".join([f"{resident.oid:36}", *days, f"{state}  {resident.account}".rstrip()])


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else "-".ljust(10)


def _remove(rooms: Services, wanted: argparse.Namespace) -> Iterator[str]:
    if wanted.all:
        yield f"{rooms.erasure.erase_tenant(wanted.tenant)} people removed"
        if printers := rooms.mailbox_accounts.remove_all(wanted.tenant):
            yield f"{printers} sign-ins of printers' mailboxes removed"
        return
    erased = rooms.erasure.erase(wanted.tenant, wanted.oid)
    yield f"removed: {erased.pins} printer users unpinned, {erased.cancelled} scans cancelled"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="functions.people_command", description="The people of a tenant.")
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="who is signed in since when, until when, and what is wrong")
    remove = commands.add_parser("remove", help="end somebody's sign-in and delete what names him")
    for command in (listing, remove):
        command.add_argument("--tenant", type=_guid, required=True, help="the tenant (GUID)")
    whom = remove.add_mutually_exclusive_group(required=True)
    whom.add_argument("--oid", type=_guid, help="the person's object id in Entra (GUID)")
    whom.add_argument("--all", action="store_true", help="everybody of the tenant")
    return parser


def _guid(text: str) -> str:
    return str(uuid.UUID(text))


def main() -> None:
    """Carry out the command line of this process."""
    carry_out(run)


if __name__ == "__main__":
    main()
