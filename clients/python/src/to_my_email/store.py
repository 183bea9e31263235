"""What a device keeps on disk: its key, its enrolment, its unsent scans.

::

    device-key.pem    the private key (0600)
    next-key.pem      the key that a rollover has begun to bring in
    enrolment.json    where it is enrolled, as what
    spool/            scans that the service does not have yet (``spool``)
    lock              held while key or enrolment change

Every file is written whole or not at all, and is on the disk before anything relies on it. Tokens are
not kept: each process asks for its own.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from to_my_email.answers import Enrolment
from to_my_email.errors import StoreError, StoreLocked
from to_my_email.key import DeviceKey

LOCK_PATIENCE = 60.0
"""Seconds to wait for another process that enrols or changes the key."""
_LOOK_EVERY = 0.05


class Store:
    """A device's directory; made on first use, readable by its owner alone. Several processes may use one."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)

    @property
    def spool(self) -> Path:
        """Where unsent scans lie."""
        return self.directory / "spool"

    @contextmanager
    def exclusive(self, patience: float = LOCK_PATIENCE) -> Iterator[None]:
        """Hold the store's lock: nobody else changes key or enrolment meanwhile.

        Raises:
            StoreLocked: another process held it for ``patience`` seconds.
            StoreError: the directory cannot be made or written.
        """
        self._prepare()
        with locked(self.directory / "lock", patience):
            for part in self.directory.glob(".*.*.*"):
                part.unlink(missing_ok=True)  # what a power cut left; nobody else writes while we hold the lock
            yield

    def key(self) -> DeviceKey:
        """Return the device's key as it is on disk now.

        Raises:
            StoreError: there is none, or the file holds no key of this kind.
        """
        found = self._read_key("device-key.pem")
        if found is None:
            raise StoreError("key_missing", title="The device's key is missing")
        return found

    def make_key(self) -> DeviceKey:
        """Return the device's key, a new one where there is none. The lock must be held."""
        found = self._read_key("device-key.pem")
        if found is None:
            found = DeviceKey.make()
            write(self.directory / "device-key.pem", found.pem)
        return found

    def next_key(self) -> DeviceKey:
        """Return the key that is to follow, the same one until :meth:`promote`. The lock must be held."""
        found = self._read_key("next-key.pem")
        if found is None:
            found = DeviceKey.make()
            write(self.directory / "next-key.pem", found.pem)
        return found

    def promote(self) -> None:
        """Make the next key the device's key. The lock must be held."""
        (self.directory / "next-key.pem").replace(self.directory / "device-key.pem")
        sync(self.directory)

    @property
    def service(self) -> str | None:
        """The address of the service that the device is enrolled at, or None."""
        return self._enrolment().get("service")

    def enrolment(self, service: str) -> Enrolment | None:
        """Return the enrolment at this service, or None: an enrolment elsewhere counts for nothing here."""
        kept = self._enrolment()
        return Enrolment.read(kept["enrolment"]) if kept.get("service") == service else None

    def keep(self, service: str, enrolment: Enrolment) -> None:
        """Keep an enrolment, in place of an earlier one."""
        kept = {"service": service, "enrolment": enrolment.as_json()}
        write(self.directory / "enrolment.json", json.dumps(kept, ensure_ascii=False, indent=2).encode())

    def _enrolment(self) -> dict[str, Any]:
        try:
            kept = json.loads((self.directory / "enrolment.json").read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            kept = None
        if not isinstance(kept, dict) or "service" not in kept or "enrolment" not in kept:
            raise StoreError("store_damaged", title="The device's enrolment file cannot be read")
        return kept

    def _read_key(self, name: str) -> DeviceKey | None:
        try:
            return DeviceKey.from_pem((self.directory / name).read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            pass
        raise StoreError("store_damaged", title="The device's key file cannot be read")

    def _prepare(self) -> None:
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            usable = False
        else:
            usable = os.access(self.directory, os.R_OK | os.W_OK | os.X_OK)
        if not usable:
            raise StoreError("store_not_writable", title="The device's store directory cannot be written")


@contextmanager
def locked(path: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold an exclusive lock on a file, which is made where it is missing; the kernel drops it with the process.

    Raises:
        StoreLocked: somebody else held it for ``patience`` seconds.
    """
    with private(path, os.O_WRONLY) as file:
        ends = time.monotonic() + patience
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() >= ends:
                raise StoreLocked
            time.sleep(_LOOK_EVERY)
        yield


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, 0600 from its first moment, and on the disk when this returns."""
    part = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        with private(part, os.O_WRONLY | os.O_EXCL) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(directory: Path) -> None:
    """Bring a directory's names to the disk (a rename is not durable before)."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def private(path: Path, flags: int) -> BinaryIO:
    """Open a file for writing, made where it is missing: 0600 from its first moment, whatever the umask."""
    return os.fdopen(os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb")
