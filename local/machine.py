"""The programs that run together on one machine: they start in order, are watched, and end together."""

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, Self

from local.environment import authority, process_environment
from local.processes import Process, http_status

START_SECONDS = 60
WATCH_SECONDS = 0.3
HTTP_OK = 200
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
        with _on_ending_signals(signal.SIG_IGN):
            for process in reversed(self._processes):
                process.stop()

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
            return http_status(health, trusted=authority(self._run_dir)) == HTTP_OK

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


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Inside the block Ctrl-C, SIGTERM and a closed terminal (SIGHUP) raise KeyboardInterrupt.

    Ctrl-C is named because a shell starts what it runs in the background with it ignored.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    with _on_ending_signals(interrupt):
        yield


@contextmanager
def _on_ending_signals(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
