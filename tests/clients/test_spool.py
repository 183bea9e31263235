"""The spool: whatever is cut, garbled or raced for, a scan is whole, or told to be lost, and never somebody else's."""

import io
import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from to_my_email.errors import Refused, StoreError, StoreLocked
from to_my_email.spool import Entry, Spool

PDF = b"%PDF-1.7 "
NAMES = st.text(max_size=30)
BYTES = st.binary(max_size=3000)


class Trickle(io.RawIOBase):
    """A scanner that gives its bytes in pieces of its own choosing, and may break down."""

    def __init__(self, pieces: list[bytes], breaks: bool = False) -> None:
        super().__init__()
        self._pieces = iter([*pieces, b""])
        self._breaks = breaks

    def read(self, _: int = -1, /) -> bytes:
        """Give the next piece; an empty one would be the end."""
        piece = next(self._pieces)
        if not piece and self._breaks:
            raise OSError("paper jam")
        return piece


def manifest(**members: Any) -> dict[str, Any]:
    """What a device says beforehand."""
    return {"kind": "to_my_email", "user": "adele", "document": {"name": "scan.pdf"}, **members}


def kept(spool: Spool) -> Iterator[tuple[str, bytes]]:
    """Every scan in the spool with its bytes, as a resume would find it."""
    for scan_id in spool.ids():
        with spool.hold(scan_id) as entry:
            if entry is not None:
                with suppress(Refused):
                    yield scan_id, spool.complete(entry).document.read_bytes()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """An empty spool."""
    return Spool(tmp_path / "spool")


