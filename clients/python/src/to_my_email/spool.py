r"""Scans that the service does not have yet: on the disk from before their first byte until it says 202.

::

    spool/<id>/lock        held by the process that reads or hands over this scan
    spool/<id>/entry.json  what is known of it: written first, removed first
    spool/<id>/document    the bytes; complete only once entry.json says so
    spool/<id>/blocks.json which blocks storage has

    reading --> ready --> (the service has it: gone)
                  \-> withdrawn --> (the service knows: gone)

An entry whose reading was cut short is read again where its source was a file that is still there, else
it is ``incomplete``: whoever asked for it never heard that it was kept. Holds documents: 0700.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from to_my_email.errors import Refused, StoreError, StoreLocked
from to_my_email.store import locked, private, sync, write

CHUNK = 1 << 20
"""Bytes read at a time."""
_SPOOL_PATIENCE = 10.0
_SIGNATURES = {
    b"%PDF-": "application/pdf",
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"II*\x00": "image/tiff",
    b"MM\x00*": "image/tiff",
}
"""First bytes of the types that the device API takes."""


def sniff(head: bytes) -> str | None:
    """Return the media type that a document's first bytes show, or None."""
    return next((kind for start, kind in _SIGNATURES.items() if head.startswith(start)), None)


@dataclass(frozen=True)
class Entry:
    """One scan in the spool, as ``entry.json`` has it.

    ``manifest`` is what the service is told; its ``document`` is complete when ``state`` is ``ready``.
    """

    folder: Path
    state: str
    manifest: Mapping[str, Any]
    source: str | None = None
    """The file it is read from, where it is one."""

    @property
    def id(self) -> str:
        """The scan's id."""
        return self.folder.name

    @property
    def document(self) -> Path:
        """Where the bytes lie."""
        return self.folder / "document"

    @property
    def size(self) -> int:
        """Bytes of the document."""
        return int(self.manifest["document"]["size"])

    def blocks(self, target: str) -> set[int]:
        """Return the numbers of the blocks that storage has at ``target`` (an address without its signature)."""
        try:
            kept = json.loads((self.folder / "blocks.json").read_bytes())
            return set(kept["blocks"]) if kept["target"] == _digest(target) else set()
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return set()

    def remember(self, target: str, blocks: set[int]) -> None:
        """Keep which blocks storage has at ``target``."""
        kept = {"target": _digest(target), "blocks": sorted(blocks)}
        write(self.folder / "blocks.json", json.dumps(kept).encode())

    def forget_blocks(self) -> None:
        """Upload everything again."""
        (self.folder / "blocks.json").unlink(missing_ok=True)


