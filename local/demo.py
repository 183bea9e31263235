"""``python -m local.demo``: one scan from press to mailbox, unattended, watched.

Real processes on free ports, spoken to over real HTTP only: an administrator consents, a printer
enrols, a person signs in once and says OK at the panel, a PDF is scanned, and the message is read
where it lies. Exit 0 only if everything that is printed is true. Nothing stays behind.
"""

import argparse
import hashlib
import io
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

from local import azurite, functions_host
from local.environment import CLIENT_ID, Ports, app_environment, authority, process_environment, trust
from local.machine import Machine, ended_by_signals
from local.person import LostError, Person
from local.printer.panel import MODEL, NAME, SERIAL
from local.printer.registry import USERS
from local.printer.sheet import make_sheet
from local.processes import ProcessFailedError
from shared.storage import create_all
from to_my_email import Client, Error, Invitation, ScanJob, User

CONTOSO = "11111111-1111-4111-8111-111111111111"
ADMINISTRATOR = "contoso/admin"
PERSON = "contoso/adele"
USER = USERS["adele"]
ANSWER_SECONDS = 30
DELIVERY_SECONDS = 180
TICKET_SECONDS = 60


class Story:
    """Prints what happens with its time, and keeps what turned out untrue."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.untrue: list[str] = []

    @contextmanager
    def step(self, what: str) -> Iterator[list[str]]:
        """One step: its words appear at its start, its duration (and what the block appends) at its end."""
        started = time.monotonic()
        print(f"{started - self.began:6.1f} s  {what} … ", end="", flush=True)
        facts: list[str] = []
        try:
            yield facts
        except BaseException:
            print("no.", flush=True)
            raise
        print(f"{'; '.join(facts) or 'done'} ({time.monotonic() - started:.1f} s)", flush=True)

    def check(self, what: str, found: object, expected: object) -> None:
        """Say whether it is as it must be, and remember if not."""
        true = found == expected
        print(f"    {'yes' if true else 'NO '}  {what}: {found}", flush=True)
        if not true:
            self.untrue.append(f"{what}: {found!r} instead of {expected!r}")


def deliver(story: Story, run_dir: Path, ports: Ports, host: str, document: bytes, name: str) -> None:
    """Tell the whole story once; what is untrue is in ``story`` afterwards.

    Raises:
        ProcessFailedError, NotInstalledError, NotThereError: something could not be started.
        LostError, Error, requests.RequestException: a step did not go through.
    """
    with Machine(run_dir) as machine:
        settings = _start(story, machine, run_dir, ports, host)
        with story.step("The administrator consents for Contoso") as facts, Person(authority(run_dir)) as administrator:
            page = administrator.walk(f"{ports.app_url}/consent", ADMINISTRATOR)
            facts.append(f"“{page.title}”")
        with story.step("The administrator makes a ticket"):
            ticket = _ticket(settings)
        device = Client(ports.app_url, run_dir / "printer")
        try:
            with story.step("The printer enrols") as facts:
                enrolment = device.enrol(ticket, model=MODEL, serial=SERIAL, name=NAME)
                facts.append(f"{enrolment.status}, key in words: {enrolment.words}")
            consent = device.about().consent
            story.check("Contoso has consented", consent.get("status"), "consented")
            _first_login(story, device, run_dir)
            pressed = time.monotonic()
            job = _scan(story, device, document, name)
            story.check("the printer says", job.state, "sent")
            took = time.monotonic() - pressed
        finally:
            device.close()
        if host == "functions":
            for timer in ("sweep", "renew", "expire", "rotate_keys"):
                with story.step(f"Microsoft's worker runs the timer {timer}"):
                    ran = functions_host.run_timer(ports.app, timer)
                story.check(f"{timer} ran", ran, expected=True)
        _read(story, run_dir, ports, document, name)
        print(f"\nFrom press to mailbox: {took:.1f} s.")


def _start(story: Story, machine: Machine, run_dir: Path, ports: Ports, host: str) -> dict[str, str]:
    settings = app_environment(run_dir, ports)
    with story.step("Azure Storage (Azurite)"):
        storage, connection = azurite.start(log=machine.log("azurite"))
        machine.adopt(storage)
        create_all(connection)
    settings["DataStorage"] = connection
    with story.step("Microsoft (emulated)"):
        command = ["local.microsoft", "--port", str(ports.microsoft), "--run-dir", str(run_dir)]
        command += ["--smtp-port", str(ports.smtp), "--outlook-smtp-port", str(ports.outlook_smtp)]
        own = ["--public-url", ports.app_url, "--client-id", CLIENT_ID]
        machine.start("microsoft", [*command, *own], health=ports.microsoft_url, own=trust(run_dir))
    if host == "functions":
        with story.step("The app in Microsoft's own Python worker"):
            functions_host.start(machine, ports.app, settings)
    else:
        with story.step("The app under uvicorn"):
            health = f"{ports.app_url}/healthz"
            machine.start("app", ["local.app", "--port", str(ports.app)], health=health, own=settings)
    return settings


def _ticket(settings: Mapping[str, str]) -> str:
    place = ["--tenant", CONTOSO, "--group", "office", "--location", "2nd floor"]
    answer = subprocess.run(
        [sys.executable, "-m", "local.ticket", *place],
        capture_output=True,
        text=True,
        check=False,
        timeout=TICKET_SECONDS,
        env=process_environment(settings),
    )
    if answer.returncode:
        raise LostError(f"no ticket: {answer.stderr.strip()}")
    return answer.stdout.strip().splitlines()[-1]


def _first_login(story: Story, device: Client, run_dir: Path) -> None:
    with story.step(f"{USER.name} presses To My Email") as facts:
        status = device.user(USER.id)
        facts.append(f"{status.status}, code {status.code}")

    def scan_the_code(begun: Invitation) -> None:
        what = f"She scans the QR code ({begun.user_code}) and signs in"
        with story.step(what) as facts, Person(authority(run_dir)) as her:
            facts.append(f"“{her.walk(begun.verification_uri_complete, PERSON).title}”")

    def is_this_you(account: str) -> bool:
        with story.step("The panel asks: is this you?") as facts:
            facts.append(f"{account}: OK")
        return True

    device.sign_in(User(USER.id, USER.email, USER.name), on_code=scan_the_code, on_confirm=is_this_you)
    story.check(f"{USER.name} may scan", device.user(USER.id).status, "ready")


def _scan(story: Story, device: Client, document: bytes, name: str) -> ScanJob:
    with story.step(f"She scans {name} ({len(document):,} bytes) and presses Start") as facts:
        job = device.scan(io.BytesIO(document), name=name, user=USER.id)
        facts.append(job.state)
    with story.step("Delivery") as facts:
        job = device.wait(job, timeout=DELIVERY_SECONDS, seen=lambda later: facts.append(later.state))
        if not job.final or job.code or job.reason:
            facts.append(f"{job.state}, code {job.code}, reason {job.reason}: {job.message}")
    return job


def _read(story: Story, run_dir: Path, ports: Ports, document: bytes, name: str) -> None:
    """Look into the mailbox, and take the attachment out of it again."""
    with requests.Session() as http:
        http.trust_env = False
        http.verify = str(authority(run_dir))
        mailbox = f"{ports.microsoft_url}/-/mailboxes/{USER.email}"
        messages: list[dict[str, Any]] = http.get(mailbox, timeout=ANSWER_SECONDS).json()["messages"]
        print(f"\nIn the mailbox of {USER.email}:")
        story.check("messages", len(messages), 1)
        if not messages:
            return
        message = messages[-1]
        attached = http.get(f"{mailbox}/inbox/{len(messages) - 1}/attachments/0", timeout=ANSWER_SECONDS)
        described = message["attachments"][0] if message["attachments"] else {}
        content = attached.content if attached.ok else b""
    print(f"         Subject: {message['subject']}")
    story.check("From", message["from"], USER.email)
    story.check("To", message["to"], [USER.email])
    story.check("nobody else", message["cc"], [])
    story.check("attachments", len(message["attachments"]), 1)
    story.check("file name", described.get("name"), name)
    story.check("size in bytes", described.get("size"), len(document))
    story.check("SHA-256 of the attachment", hashlib.sha256(content).hexdigest(), hashlib.sha256(document).hexdigest())


def free_ports() -> Ports:
    """Ports of the loopback that nobody listens on; Azurite chooses its own."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(5)]
        app, microsoft, printer, smtp, outlook = (int(each.getsockname()[1]) for each in sockets)
    return Ports(app=app, microsoft=microsoft, printer=printer, smtp=smtp, outlook_smtp=outlook)


