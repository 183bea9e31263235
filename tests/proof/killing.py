"""Processes of the service, each for one thing to do, and kill -9 at a moment."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import IO, Any

HOUSE = Path(__file__).resolve().parent.parent.parent
PATIENCE = 40
"""Seconds that a process is waited for."""


@dataclass(frozen=True)
class Point:
    """A moment at which a process is killed: before or after the so-manieth call of a name; 0: at a step of SMTP."""

    when: str
    call: str
    number: int = 0

    def __str__(self) -> str:
        return f"{self.when} {self.call}" + (f" ({self.number})" if self.number > 1 else "")


@dataclass
class Workers:
    """Forks of :mod:`tests.proof.worker`, which alone kills them: to it no id can mean another process by now."""

    asks: IO[str]
    answers: IO[str]
    _lock: Lock = field(default_factory=Lock)

    def start(self, act: str, environment: Mapping[str, str], ahead: float = 0, **more: Any) -> int:
        """Start a process; returns its id."""
        return self._asked({"act": act, "environment": dict(environment), "ahead": ahead, **more})

    def ended(self, process: int) -> bool:
        """Whether a process has ended."""
        return not self._asked({"process": process})

    def kill(self, process: int) -> None:
        """Kill a process, and wait until it is gone; one that is gone is fine."""
        self._asked({"process": process, "kill": True})

    def kill_when(self, process: int, moment: Callable[[], bool]) -> bool:
        """Kill a process when the moment has come; False: it ended before."""
        ends = monotonic() + PATIENCE
        while not moment():
            if self.ended(process):
                return False
            assert monotonic() < ends, "the moment never came"
            sleep(0.005)
        self.kill(process)
        return True

    def _asked(self, told: Mapping[str, Any]) -> int:
        with self._lock:
            self.asks.write(json.dumps(told) + "\n")
            self.asks.flush()
            return int(self.answers.readline())


@contextmanager
def workers() -> Iterator[Workers]:
    """Have processes at hand; at the end none of them lives."""
    command = [sys.executable, "-m", "tests.proof.worker"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=HOUSE, text=True, start_new_session=True
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield Workers(process.stdin, process.stdout)
        finally:
            process.stdin.close()
            process.wait(PATIENCE)