@settings(max_examples=40, deadline=None)
@given(pieces=st.lists(st.binary(min_size=1, max_size=500), max_size=8), title=NAMES, name=NAMES)
def test_what_goes_in_comes_out(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], title: str, name: str
) -> None:
    """Bytes, title and name survive in whatever pieces and letters they come; size and hash are the bytes' own."""
    spool = Spool(tmp_path_factory.mktemp("spool"))
    document = PDF + b"".join(pieces)
    with spool.take(Trickle([PDF, *pieces]), manifest(title=title, document={"name": name})) as entry:  # type: ignore[arg-type]
        assert entry.manifest["document"]["size"] == len(document)
    again = spool.entry(entry.id)
    assert again == entry
    assert again.manifest["title"] == title
    assert again.manifest["document"]["name"] == name
    assert list(kept(spool)) == [(entry.id, document)]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_damage_makes_another_scan(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Files cut or garbled anywhere: the scan is whole, or lost by name; never other bytes."""
    spool = Spool(tmp_path_factory.mktemp("spool"))
    document = PDF + data.draw(BYTES)
    with spool.take(io.BytesIO(document), manifest()) as entry:
        pass
    name = data.draw(st.sampled_from(["entry.json", "document", "blocks.json"]))
    victim = entry.folder / name
    content = victim.read_bytes() if victim.exists() else b'{"target": "x", "blocks": [0]}'
    cut = data.draw(st.integers(0, len(content)))
    # A power cut shortens or empties; it does not change a byte of what was synced.
    victim.write_bytes(content[:cut] + (b"\0" * data.draw(st.integers(0, 3)) if name != "document" else b""))
    found = list(kept(spool))
    assert found in ([], [(entry.id, document)])
    if not found:
        assert spool.ids() == [], "what is lost is cleared away"
    entry.blocks("https://storage.example/x")  # never raises


def test_scan_is_on_the_disk_before_its_first_byte(spool: Spool, tmp_path: Path) -> None:
    """R01: a power cut in the midst of reading a file loses nothing: it is read again at the next start."""
    source = tmp_path / "scan.pdf"
    source.write_bytes(PDF + b"all of it")
    folder = spool.directory / str(uuid.uuid4())
    folder.mkdir(parents=True)
    # What is there at the cut: the promise, and some of the bytes.
    at_the_cut = {"state": "reading", "manifest": manifest(id=folder.name), "source": str(source)}
    (folder / "entry.json").write_text(json.dumps(at_the_cut))
    (folder / "document").write_bytes(PDF)
    assert list(kept(spool)) == [(folder.name, PDF + b"all of it")]


def test_entry_stands_before_the_source_is_read(spool: Spool) -> None:
    """The promise is on the disk when the scanner is asked for its first byte."""
    seen: list[list[str]] = []

    class Watching(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            seen.append([path.parent.name for path in spool.directory.glob("*/entry.json")])
            return super().read(size)

    with spool.take(Watching(PDF), manifest()) as entry:
        assert seen[0] == [entry.id]


def test_stream_that_was_cut_short_is_told_to_be_lost(spool: Spool) -> None:
    """Bytes that only the scanner had cannot be read again: the scan is named as incomplete, once."""
    folder = spool.directory / str(uuid.uuid4())
    folder.mkdir(parents=True)
    (folder / "entry.json").write_text(json.dumps({"state": "reading", "manifest": manifest(), "source": None}))
    with spool.hold(folder.name) as entry:
        assert entry is not None
        with pytest.raises(Refused, match="incomplete"):
            spool.complete(entry)
    assert spool.ids() == []


@pytest.mark.parametrize("pieces", [[], [PDF, b"half a page"]])
def test_scanner_that_breaks_down_leaves_nothing(spool: Spool, pieces: list[bytes]) -> None:
    """A paper jam reaches the caller as what it is, and no half scan stays."""
    with pytest.raises(OSError, match="paper jam"), spool.take(Trickle(pieces, breaks=True), manifest()):  # type: ignore[arg-type]
        raise AssertionError
    assert list(spool.directory.glob("*-*")) == []


@pytest.mark.parametrize(("document", "reason"), [(b"", "empty_document"), (b"MZ\x90", "unsupported_type")])
def test_what_no_service_takes_is_refused_at_once(spool: Spool, document: bytes, reason: str) -> None:
    """E09: a document that is empty, or of no type the API has, is refused without asking, and not kept."""
    with pytest.raises(Refused, match=reason), spool.take(io.BytesIO(document), manifest()):
        raise AssertionError
    assert spool.ids() == []


def test_scan_is_one_process_at_a_time(spool: Spool) -> None:
    """Who holds a scan holds it alone; the other is told, and leaves it."""
    with (
        spool.take(io.BytesIO(PDF), manifest()) as entry,
        pytest.raises(StoreLocked),
        Spool(spool.directory).hold(entry.id),
    ):
        raise AssertionError


def test_same_id_twice_is_refused(spool: Spool) -> None:
    """An id that waits in the spool is not overwritten by another document."""
    with spool.take(io.BytesIO(PDF), manifest()) as entry:
        pass
    with pytest.raises(StoreError, match="id_taken"), spool.take(io.BytesIO(PDF + b"2"), manifest(), scan_id=entry.id):
        raise AssertionError
    assert list(kept(spool)) == [(entry.id, PDF)]


def test_many_take_while_others_clear(spool: Spool) -> None:
    """32 scans are taken while somebody lists and clears the whole time: none is lost, none cleared away half made."""
    taken: list[Entry] = []
    over = threading.Event()

    def take(number: int) -> None:
        with spool.take(io.BytesIO(PDF + bytes([number])), manifest()) as entry:
            taken.append(entry)

    def clear() -> None:
        while not over.is_set():
            Spool(spool.directory).ids()

    clearing = threading.Thread(target=clear)
    clearing.start()
    taking = [threading.Thread(target=take, args=(number,)) for number in range(32)]
    for each in taking:
        each.start()
    for each in taking:
        each.join()
    over.set()
    clearing.join()
    assert len(taken) == 32
    assert sorted(spool.ids()) == sorted(entry.id for entry in taken)


def test_documents_are_the_owners_alone(spool: Spool) -> None:
    """No other user of the machine reads a scan: folders 0700, files 0600, from their first moment."""
    with spool.take(io.BytesIO(PDF), manifest()) as entry:
        entry.remember("https://storage.example/x", {0})
    assert spool.directory.stat().st_mode & 0o777 == 0o700
    assert entry.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in entry.folder.iterdir()} == {0o600}


def test_blocks_count_for_their_own_address_only(spool: Spool) -> None:
    """What one blob has says nothing of another; and no signature is kept."""
    with spool.take(io.BytesIO(PDF), manifest()) as entry:
        entry.remember("https://storage.example/one", {0, 1})
        assert entry.blocks("https://storage.example/one") == {0, 1}
        assert entry.blocks("https://storage.example/two") == set()
