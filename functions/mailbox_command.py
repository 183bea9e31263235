"""COMMAND: printers' own mailboxes and fax accounts, for whoever administers them.

``python -m functions.mailbox_command consent|sign-in|status|test|sign-out|allow|fax --tenant TID ...``

It takes the app's settings from the environment and needs what the app needs. ``docs/operations.md`` says more.
"""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TextIO

from functions.command_line import carry_out
from shared import faults
from shared.mailboxes import Owner
from shared.organisations.policy import PolicyInvalid
from shared.services import Services
from shared.texts import describe


def run(arguments: Sequence[str], rooms: Services, out: TextIO, *, sleep: Callable[[float], None] = time.sleep) -> int:
    """Carry out one command line and return its exit status: 0, 1 for a fault, 2 for a wrong line."""
    try:
        wanted = _parser().parse_args(arguments)
    except SystemExit as exit_:
        return int(exit_.code or 0)
    if wanted.command == "test" and wanted.fax_number and not wanted.yes:
        sys.stderr.write("the fax provider charges for a fax; with --yes it is sent\n")
        return 2
    try:
        for line in _lines(wanted, rooms, sleep):
            out.write(f"{line}\n")
            out.flush()
    except PolicyInvalid as error:
        sys.stderr.write("".join(f"{problem}\n" for problem in error.problems))
        return 2
    except faults.Fault as fault:
        said = describe(fault, "en")
        sys.stderr.write(f"{said.title}. {said.detail} {said.remedy} ({fault})\n")
        return 1
    return 0


def _lines(wanted: argparse.Namespace, rooms: Services, sleep: Callable[[float], None]) -> Iterator[str]:
    match wanted.command:
        case "consent":
            yield rooms.mailbox_consent.link(wanted.tenant)
        case "sign-in":
            yield from _sign_in(wanted, rooms, sleep)
        case "status":
            device = rooms.devices.owned(wanted.tenant, wanted.device)
            found = rooms.mailbox_statuses.of(device, wanted.use)
            account = f"  {found.account.service}  {found.account.account_hint}" if found.account else ""
            delivered = "delivered" if found.delivered else "not delivered: press OK at the printer"
            yield f"{found.status}{account}{f'  {delivered}' if found.account else ''}"
            if found.fault:
                yield f"{found.fault.reason}: {describe(found.fault, 'en').remedy}"
        case "test":
            rooms.outgoings.test(_owner(wanted, rooms), wanted.use, wanted.to, fax_number=wanted.fax_number)
            yield "sent"
        case "sign-out":
            done = rooms.mailbox_accounts.remove(_owner(wanted, rooms), wanted.use)
            yield "signed out; its tokens are gone" if done else "nobody was signed in"
        case "allow":
            policy = rooms.organisations.get(wanted.tenant).policy
            rooms.organisations.set_policy(wanted.tenant, replace(policy, allowed_domains=tuple(wanted.domain)))
            yield f"beside their own, printers may write to: {', '.join(wanted.domain) or 'nobody'}"
        case _:
            policy = rooms.organisations.get(wanted.tenant).policy
            changed = replace(policy, fax_address=wanted.address, fax_country=wanted.country, fax_cover=wanted.cover)
            rooms.organisations.set_policy(wanted.tenant, changed)
            yield f"faxes go to {wanted.address}" if wanted.address else "fax is switched off"


def _sign_in(wanted: argparse.Namespace, rooms: Services, sleep: Callable[[float], None]) -> Iterator[str]:
    begun = rooms.mailbox_sign_ins.start(_owner(wanted, rooms), wanted.use, wanted.service)
    yield f"Open {begun.verification_uri} and enter {begun.user_code}; it is good for {begun.expires_in // 60} minutes."
    while True:
        # A terminal may wait; what serves printers never does.
        found = rooms.mailbox_sign_ins.look(begun.id, tid=wanted.tenant)
        if found.status != "pending":
            break
        sleep(found.interval)
    if found.status == "blocked":
        yield f"{describe(faults.BY_REASON[found.reason or ''], 'en').remedy}"
        yield f"The link: {rooms.settings.public_url}/s/mailbox/{found.id}"
    elif found.status == "active":
        yield f"signed in: {found.account_hint}. Now press OK at the printer's mail server settings."
    else:
        raise faults.BY_REASON[found.reason or faults.SignInTimedOut.reason]


def _owner(wanted: argparse.Namespace, rooms: Services) -> Owner:
    if wanted.device:
        device = rooms.devices.owned(wanted.tenant, wanted.device)
        return Owner(device.tid, device.group, device.id)
    return Owner(wanted.tenant, wanted.group)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="functions.mailbox_command", description="Printers' own mailboxes.")
    commands = parser.add_subparsers(dest="command", required=True)
    sign_in = commands.add_parser("sign-in", help="sign an account in, by a code")
    sign_in.add_argument("--service", choices=("exchange_online", "outlook_com"), default="exchange_online")
    test = commands.add_parser("test", help="send a mail, to see whether it works")
    where = test.add_mutually_exclusive_group()
    where.add_argument("--fax-number", default="", help="send it to the fax provider, who charges for it")
    test.add_argument("--yes", action="store_true", help="yes, send the fax")
    where.add_argument("--to", default="", help="an allowed address; without it the mailbox writes to itself")
    consent = commands.add_parser("consent", help="print the address at which an administrator agrees to the app")
    status = commands.add_parser("status", help="how it stands at one printer")
    sign_out = commands.add_parser("sign-out", help="sign the account out, and end its tokens")
    for command in (sign_in, test, sign_out):
        whose = command.add_mutually_exclusive_group(required=True)
        whose.add_argument("--device", type=_guid, help="a printer's id")
        whose.add_argument("--group", help="a group of printers")
    status.add_argument("--device", type=_guid, required=True, help="a printer's id")
    for command in (sign_in, test, status, sign_out):
        command.add_argument("--use", choices=("email", "fax"), default="email")
    allow = commands.add_parser("allow", help="domains that printers may write to beside their own")
    allow.add_argument("domain", nargs="*")
    fax = commands.add_parser("fax", help="the fax provider")
    fax.add_argument("--address", default="", help="such as {number}@fax.example.com; without it fax is off")
    fax.add_argument("--country", default="", help="to which numbers that begin with 0 belong, such as +375")
    fax.add_argument("--cover", default="", help="text for the cover page")
    for command in (consent, sign_in, test, status, sign_out, allow, fax):
        command.add_argument("--tenant", type=_guid, required=True, help="the tenant (GUID)")
    return parser


def _guid(text: str) -> str:
    return str(uuid.UUID(text))


def main() -> None:
    """Carry out the command line of this process."""
    carry_out(run)


if __name__ == "__main__":
    main()
