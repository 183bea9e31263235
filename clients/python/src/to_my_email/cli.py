"""The program ``to-my-email``: a scanner at the command line.

exit codes:
  0    done
  1    refused, or the scan was not sent: asking again changes nothing
  2    the command line is wrong
  3    the person must sign in first (codes 361 and 370)
  75   temporary: try again later; a scan is kept until `to-my-email resume`
  77   this device is not enrolled, not yet approved, or no longer let in
  130  ended by Ctrl-C
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from to_my_email import commands
from to_my_email.commands import DONE, INTERRUPTED, KEPT, USAGE, exit_code
from to_my_email.errors import DeviceRefused, Error, NotEnrolled, Temporary
from to_my_email.terminal import Terminal

if TYPE_CHECKING:
    from to_my_email.client import Client

Command = Callable[["Client", argparse.Namespace, Terminal], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    asked = _parser().parse_args(arguments)
    shown = Terminal(asked.json)
    if asked.verbose:
        logging.basicConfig(format="%(name)s: %(message)s")
        logging.getLogger("to_my_email").setLevel(logging.INFO)
    try:
        return _run(asked, shown)
    except KeyboardInterrupt:
        shown.note("Ended.")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left, as `| head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _run(asked: argparse.Namespace, shown: Terminal) -> int:
    from to_my_email.client import Client
    from to_my_email.store import Store

    try:
        store = Store(asked.state)
        service = asked.service or os.environ.get("TO_MY_EMAIL_SERVICE") or store.service
        if not service:
            shown.note("Which service? Name it by --service https://… or in TO_MY_EMAIL_SERVICE.")
            return USAGE
        try:
            client = Client(service, store)
        except ValueError as wrong:
            shown.note(f"--service: {wrong}")
            return USAGE
        with client:
            client.language = asked.language
            command: Command = asked.command
            return command(client, asked, shown)
    except Error as error:
        kept = asked.command is commands.scan and isinstance(error, Temporary | DeviceRefused | NotEnrolled)
        shown.error(error, KEPT if kept else "")
        return exit_code(error)


# ---------------------------------------------------------------- the command line


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="to-my-email",
        description="Scan at this device, find it in your own mailbox.",
        epilog=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--service", help="the service's address; kept from the enrolment on")
    parser.add_argument("--state", default=_state(), help="the device's directory (now: %(default)s)")
    parser.add_argument("--language", default="en", help="of the service's texts, such as de (default: en)")
    parser.add_argument("--json", action="store_true", help="JSON for machines, one value a line")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what is waited for")
    known = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, run: Command, words: str, *aliases: str) -> argparse.ArgumentParser:
        made = known.add_parser(name, aliases=aliases, help=words, description=words[0].upper() + words[1:] + ".")
        made.set_defaults(command=run)
        return made

    name = os.uname().nodename
    enrol = add("enrol", commands.enrol, "make this a device of an organisation, by an administrator's ticket or code")
    enrol.add_argument("ticket", metavar="TICKET")
    enrol.add_argument("--name", default=name, help="as people see it (default: %(default)s)")
    enrol.add_argument("--model", default="to-my-email")
    enrol.add_argument("--serial", default=name)

    add("status", commands.device, "show this device, its organisation, and what it may do", "device")

    consent = add("consent", commands.consent, "let an administrator consent for the organisation, in his browser")
    consent.add_argument("--range", choices=("send", "send-large", "send-verified"), help="the permission range")
    consent.add_argument("-y", "--yes", action="store_true", help="do not ask for OK")

    sign_in = add("sign-in", commands.sign_in, "let a person sign in once, on his own phone")
    sign_in.add_argument("user", metavar="USER", help="this device's id of the person")
    sign_in.add_argument("email", metavar="EMAIL", help="the address that the device knows him by")
    sign_in.add_argument("--name", help="of the person")
    sign_in.add_argument("-y", "--yes", action="store_true", help="do not ask for OK")

    users = add("users", commands.users, "show who may scan (exit code 3: somebody may not)")
    users.add_argument("users", metavar="USER", nargs="+")

    scan = add("scan", commands.scan, "hand over a scan, to the person's own mailbox")
    scan.add_argument("file", metavar="FILE", help="PDF, JPEG, TIFF or PNG; - reads it from standard input")
    scan.add_argument("-u", "--user", required=True, help="whose mailbox: this device's id of the person")
    scan.add_argument("-t", "--title", default="", help="for the subject")
    scan.add_argument("--name", help="of the file in the mail")
    _waiting(scan)

    add("resume", commands.resume, "hand over what is kept here since the service could not be reached")

    jobs = add("jobs", commands.jobs, "list this device's scans, newest first")
    jobs.add_argument("-n", "--limit", type=int, default=20, help="so many at most (default: 20)")

    job = add("job", commands.job, "show how a scan stands")
    job.add_argument("id", metavar="ID")
    _waiting(job)

    cancel = add("cancel", commands.cancel, "cancel a scan that has not been sent")
    cancel.add_argument("id", metavar="ID")

    add("rotate-key", commands.rotate_key, "put a new key in the place of this device's key")

    for which, words in (("email-server", "mailbox"), ("fax-server", "fax account")):
        server = add(which, commands.server, f"show this device's own {words}, or sign it in")
        server.add_argument("action", nargs="?", choices=("status", "sign-in", "acknowledge"), default="status")
        server.add_argument("--provider", choices=("exchange_online", "outlook_com"), default="exchange_online")
        server.set_defaults(which=which)

    sheet = add("sheet", commands.sheet, "show the status sheet, or write it as PDF")
    sheet.add_argument("-o", "--output", metavar="FILE", help="write the PDF there")
    return parser


def _waiting(command: argparse.ArgumentParser) -> None:
    command.add_argument("-w", "--wait", action="store_true", help="until it is sent, or will not be")
    command.add_argument("--timeout", type=float, default=180.0, help="seconds to wait (default: 180)")


def _state() -> str:
    told = os.environ.get("TO_MY_EMAIL_STATE")
    home = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    return told or str(Path(home) / "to-my-email")


if __name__ == "__main__":
    sys.exit(main())
