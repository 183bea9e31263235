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
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from to_my_email import terminal
from to_my_email.errors import (
    DeviceRefused,
    Error,
    NotEnrolled,
    SignInRequired,
    StoreLocked,
    Temporary,
)
from to_my_email.terminal import Terminal

if TYPE_CHECKING:
    from to_my_email.answers import ScanJob
    from to_my_email.client import Client

DONE, REFUSED, USAGE, SIGN_IN, TEMPORARY, DEVICE, INTERRUPTED = 0, 1, 2, 3, 75, 77, 130
"""75 and 77 are EX_TEMPFAIL and EX_NOPERM of sysexits.h."""
_KEPT = "The scan is kept; `to-my-email resume` hands it over."

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
        kept = asked.command is _scan and isinstance(error, Temporary | DeviceRefused | NotEnrolled)
        shown.error(error, _KEPT if kept else "")
        return _code(error)


def _code(error: Error) -> int:
    if isinstance(error, SignInRequired):
        return SIGN_IN
    if isinstance(error, DeviceRefused | NotEnrolled):
        return DEVICE
    if isinstance(error, Temporary | StoreLocked):
        return TEMPORARY
    return REFUSED


# ---------------------------------------------------------------- the device


def _enrol(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    enrolment = client.enrol(asked.ticket, model=asked.model, serial=asked.serial, name=asked.name)
    if asked.json:
        shown.value(enrolment.as_json())
        return DONE
    shown.line(f"Enrolled with {enrolment.organisation} as {asked.name}.")
    shown.facts({"Status": enrolment.status, "Key in words": enrolment.words, "Device": enrolment.device_id})
    if enrolment.status == "pending":
        shown.line("An administrator must approve it first, and sees the same words.")
    return DONE


def _device(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    record = client.about()
    if asked.json:
        shown.value({**record.as_json(), "waiting": client.waiting()})
        return DONE
    largest = record.policy.get("largest_document")
    shown.line(f"{record.name} ({record.model})" if record.model else record.name)
    shown.facts(
        {
            "Organisation": record.organisation,
            "Consent": " for ".join(filter(None, (record.consent.get("status"), record.consent.get("range")))),
            "Group": record.group,
            "Place": record.location,
            "Kinds": terminal.words(record.policy.get("kinds", [])),
            "Largest scan": terminal.size(largest) if largest else "none can be sent yet",
            "Key in words": record.words,
            "Kept here": f"{len(client.waiting())} scans" if client.waiting() else "",
        }
    )
    return DONE


def _consent(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    ended = client.consent(
        asked.range, on_code=shown.invitation, on_confirm=lambda who: asked.yes or shown.confirm(who, "Consented by")
    )
    shown.value(ended.as_json()) if asked.json else shown.line("The organisation has consented.")
    return DONE


def _rotate_key(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    client.roll_key()
    record = client.about()  # the new key's first use: from now on the old one is worth nothing
    shown.value({"words": record.words}) if asked.json else shown.line(f"The new key in words: {record.words}")
    return DONE


def _sheet(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    if asked.json:
        shown.value(dict(client.api.status_facts()))
    elif asked.output:
        Path(asked.output).write_bytes(client.api.status_sheet())
        shown.line(f"Written to {asked.output}.")
    else:
        shown.facts({name: terminal.words(value) for name, value in client.api.status_facts().items()})
    return DONE


def _server(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    server = client.email_server if asked.which == "email-server" else client.fax_server
    if asked.action == "sign-in":
        begun = server.start(asked.provider)
        shown.invitation(begun)
        ended = server.wait(begun)
        if ended.status != "active":
            raise SignInRequired(ended.reason or f"sign_in_{ended.status}", code=ended.code or 370, who="user")
    status = server.status()
    if asked.action == "acknowledge" and status.settings_version is not None:
        server.acknowledge(status.settings_version)
        status = server.status()
    if asked.json:
        shown.value(status.as_json())
    else:
        facts = {"Status": status.status, "Account": status.account_hint, "Service": status.service}
        shown.facts({**facts, "Settings": terminal.words(status.settings), "Code": status.code})
    return DONE


# ---------------------------------------------------------------- people


def _sign_in(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    from to_my_email.answers import User

    ended = client.sign_in(
        User(asked.user, asked.email, asked.name or ""),
        on_code=shown.invitation,
        on_confirm=lambda who: asked.yes or shown.confirm(who, "Signed in as"),
    )
    if asked.json:
        shown.value(ended.as_json())
    else:
        shown.line("Signed in. From now on one press is enough.")
    return DONE


def _users(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    found = {user: client.user(user) for user in asked.users}
    if asked.json:
        shown.value({user: status.as_json() for user, status in found.items()})
    else:
        rows = [
            (user, each.status.replace("_", " "), str(each.code or ""), each.message or each.account_hint or "")
            for user, each in found.items()
        ]
        shown.table(("USER", "STATUS", "CODE", ""), rows)
    return DONE if all(each.status == "ready" for each in found.values()) else SIGN_IN


# ---------------------------------------------------------------- scans


def _scan(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    try:
        job = client.scan(
            sys.stdin.buffer if asked.file == "-" else asked.file,
            user=asked.user,
            title=asked.title,
            name=asked.name,
            progress=shown.progress,
        )
    except OSError as unreadable:
        shown.note(f"{asked.file}: {unreadable.strerror}")
        return USAGE
    if not asked.wait:
        shown.value(job.as_json()) if asked.json else shown.line(f"{terminal.state(job)}: {job.id}")
        return _ended(job) if job.final else DONE
    if not asked.json:
        shown.line(f"Accepted: {job.id}")
    job = client.wait(job, timeout=asked.timeout)
    shown.job(job)
    return _ended(job)


def _resume(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    done = client.resume(progress=shown.progress)
    for each in done:
        if each.job:
            shown.job(each.job) if asked.json else shown.line(f"{terminal.state(each.job)}: {each.id}")
        elif each.error:
            if not asked.json:
                shown.note(f"Scan {each.id}:")
            shown.error(each.error, _KEPT if each.kept else "It is not kept.")
    if not done and not asked.json:
        shown.line("Nothing waits to be handed over.")
    return next((_code(each.error) for each in reversed(done) if each.error), DONE)


def _jobs(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    waiting = client.waiting()
    jobs = list(islice(client.history(), asked.limit))
    if asked.json:
        shown.value({"jobs": [job.as_json() for job in jobs], "waiting": waiting})
        return DONE
    rows = [(scan_id, "", "not handed over yet", "", "") for scan_id in waiting]
    rows += [(job.id, _when(job.created_at), job.state, str(job.code or ""), job.title) for job in jobs]
    if rows:
        shown.table(("ID", "TIME (UTC)", "STATE", "CODE", "TITLE"), rows)
    else:
        shown.line("No scans yet.")
    return DONE


def _job(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    job = client.job(asked.id)
    if asked.wait:
        job = client.wait(job, timeout=asked.timeout)
    shown.job(job)
    return _ended(job) if asked.wait or job.final else DONE


def _cancel(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    client.cancel(asked.id)
    shown.value({"id": asked.id, "state": "cancelled"}) if asked.json else shown.line("Cancelled.")
    return DONE


def _ended(job: ScanJob) -> int:
    if job.state == "sent":
        return DONE
    if job.state == "held" or (job.code in {361, 370} and job.who == "user"):
        return SIGN_IN
    return REFUSED if job.state in {"failed", "cancelled", "uncertain"} else TEMPORARY


def _when(time: str) -> str:
    return time[:16].replace("T", " ")


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
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, run: Command, words: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".")
        made.set_defaults(command=run)
        return made

    name = os.uname().nodename
    enrol = add("enrol", _enrol, "make this a device of an organisation, by an administrator's ticket or code")
    enrol.add_argument("ticket", metavar="TICKET")
    enrol.add_argument("--name", default=name, help="as people see it (default: %(default)s)")
    enrol.add_argument("--model", default="to-my-email")
    enrol.add_argument("--serial", default=name)

    add("device", _device, "show this device, its organisation, and what it may do")

    consent = add("consent", _consent, "let an administrator consent for the organisation, in his browser")
    consent.add_argument("--range", choices=("send", "send-large", "send-verified"), help="the permission range")
    consent.add_argument("-y", "--yes", action="store_true", help="do not ask for OK")

    sign_in = add("sign-in", _sign_in, "let a person sign in once, on his own phone")
    sign_in.add_argument("user", metavar="USER", help="this device's id of the person")
    sign_in.add_argument("email", metavar="EMAIL", help="the address that the device knows him by")
    sign_in.add_argument("--name", help="of the person")
    sign_in.add_argument("-y", "--yes", action="store_true", help="do not ask for OK")

    users = add("users", _users, "show who may scan (exit code 3: somebody may not)")
    users.add_argument("users", metavar="USER", nargs="+")

    scan = add("scan", _scan, "hand over a scan, to the person's own mailbox")
    scan.add_argument("file", metavar="FILE", help="PDF, JPEG, TIFF or PNG; - reads it from standard input")
    scan.add_argument("-u", "--user", required=True, help="whose mailbox: this device's id of the person")
    scan.add_argument("-t", "--title", default="", help="for the subject")
    scan.add_argument("--name", help="of the file in the mail")
    _waiting(scan)

    add("resume", _resume, "hand over what is kept here since the service could not be reached")

    jobs = add("jobs", _jobs, "list this device's scans, newest first")
    jobs.add_argument("-n", "--limit", type=int, default=20, help="so many at most (default: 20)")

    job = add("job", _job, "show how a scan stands")
    job.add_argument("id", metavar="ID")
    _waiting(job)

    cancel = add("cancel", _cancel, "cancel a scan that has not been sent")
    cancel.add_argument("id", metavar="ID")

    add("rotate-key", _rotate_key, "put a new key in the place of this device's key")

    for which, words in (("email-server", "mailbox"), ("fax-server", "fax account")):
        server = add(which, _server, f"show this device's own {words}, or sign it in")
        server.add_argument("action", nargs="?", choices=("status", "sign-in", "acknowledge"), default="status")
        server.add_argument("--provider", choices=("exchange_online", "outlook_com"), default="exchange_online")
        server.set_defaults(which=which)

    sheet = add("sheet", _sheet, "show the status sheet, or write it as PDF")
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