@dataclass
class Spool:
    """The scans in a directory. Several processes may use one: each scan is one process's at a time."""

    directory: Path
    _mine: set[str] = field(default_factory=set)

    @contextmanager
    def take(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        manifest: Mapping[str, Any],
        *,
        scan_id: str | None = None,
        media_type: str | None = None,
    ) -> Iterator[Entry]:
        """Read a document into the spool, and hold the scan inside the block.

        Args:
            source: a file's path, or a binary stream that is read to its end.
            manifest: all of it but ``id`` and, in ``document``, ``type``, ``size`` and ``sha256``.
            scan_id: a UUID; made where it is missing.
            media_type: where the device knows it; else the first bytes say it.

        Raises:
            Refused: ``unsupported_type`` or ``empty_document``; nothing is kept.
            StoreError: the spool cannot be written.
            OSError: the source cannot be read; nothing is kept.
        """
        scan_id = str(uuid.UUID(scan_id)) if scan_id else str(uuid.uuid4())
        path = str(Path(source).absolute()) if isinstance(source, str | os.PathLike) else None
        with ExitStack() as held:
            entry = self._begin(held, Entry(self.directory / scan_id, "reading", {**manifest, "id": scan_id}, path))
            try:
                if isinstance(source, str | os.PathLike):
                    with Path(source).open("rb") as stream:
                        entry = _read(entry, stream, media_type)
                else:
                    entry = _read(entry, source, media_type)
            except BaseException:
                self.remove(entry)
                raise
            yield entry

    @contextmanager
    def hold(self, scan_id: str) -> Iterator[Entry | None]:
        """Hold a scan; None where it is not (or no longer) here.

        Raises:
            StoreLocked: another process holds it.
        """
        folder = self.directory / scan_id
        with ExitStack() as held:
            if not folder.is_dir():
                yield None
                return
            try:
                held.enter_context(locked(folder / "lock"))
            except FileNotFoundError:  # handed over meanwhile
                yield None
                return
            yield self._load(folder)

    def complete(self, entry: Entry) -> Entry:
        """Return a held scan with all its bytes: one whose reading was cut short is read again.

        Raises:
            Refused: ``incomplete``: it cannot be read again; it is removed.
        """
        if entry.state != "reading":
            return entry
        try:
            if entry.source is not None:
                with Path(entry.source).open("rb") as stream:
                    return _read(entry, stream, None)
        except (OSError, Refused):
            pass
        self.remove(entry)
        raise Refused("incomplete", who="user", title="The scan was cut short", remedy="Scan again.")

    def ids(self) -> list[str]:
        """Return the ids of all scans here, oldest first; clears away what a power cut left of removed ones."""
        if not self.directory.is_dir():
            return []
        found = []
        with locked(self.directory / "lock", _SPOOL_PATIENCE):
            for folder in self.directory.iterdir():
                if not _is_id(folder.name):
                    continue
                try:
                    found.append(((folder / "entry.json").stat().st_mtime_ns, folder.name))
                except FileNotFoundError:
                    with contextlib.suppress(StoreLocked, FileNotFoundError), locked(folder / "lock"):
                        if not (folder / "entry.json").exists():
                            shutil.rmtree(folder, ignore_errors=True)
        return [name for _, name in sorted(found)]

    def entry(self, scan_id: str) -> Entry | None:
        """Return a scan as it stands, without holding it, or None."""
        return self._load(self.directory / scan_id)

    def withdraw(self, entry: Entry) -> Entry:
        """Mark a held scan as not wanted any more; its bytes go at once, the mark stays until the service knows."""
        withdrawn = Entry(entry.folder, "withdrawn", {"id": entry.id})
        _store(withdrawn)
        entry.document.unlink(missing_ok=True)
        return withdrawn

    def remove(self, entry: Entry) -> None:
        """Remove a held scan, its promise first."""
        (entry.folder / "entry.json").unlink(missing_ok=True)
        shutil.rmtree(entry.folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            sync(self.directory)

    def _begin(self, held: ExitStack, entry: Entry) -> Entry:
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Nobody may clear the folder away between its making and our lock on it.
            with locked(self.directory / "lock", _SPOOL_PATIENCE):
                entry.folder.mkdir(mode=0o700, exist_ok=True)
                held.enter_context(locked(entry.folder / "lock"))
            if self._load(entry.folder) is not None:
                raise StoreError("id_taken", title="A scan with this id is already waiting in the store")
            _store(entry)
            sync(self.directory)
        except OSError:
            unusable = StoreError("store_not_writable", title="The device's store directory cannot be written")
        else:
            return entry
        raise unusable

    def _load(self, folder: Path) -> Entry | None:
        try:
            kept = json.loads((folder / "entry.json").read_bytes())
            entry = Entry(folder, kept["state"], kept["manifest"], kept["source"])
            if entry.state == "ready" and entry.document.stat().st_size != entry.size:
                # Only a damaged disk does that: bytes are synced before the entry says ready.
                return Entry(folder, "reading", entry.manifest, entry.source)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, KeyError, TypeError):
            return Entry(folder, "reading", {"id": folder.name})
        return entry


def _read(entry: Entry, stream: BinaryIO, media_type: str | None) -> Entry:
    """Copy a document to the disk, hashing it on the way, and say in the entry that it is complete."""
    digest, size, head = hashlib.sha256(), 0, b""
    with private(entry.document, os.O_WRONLY | os.O_TRUNC) as file:
        while piece := stream.read(CHUNK):
            head = head if len(head) >= 16 else head + piece[:16]  # noqa: PLR2004  (longer than any signature)
            digest.update(piece)
            size += len(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    kind = media_type or sniff(head)
    if not size or kind is None:
        raise Refused(
            "unsupported_type" if size else "empty_document",
            who="user",
            title="This kind of file cannot be sent" if size else "The scan is empty",
            remedy="Scan to PDF, JPEG, TIFF or PNG.",
        )
    described = {**entry.manifest.get("document", {}), "type": kind, "size": size, "sha256": digest.hexdigest()}
    ready = Entry(entry.folder, "ready", {**entry.manifest, "document": described}, entry.source)
    _store(ready)
    return ready


def _store(entry: Entry) -> None:
    kept = {"state": entry.state, "manifest": entry.manifest, "source": entry.source}
    write(entry.folder / "entry.json", json.dumps(kept, ensure_ascii=False).encode("utf-8", "surrogateescape"))


def _digest(target: str) -> str:
    return hashlib.sha256(target.encode()).hexdigest()


def _is_id(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
