"""The whole service on one machine: ``python -m local``, ended by Ctrl-C.

Starts, in this order and each only when the one before answers: Azurite, the emulated Microsoft
cloud, the app, the virtual printer. When one of them dies the others end too, and it is named.
"""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, Self

from local import azurite
from local.environment import CLIENT_ID, NotAPortError, Ports, app_environment, bundle, process_environment, trust
from local.processes import Process, ProcessFailedError, http_status
from shared.storage import create_all

RUN_DIR = Path(".run")
START_SECONDS = 60
TICKET_SECONDS = 60
WATCH_SECONDS = 0.3
HTTP_OK = 200

CONTOSO = "11111111-1111-4111-8111-111111111111"


class NotStartedError(Exception):
    """The machine cannot start; the message says what the person at the terminal can do."""


class Machine:
    """The programs that run now; on the way out they are ended, the youngest first.

    Args:
        run_dir: where logs go (``log/``) and the trusted certificates lie (``tls/``).
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A second, impatient Ctrl-C must not leave half of them behind.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        for process in reversed(self._processes):
            process.stop()
        signal.signal(signal.SIGINT, before)

    def log(self, name: str) -> Path:
        """The log file of the program called ``name``."""
        return self._run_dir / "log" / f"{name}.log"

    def start(self, name: str, command: Sequence[str], *, health: str, own: Mapping[str, str]) -> None:
        """Start ``python -m command…`` and return when a GET of the URL ``health`` answers 200.

        Args:
            name: what it is called in messages and in its log's name.
            command: module and arguments.
            health: absolute URL.
            own: environment variables it gets beside the caller's.

        Raises:
            ProcessFailedError: it died, or another one did meanwhile, or it did not answer in time.
        """
        full = [sys.executable, "-m", *command]
        process = Process(name, full, log=self.log(name), environment=process_environment(own))
        self.adopt(process)

        def ready() -> bool:
            self.check()
            return http_status(health, trusted=bundle(self._run_dir)) == HTTP_OK

        process.wait_until(ready, seconds=START_SECONDS)

    def adopt(self, process: Process) -> None:
        """Watch and end a program that was started elsewhere."""
        self._processes.append(process)

    def check(self) -> None:
        """Raise ProcessFailedError if any program has died."""
        for process in self._processes:
            process.check()

    def watch(self) -> NoReturn:
        """Wait for as long as all programs live.

        Raises:
            ProcessFailedError: one of them died.
        """
        while True:
            self.check()
            time.sleep(WATCH_SECONDS)


def busy(ports: Ports) -> list[str]:
    """One line for each port that somebody else listens on: the port, what needs it, which variable moves it."""
    uses = (
        (ports.app, "the app", "APP_PORT"),
        (ports.microsoft, "the emulated Microsoft cloud", "MICROSOFT_PORT"),
        (ports.printer, "the virtual printer", "PRINTER_PORT"),
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
            ["local.microsoft", "--port", str(ports.microsoft), "--run-dir", str(run_dir)],
            health=f"{ports.microsoft_url}/-/health",
            own={**trusted, "PUBLIC_URL": ports.app_url, "CLIENT_ID": CLIENT_ID},
        )
        _say("the app")
        machine.start("app", ["local.app", "--port", str(ports.app)], health=f"{ports.app_url}/healthz", own=settings)
        _say("the virtual printer")
        enrolled = (run_dir / "printer" / "enrolment.json").exists()
        machine.start(
            "printer",
            ["local.printer", "--port", str(ports.printer), "--service", ports.app_url, "--run-dir", str(run_dir)],
            health=f"{ports.printer_url}/healthz",
            own=trusted | ({} if enrolled else {"TICKET": _ticket(settings)}),
        )
        print(_welcome(run_dir, ports), flush=True)
        machine.watch()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Inside the block Ctrl-C, SIGTERM and a closed terminal (SIGHUP) raise KeyboardInterrupt.

    Ctrl-C is named because a shell starts what it runs in the background with it ignored.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            stack.callback(signal.signal, number, signal.signal(number, interrupt))
        yield


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
  app               {ports.app_url}
  console           {ports.app_url}/console
  Microsoft         {ports.microsoft_url}   (emulated; your browser will warn of its certificate)
  storage           127.0.0.1:{ports.blob} blobs, :{ports.queue} queues, :{ports.table} tables
  logs              {run_dir / "log"}

What to do first:
  1. Open the virtual printer. It is enrolled with Contoso.
  2. Ask it for consent and follow its link as alex.admin@contoso.example (no password: choose the account).
  3. Press To My Email as adele.vance@contoso.example; sign in once with the code or QR it shows.
  4. Press again: the scan goes straight into her mailbox.
  5. Read the mail where Microsoft stands above.
  6. Ctrl-C ends everything; `make clean` forgets it.
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
