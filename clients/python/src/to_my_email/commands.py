"""What each command of ``to-my-email`` does; each returns its exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from to_my_email import terminal
from to_my_email.errors import DeviceRefused, Error, NotEnrolled, SignInRequired, StoreLocked, Temporary
from to_my_email.terminal import Terminal

if TYPE_CHECKING:
    from to_my_email.answers import ScanJob
    from to_my_email.client import Client

DONE, REFUSED, USAGE, SIGN_IN, TEMPORARY, DEVICE, INTERRUPTED = 0, 1, 2, 3, 75, 77, 130
"""75 and 77 are EX_TEMPFAIL and EX_NOPERM of sysexits.h."""
KEPT = "The scan is kept; `to-my-email resume` hands it over."


def exit_code(error: Error) -> int:
    """Return the exit code that an error ends with."""
    if isinstance(error, SignInRequired):
        return SIGN_IN
    if isinstance(error, DeviceRefused | NotEnrolled):
        return DEVICE
    if isinstance(error, Temporary | StoreLocked):
        return TEMPORARY
    return REFUSED


# ---------------------------------------------------------------- the device


def enrol(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    """Enrol by a ticket or code."""
    enrolment = client.enrol(asked.ticket, model=asked.model, serial=asked.serial, name=asked.name)
    if asked.json:
        shown.value(enrolment.as_json())
        return DONE
    shown.line(f"Enrolled with {enrolment.organisation} as {asked.name}.")
    shown.facts({"Status": enrolment.status, "Key in words": enrolment.words, "Device": enrolment.device_id})
    if enrolment.status == "pending":
        shown.line("An administrator must approve it first, and sees the same words.")
    return DONE


def device(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    """Show the device."""
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


def consent(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    """Let an administrator consent."""
    ended = client.consent(
        asked.range, on_code=shown.invitation, on_confirm=lambda who: asked.yes or shown.confirm(who, "Consented by")
    )
    shown.value(ended.as_json()) if asked.json else shown.line("The organisation has consented.")
    return DONE


def rotate_key(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    """Put a new key in the place of the old one, and use it."""
    client.roll_key()
    record = client.about()  # the new key's first use: from now on the old one is worth nothing
    shown.value({"words": record.words}) if asked.json else shown.line(f"The new key in words: {record.words}")
    return DONE


def sheet(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    """Show the status sheet, or write it."""
    if asked.json:
        shown.value(dict(client.api.status_facts()))
    elif asked.output:
        Path(asked.output).write_bytes(client.api.status_sheet())
        shown.line(f"Written to {asked.output}.")
    else:
        _shown_sheet(client.api.status_facts(), shown)
    return DONE


def _shown_sheet(facts: Mapping[str, Any], shown: Terminal) -> None:
    device = facts.get("device", {})
    shown.line(f"{device.get('name', '')} ({device.get('model', '')}), serial number {device.get('serial', '')}")
    shown.facts({"Organisation": facts.get("organisation"), "As of": f"{_when(str(facts.get('made_at', '')))} UTC"})
    for name, title in (("email_server", "Mail server"), ("fax_server", "Fax server")):
        server = facts.get(name, {})
        code = f" (code {server['code']})" if server.get("code") else ""
        shown.line()
        shown.line(f"{title}: {str(server.get('status', 'unknown')).replace('_', ' ')}{code}")
        settings = server.get("settings", {})
        largest = settings.get("largest_document")
        shown.facts(
            {
                "Account": server.get("account_hint"),
                "Service": server.get("service"),
                "Delivered here": ("yes" if server.get("delivered") else "no") if server.get("account_hint") else "",
                "Largest scan": terminal.size(largest) if largest else "",
                "Sent last": _when(str(server.get("last_success_at") or "")),
                "Signed in until": _when(str(server.get("valid_until") or "")),
                "Last error": server.get("last_error_message"),
            }
        )
        if server.get("message"):
            shown.text(server["message"])


def server(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    """Show, sign in or acknowledge the device's mailbox or fax account."""
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


def sign_in(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    """Let a person sign in."""
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


def users(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    """Show who may scan."""
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


def scan(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    """Hand over a scan."""
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


def resume(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    """Hand over what is kept."""
    done = client.resume(progress=shown.progress)
    for each in done:
        if each.job:
            shown.job(each.job) if asked.json else shown.line(f"{terminal.state(each.job)}: {each.id}")
        elif each.error:
            if not asked.json:
                shown.note(f"Scan {each.id}:")
            shown.error(each.error, KEPT if each.kept else "It is not kept.")
    if not done and not asked.json:
        shown.line("Nothing waits to be handed over.")
    return next((exit_code(each.error) for each in reversed(done) if each.error), DONE)


def jobs(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    """List scans."""
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


def job(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    """Show a scan."""
    job = client.job(asked.id)
    if asked.wait:
        job = client.wait(job, timeout=asked.timeout)
    shown.job(job)
    return _ended(job) if asked.wait or job.final else DONE


def cancel(client: Client, asked: argparse.Namespace, shown: Terminal) -> int:
    """Cancel a scan."""
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
