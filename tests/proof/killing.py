"""kill -9 at a moment, of one process that was started for it."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep

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


def ended(process: int) -> bool:
    """Whether a process has ended."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def kill(process: int) -> None:
    """Kill one process, and wait until it is gone; one that is gone is fine."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return
    ends = monotonic() + PATIENCE
    while not ended(process):
        assert monotonic() < ends
        sleep(0.002)


def kill_when(process: int, moment: Callable[[], bool]) -> bool:
    """Kill a process when the moment has come; False: it ended before."""
    ends = monotonic() + PATIENCE
    while not moment():
        if ended(process):
            return False
        assert monotonic() < ends, "the moment never came"
        sleep(0.004)
    kill(process)
    return True
