"""COMMAND: after tables were restored, or a region was lost, for whoever runs the service (``docs/operations.md``).

``python -m functions.restore_command set-aside``

It takes the app's settings from the environment and needs what the app needs. The app itself must stand still.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TextIO

from functions.command_line import carry_out
from shared.faults import Fault
from shared.services import Services


def run(arguments: Sequence[str], rooms: Services, out: TextIO) -> int:
    """Carry out one command line and return its exit status: 0, 1 for a fault, 2 for a wrong line."""
    try:
        _parser().parse_args(arguments)
    except SystemExit as exit_:
        return int(exit_.code or 0)
    try:
        out.writelines(
            f"{job.tid}  {job.device_id}  {job.manifest.id}  {job.state} is now uncertain\n"
            for job in rooms.restored.set_aside()
        )
    except Fault as fault:
        sys.stderr.write(f"{fault}\nWhat was done stays done; run the same again.\n")
        return 1
    out.write("done\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="functions.restore_command", description="After a restore.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("set-aside", help="nothing that a backup holds as not sent is sent by itself")
    return parser


def main() -> None:
    """Carry out the command line of this process."""
    carry_out(run)


if __name__ == "__main__":
    main()
