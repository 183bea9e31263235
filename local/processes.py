"""Start a program, know that it is ready, say why it died, end all of it.

Each program gets a session of its own: Ctrl-C in the terminal then reaches only the runner,
which ends the others in its own order, and one signal reaches a program with its children.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

TAIL_LINES = 20
POLL_SECONDS = 0.05
ANSWER_SECONDS = 5


class ProcessFailedError(Exception):
    """A program ended by itself or did not get ready in time; the message holds the tail of its log."""

    def __init__(self, process: "Process", what: str) -> None:
        super().__init__(f"{process.name} {what}. The end of {process.log}:\n{process.tail()}")
        self.process = process


def http_status(url: str, *, trusted: Path | None = None) -> int | None:
    """The status with which ``url`` answers a GET now, or None where nobody speaks HTTP.

    Args:
        url: absolute, on this machine.
        trusted: file of the certificates to trust; it may not have been made yet.
    """
    with requests.Session() as session:
        # Neither a proxy nor the caller's CA bundle has a say in what happens on the loopback.
        session.trust_env = False
        try:
            return session.get(
                url, timeout=ANSWER_SECONDS, verify=True if trusted is None else str(trusted)
            ).status_code
        except OSError:  # what requests raises, and what it raises for a missing file
            return None


class Process:
    """One running program, its log, and its end.

    Used as a context manager it is stopped on the way out.

    Args:
        name: what the program is called in messages.
        command: program and arguments; no shell.
        log: file that receives standard output and standard error; truncated at the start.
        environment: the whole environment of the program; None hands over the caller's.
        directory: working directory; None keeps the caller's.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                cwd=directory,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id; also the id of the program's process group."""
        return self._popen.pid

    def output(self) -> str:
        """Everything the program has written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def tail(self) -> str:
        """The last lines the program wrote, indented for a message."""
        lines = self.output().splitlines()[-TAIL_LINES:]
        return "\n".join(f"    {line}" for line in lines) or "    (it wrote nothing)"

    def check(self) -> None:
        """Raise ProcessFailedError if the program has ended."""
        code = self._popen.poll()
        if code is not None:
            raise ProcessFailedError(self, f"ended with code {code}")

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Return when ``ready`` answers True.

        Raises:
            ProcessFailedError: the program ended first, or was not ready after ``seconds``.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise ProcessFailedError(self, f"was not ready after {seconds:.0f} seconds")
            time.sleep(POLL_SECONDS)

    def stop(self, *, seconds: float = 5.0) -> None:
        """End the program and every process of its group; forcibly after ``seconds``."""
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)
        # Also when it ended in time: this reaches what it may have left behind.
        self._signal(signal.SIGKILL)
        self._popen.wait()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass  # nobody of the group is left
        except PermissionError:
            # macOS says so of a group whose only member is a zombie.
            self._popen.poll()