def main() -> int:
    """Tell the story; returns 0 only if every part of it was true."""
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--file", type=Path, help="the scan; without it, a sheet made on the spot")
    parser.add_argument("--host", choices=("uvicorn", "functions"), default="uvicorn", help="what runs the app")
    asked = parser.parse_args()
    if asked.file and not asked.file.is_file():
        parser.error(f"{asked.file} is not a file")
    now = datetime.now().astimezone()
    number = secrets.token_hex(4).upper()
    document = asked.file.read_bytes() if asked.file else make_sheet(f"{number[:4]}-{number[4:]}", now)
    name = asked.file.name if asked.file else f"scan-{now:%Y%m%d-%H%M%S}.pdf"
    story = Story()
    try:
        with ended_by_signals(), tempfile.TemporaryDirectory(prefix="demo-") as run_dir:
            deliver(story, Path(run_dir), free_ports(), asked.host, document, name)
    except KeyboardInterrupt:
        print("\nEnded, all of it.")
        return 130
    except (ProcessFailedError, azurite.NotInstalledError, functions_host.NotThereError, LostError) as error:
        story.untrue.append(str(error))
    except (Error, requests.RequestException) as error:
        story.untrue.append(f"{type(error).__name__}: {error}")
    if story.untrue:
        print("\nThis was not so:", *(f"  - {each}" for each in story.untrue), sep="\n", file=sys.stderr)
        return 1
    print("Every line above is true.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
