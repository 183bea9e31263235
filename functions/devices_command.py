"""COMMAND: the printers of an organisation, for whoever administers them. ``docs/operations.md`` says more.

``python -m functions.devices_command ticket|code|list|approve|revoke|allow|group --tenant TID ...``

It takes the app's settings from the environment and needs what the app needs. It works on one tenant: a device of
another one is not found.
"""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Iterator, Sequence
from typing import TextIO

from functions.command_line import carry_out
from shared.devices import Device, Refusal, Rules, WordsDiffer
from shared.faults import Fault
from shared.services import Services


def run(arguments: Sequence[str], rooms: Services, out: TextIO) -> int:
    """Carry out one command line and return its exit status: 0, 1 for a fault, 2 for a wrong line."""
    try:
        wanted = _parser().parse_args(arguments)
    except SystemExit as exit_:
        return int(exit_.code or 0)
    try:
        out.writelines(f"{line}\n" for line in _lines(wanted, rooms))
    except WordsDiffer:
        sys.stderr.write("The words are not those of this device. Do not approve it: somebody may be in between.\n")
        return 1
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except Fault as fault:
        sys.stderr.write(f"{fault}\nWhat was done stays done; run the same again.\n")
        return 1
    return 0


def _lines(wanted: argparse.Namespace, rooms: Services) -> Iterator[str]:
    tid = wanted.tenant
    match wanted.command:
        case "ticket":
            yield rooms.tickets.issue(
                tid, wanted.group, wanted.location, wanted.count, approval=wanted.approval, replaces=wanted.replace
            )
        case "code":
            yield rooms.tickets.issue_code(tid, wanted.group, wanted.location, wanted.count, replaces=wanted.replace)
        case "list":
            yield from _list(rooms, tid)
        case "approve":
            device = rooms.devices.approve(tid, wanted.device, wanted.words)
            yield f"approved: {_shown(device.name)}"
        case "revoke":
            rooms.devices.revoke(tid, wanted.device)
            yield "revoked: it is refused from its next request on; its history stays"
        case "allow":
            yield from _allow(rooms, wanted)
        case _:
            rooms.groups.rule(tid, wanted.group, Rules(require_dpop=wanted.dpop == "required"))
            yield f"DPoP is {wanted.dpop} for tokens given from now on; the last one without ends in ten minutes"


def _list(rooms: Services, tid: str) -> Iterator[str]:
    yield f"{'device':36}  {'state':7}  {'enrolled':10}  {'words':23}  group, location, name, model, serial"
    yield from (_line(device) for device in rooms.devices.of(tid))
    for refusal in rooms.serials.refusals(tid):
        yield _refused(refusal)


def _line(device: Device) -> str:
    enrolled = f"{device.enrolled_at:%Y-%m-%d}" if device.enrolled_at else "-".ljust(10)
    told = ", ".join(_shown(text) for text in (device.group, device.location, device.name, device.model, device.serial))
    line = f"{device.id:36}  {device.status:7}  {enrolled}  {device.words:23}  {told}"
    if device.former_key_used_at:
        line += f"  ! its former key was used on {device.former_key_used_at:%Y-%m-%d %H:%M}Z: revoke it, enrol it anew"
    return line


def _refused(refusal: Refusal) -> str:
    told = ", ".join(
        _shown(text) for text in (refusal.group, refusal.location, refusal.name, refusal.model, refusal.serial)
    )
    return f"refused {refusal.at:%Y-%m-%d %H:%M}Z  {refusal.reason}  {told}"


def _allow(rooms: Services, wanted: argparse.Namespace) -> Iterator[str]:
    for serial in wanted.serial:
        (rooms.serials.disallow if wanted.remove else rooms.serials.allow)(wanted.tenant, serial)
    if wanted.only_listed:
        rooms.serials.enforce(wanted.tenant, enforced=wanted.only_listed == "on")
    yield "only these may enrol:" if rooms.serials.enforced(wanted.tenant) else "any may enrol; on the list:"
    yield from (_shown(serial) for serial in rooms.serials.listed(wanted.tenant))


def _shown(text: str) -> str:
    """Return what a device says of itself without what would steer a terminal or turn a line around."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="functions.devices_command", description="The printers of a tenant.")
    commands = parser.add_subparsers(dest="command", required=True)
    ticket = commands.add_parser("ticket", help="a ticket that is pasted into printers; shown once, good for an hour")
    ticket.add_argument("--approval", action="store_true", help="each printer waits until it is approved")
    code = commands.add_parser("code", help="eight letters to be typed at panels; each printer waits to be approved")
    for command in (ticket, code):
        command.add_argument("--group", required=True, help="printers that share one user registry")
        command.add_argument("--location", default="", help="where they stand; people see it")
        command.add_argument("--count", type=int, default=1, help="for how many printers")
        command.add_argument("--replace", action="store_true", help="revoke earlier ones of the same serial number")
    listing = commands.add_parser("list", help="every printer and its state, and whom the list of serials refused")
    approve = commands.add_parser("approve", help="let a waiting printer in")
    approve.add_argument("--words", required=True, help="the four words as its panel shows them")
    revoke = commands.add_parser("revoke", help="shut a printer out")
    for command in (approve, revoke):
        command.add_argument("--device", type=_guid, required=True, help="its id, from list")
    allow = commands.add_parser("allow", help="the serial numbers that may enrol")
    allow.add_argument("serial", nargs="*", help="to put on the list")
    allow.add_argument("--remove", action="store_true", help="take them from it instead")
    allow.add_argument("--only-listed", choices=("on", "off"), help="whether others are refused")
    group = commands.add_parser("group", help="the rules of a group of printers")
    group.add_argument("--group", required=True)
    group.add_argument("--dpop", choices=("required", "optional"), required=True, help="tokens bound to the key")
    for command in (ticket, code, listing, approve, revoke, allow, group):
        command.add_argument("--tenant", type=_guid, required=True, help="the tenant (GUID)")
    return parser


def _guid(text: str) -> str:
    return str(uuid.UUID(text))


def main() -> None:
    """Carry out the command line of this process."""
    carry_out(run)


if __name__ == "__main__":
    main()
