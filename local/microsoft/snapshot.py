"""What a run of the process leaves for the next: directory, consent, tokens and keys, in one file.

Without it a restart would forget consent and refresh tokens that the app, whose storage survives, still
counts on. Mail is not kept. The file holds keys and tokens of this machine's emulation, mode 0600.
"""

from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from pydantic import TypeAdapter

from .cloud import Cloud
from .keys import KeyRing, SigningKey
from .records import State

_INTERVAL_SECONDS = 2.0


@dataclass
class _Kept:
    state: State
    work: SigningKey
    personal: SigningKey


_FORMAT = TypeAdapter(_Kept)


def load(path: Path) -> tuple[State, KeyRing] | None:
    """Answer what an earlier run left, None if there was none.

    Raises:
        ValueError: the file is of another version of this program; it may be deleted.
    """
    if not path.exists():
        return None
    kept = _FORMAT.validate_json(path.read_bytes())
    return kept.state, KeyRing(kept.work, kept.personal)


class Keeper:
    """Writes the cloud's state every two seconds if it has changed, and once more at the end."""

    def __init__(self, cloud: Cloud, path: Path) -> None:
        self._cloud = cloud
        self._path = path
        self._written = b""
        self._ended = Event()
        self._thread = Thread(target=self._run, name="microsoft-snapshot", daemon=True)

    def __enter__(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.write()

    def write(self) -> None:
        """Replace the file as a whole, if there is news."""
        self._cloud.forget_expired()
        with self._cloud.lock:
            kept = _Kept(self._cloud.state, self._cloud.keys.work, self._cloud.keys.personal)
            content = _FORMAT.dump_json(kept)
        if content == self._written:
            return
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_bytes(content)
        fresh.replace(self._path)
        self._written = content

    def _run(self) -> None:
        while not self._ended.wait(_INTERVAL_SECONDS):
            self.write()
