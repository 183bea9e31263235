r"""COMMAND: what an organisation has decided, until there is a console. ``docs/operations.md`` says more.

``python -m functions.organisation_command show --tenant TID | set --tenant TID FIELD=VALUE …``

A value is JSON, or a text as it stands; ``\n`` in a text is a new line. It takes the app's settings from the
environment.
"""

from __future__ import annotations

import argparse
import json
import sys
import uuid
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from typing import Any, TextIO

from functions.command_line import carry_out
from shared.faults import Fault
from shared.organisations import Policy, PolicyInvalid
from shared.services import Services

_TEXTS = {field.name for field in fields(Policy) if field.type == "str"}


def run(arguments: Sequence[str], rooms: Services, out: TextIO) -> int:
    """Carry out one command line and return its exit status: 0, 1 for a fault, 2 for a wrong line."""
    try:
        wanted = _parser().parse_args(arguments)
    except SystemExit as exit_:
        return int(exit_.code or 0)
    try:
        organisation = rooms.organisations.get(wanted.tenant)
        if organisation.consent == "none":
            sys.stderr.write("This organisation has not consented yet.\n")
            return 1
        policy = organisation.policy
        if wanted.command == "set":
            policy = replace(policy, **dict(wanted.changes))
            rooms.organisations.set_policy(wanted.tenant, policy)
        out.writelines(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in asdict(policy).items())
    except PolicyInvalid as error:
        sys.stderr.write("\n".join([*error.problems, "Nothing was changed.\n"]))
        return 2
    except Fault as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="functions.organisation_command", description="An organisation's policy.")
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="what it has decided, defaults included")
    change = commands.add_parser("set", help="decide something; what is not named stays")
    for command in (show, change):
        command.add_argument("--tenant", type=_guid, required=True, help="the tenant (GUID)")
    change.add_argument("changes", nargs="+", type=_change, metavar="FIELD=VALUE")
    return parser


def _guid(text: str) -> str:
    return str(uuid.UUID(text))


def _change(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or name not in {field.name for field in fields(Policy)}:
        raise argparse.ArgumentTypeError("is not FIELD=VALUE with a field that `show` shows")
    if name in _TEXTS:
        return name, value.replace("\\n", "\n")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def main() -> None:
    """Carry out the command line of this process."""
    carry_out(run)


if __name__ == "__main__":
    main()
