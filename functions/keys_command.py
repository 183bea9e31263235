"""COMMAND: the keys of the vault, for whoever runs the service. ``docs/operations.md`` says when to use what.

``python -m functions.keys_command list | rotate [--tenant TID] [--now] | rewrap | upkeep | destroy --tenant TID``

It takes the app's settings from the environment and needs what the app needs: the tables, and the right to unwrap.
"""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Sequence
from typing import TextIO

from functions.command_line import carry_out
from shared.faults import Fault
from shared.services import Services
from shared.vault.key_upkeep import KeyUpkeep
from shared.vault.sealing import SERVICE, SealBroken


def run(arguments: Sequence[str], rooms: Services, out: TextIO) -> int:
    """Carry out one command line and return its exit status: 0, 1 for a fault, 2 for a wrong line."""
    try:
        wanted = _parser().parse_args(arguments)
    except SystemExit as exit_:
        return int(exit_.code or 0)
    upkeep = rooms.key_upkeep
    try:
        out.writelines(f"{line}\n" for line in _lines(wanted, upkeep))
    except (Fault, SealBroken) as error:
        sys.stderr.write(f"{error}\nWhat was done stays done; run the same again.\n")
        return 1
    return 0


def _lines(wanted: argparse.Namespace, upkeep: KeyUpkeep) -> list[str]:
    tenants = [wanted.tenant] if getattr(wanted, "tenant", None) else upkeep.tenants()
    match wanted.command:
        case "list":
            return [
                f"{key.tid}  {key.version:4}  {key.state:9}  {key.created:%Y-%m-%d}  {key.wrapped_with}".rstrip()
                for key in upkeep.states()
            ]
        case "rotate":
            rotated = sum(upkeep.rotate(tid, now=wanted.now) for tid in tenants)
            return [f"{rotated} data keys rotated"]
        case "rewrap":
            return [f"{sum(upkeep.rewrap(tid) for tid in tenants)} data keys wrapped anew"]
        case "upkeep":
            upkeep.run()
            return ["done"]
        case _:
            return [f"{upkeep.erase(wanted.tenant)} data keys destroyed"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="functions.keys_command", description="The keys of the vault.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every tenant's keys and their states; never a key")
    rotate = commands.add_parser("rotate", help="new data keys; the old ones go on opening")
    rotate.add_argument("--tenant", type=_tenant_or_service, help="only this tenant (GUID), or service")
    rotate.add_argument("--now", action="store_true", help="seal at once what lies under the old keys")
    commands.add_parser("rewrap", help="wrap the data keys with the newest key-encryption key")
    commands.add_parser("upkeep", help="what the timer does every month, now")
    destroy = commands.add_parser("destroy", help="erase a tenant: nothing sealed for it opens again, ever")
    destroy.add_argument("--tenant", type=_tenant, required=True, help="the tenant (GUID)")
    return parser


def _tenant(text: str) -> str:
    return str(uuid.UUID(text))


def _tenant_or_service(text: str) -> str:
    return SERVICE if text == SERVICE else _tenant(text)


def main() -> None:
    """Carry out the command line of this process."""
    carry_out(run)


if __name__ == "__main__":
    main()
