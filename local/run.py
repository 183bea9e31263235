"""The whole service on one machine: ``python -m local``, ended by Ctrl-C.

Starts, in this order and each only when the one before answers: Azurite, the emulated Microsoft
cloud, the app, the virtual printer. When one of them dies the others end too, and it is named.
"""

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from local import azurite
from local.environment import CLIENT_ID, NotAPortError, Ports, app_environment, process_environment, trust
from local.machine import Machine, ended_by_signals
from local.processes import ProcessFailedError
from shared.storage import create_all

RUN_DIR = Path(".run")
TICKET_SECONDS = 60

CONTOSO = "11111111-1111-4111-8111-111111111111"


class NotStartedError(Exception):
    """The machine cannot start; the message says what the person at the terminal can do."""


def busy(ports: Ports) -> list[str]:
    """One line for each port that somebody else listens on: the port, what needs it, which variable moves it."""
    uses = (
        (ports.app, "the app", "APP_PORT"),
        (ports.microsoft, "the emulated Microsoft cloud", "MICROSOFT_PORT"),
        (ports.printer, "the virtual printer", "PRINTER_PORT"),
        (ports.smtp, "the emulated Exchange", "SMTP_PORT (the first of two)"),
        (ports.outlook_smtp, "the emulated Outlook.com", "SMTP_PORT (the first of two)"),
        (ports.blob, "Azurite's blobs", "AZURITE_PORT (the first of three)"),
        (ports.queue, "Azurite's queues", "AZURITE_PORT (the first of three)"),
        (ports.table, "Azurite's tables", "AZURITE_PORT (the first of three)"),
    )
    return [f"Port {port} ({use}) is taken; another one: {variable}" for port, use, variable in uses if _taken(port)]


def run(run_dir: Path, ports: Ports) -> NoReturn:
    """Start everything, say where it is, and watch it until a signal or a death ends it.

    Raises:
        NotStartedError: a port is taken, or no ticket could be made.
        ProcessFailedError: a program died; all others have been ended.
        KeyboardInterrupt: Ctrl-C; all programs have been ended.
    """
    taken = busy(ports)
    if taken:
        raise NotStartedError(
            "\n".join([*taken, "Nothing was started. `make run` may be running in another terminal."])
        )
    settings = app_environment(run_dir, ports)
    trusted = trust(run_dir)
    with Machine(run_dir) as machine:
        _say("storage (Azurite)")
        storage, connection = azurite.start(
            log=machine.log("azurite"), location=run_dir / "storage", ports=(ports.blob, ports.queue, ports.table)
        )
        machine.adopt(storage)
        create_all(connection)
        _say("Microsoft (emulated)")
        machine.start(
            "microsoft",
            [
                "local.microsoft",
                *("--port", str(ports.microsoft), "--run-dir", str(run_dir)),
                *("--public-url", ports.app_url, "--client-id", CLIENT_ID),
                *("--smtp-port", str(ports.smtp), "--outlook-smtp-port", str(ports.outlook_smtp)),
            ],
            health=ports.microsoft_url,
            own=trusted,
        )
        _say("the app")
        machine.start("app", ["local.app", "--port", str(ports.app)], health=f"{ports.app_url}/healthz", own=settings)
        _say("the virtual printer")
        enrolled = (run_dir / "printer" / "enrolment.json").exists()
        machine.start(
            "printer",
            ["local.printer", "--port", str(ports.printer), "--service", ports.app_url, "--run-dir", str(run_dir)],
            health=ports.printer_url,
            own=trusted | ({} if enrolled else {"TICKET": _ticket(settings)}),
        )
        print(_welcome(run_dir, ports), flush=True)
        machine.watch()


def main() -> int:
    """Run the machine until it ends; returns the exit code."""
    try:
        with ended_by_signals():
            run(RUN_DIR, Ports.chosen(os.environ))
    except KeyboardInterrupt:
        print("\nEnded, all of it.")
        return 0
    except (NotAPortError, NotStartedError, azurite.NotInstalledError, ProcessFailedError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


def _ticket(settings: Mapping[str, str]) -> str:
    """A ticket that enrols the virtual printer with Contoso."""
    command = [
        sys.executable,
        "-m",
        "local.ticket",
        "--tenant",
        CONTOSO,
        "--group",
        "office",
        "--location",
        "2nd floor",
    ]
    answer = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=TICKET_SECONDS,
        env=process_environment(settings),
    )
    if answer.returncode or not answer.stdout.strip():
        raise NotStartedError(f"No ticket for the virtual printer could be made:\n{answer.stderr}")
    return answer.stdout.strip().splitlines()[-1]


def _say(what: str) -> None:
    print(f"Starting {what} ...", flush=True)


def _welcome(run_dir: Path, ports: Ports) -> str:
    return f"""
To My Email runs on this machine.

  virtual printer   {ports.printer_url}
  mailboxes         {ports.microsoft_url}/mailbox   (your browser will warn of the certificate)
  app               {ports.app_url}   (administrators: {ports.app_url}/consent)
  Microsoft         {ports.microsoft_url}   (emulated; faults to switch on: /faults)
  mail by SMTP      localhost:{ports.smtp} Exchange Online, :{ports.outlook_smtp} Outlook.com (emulated)
  storage           127.0.0.1:{ports.blob} blobs, :{ports.queue} queues, :{ports.table} tables
  logs              {run_dir / "log"}

What to do first:
  1. Open the virtual printer: in its settings connect the organisation, as Alex Admin.
  2. Press To My Email as Adele; sign in once, by the code or the QR code it shows.
  3. Press it again: now it is one press.
  4. Read the scan in Adele's mailbox.
  5. On any sign-in page choose the account; there are no passwords.
  6. Ctrl-C ends everything and keeps what was done; `make clean` forgets it.
"""


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: a connection of the last run that lingers in TIME_WAIT takes no port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False
