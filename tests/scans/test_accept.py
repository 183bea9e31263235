"""Accepting: the same scan twice is one job, and what cannot be sent is refused before anything is stored."""

import hashlib
import io
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from shared import faults
from shared.mail.graph.body import LARGEST_DOCUMENT
from shared.scans import media_type_of
from tests.scans.conftest import CONTOSO, DOCUMENT
from tests.scans.test_uploads import WHOLE

UUIDS = re.compile("/".join([r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"] * 3))


def nothing_stored(office: Any) -> bool:
    """Whether no document, row, place in the list of what is due, or message was left."""
    rows = list(office.rooms.storage.table("jobs")._client.list_entities())
    return not (rows or office.documents() or office.messages())


def test_an_accepted_scan_is_a_job_with_a_document_and_a_wake_up(office: Any) -> None:
    """R04: the row is there, due within minutes, the document is pinned, and the message is the id alone."""
    job = office.accept()
    assert (job.state, job.attempts, job.tid) == ("accepted", 0, CONTOSO)
    assert office.job(job) == job
    assert office.due() == [job.due]
    assert office.documents() == [job.blob]
    assert office.messages() == [f"{office.device.id}/{job.manifest.id}"]


def test_the_same_scan_again_is_the_same_job(office: Any) -> None:
    """E11, R02: a device that lost our answer asks again, before and after it was sent, and gets one mail."""
    manifest = office.manifest()
    first = office.accept(manifest)
    assert office.accept(manifest).blob == first.blob
    office.deliver(first)
    assert office.accept(manifest).state == "sent"
    assert office.documents() == []
    assert len(office.mails()) == 1


def test_twenty_of_the_same_at_once_are_one_job(office: Any) -> None:
    """E11: one job, one document left, one mail."""
    manifest = office.manifest()
    gate = threading.Barrier(20)

    def accept(_: int) -> str:
        gate.wait()
        return str(office.accept(manifest).blob)

    with ThreadPoolExecutor(20) as pool:
        blobs = set(pool.map(accept, range(20)))
    assert office.documents() == list(blobs)
    for message in office.messages():
        office.rooms.delivery.deliver(message)
    assert len(office.mails()) == 1


def test_the_same_id_with_another_manifest_is_refused(office: Any) -> None:
    """E12: nothing of the job changes, and the second document is not kept."""
    manifest = office.manifest()
    job = office.accept(manifest)
    for change in ("title", "user", "name", "sha256", "locale", "size"):
        with pytest.raises(faults.IdTaken):
            office.accept(replace(manifest, **{change: 1 if change == "size" else "other"}))
    assert office.job(job).manifest == manifest
    assert office.documents() == [job.blob]


def test_an_id_belongs_to_its_device(office: Any) -> None:
    """E02: the same id from another printer is another job."""
    manifest = office.manifest()
    mine = office.accept(manifest)
    theirs = office.rooms.acceptance.accept(office.other, replace(manifest, title="Theirs"), io.BytesIO(DOCUMENT))
    assert mine.blob != theirs.blob
    assert office.job(mine).manifest.title == "Lease"


REFUSED: list[tuple[dict[str, Any], bytes, type[faults.Fault]]] = [
    ({"sha256": "0" * 64}, DOCUMENT, faults.DocumentMismatch),
    ({}, DOCUMENT + b"x", faults.DocumentMismatch),
    ({}, DOCUMENT[:-1], faults.DocumentMismatch),
    ({}, b"", faults.DocumentMismatch),
    ({"type": "image/png"}, DOCUMENT, faults.UnsupportedType),
    ({"kind": "fax"}, DOCUMENT, faults.MailboxNotSignedIn),
    ({"user": "ben"}, DOCUMENT, faults.SignInRequired),
    ({"size": LARGEST_DOCUMENT + 1}, DOCUMENT, faults.TooLarge),
    ({"size": 10**30}, DOCUMENT, faults.TooLarge),
]


def test_what_cannot_be_sent_leaves_nothing_behind(office: Any) -> None:
    """D18, E05, E09, E16: wrong hash, size, content, kind or user: refused, and neither row nor byte is stored."""
    office.decide(hold_hours=0)
    for change, document, leaf in REFUSED:
        with pytest.raises(faults.Fault) as met:
            office.accept(office.manifest(**change), document)
        assert type(met.value) is leaf
    assert nothing_stored(office)


NO_DOCUMENT = (
    b"MZ\x90\x00", b"\x7fELF", b"<!DOCTYPE html>", b"<svg xmlns=", b"PK\x03\x04", b"\x00%PDF-1.7", b" %PDF-1.7",
    b"GIF89a", b"%PDF", b"\xef\xbb\xbf%PDF-", b"\x89PNG\r\r\n", b"II*", b"MM\x00+", b"\xff\xd8", b"",
    b"\x1f\x8b\x08", b"\r\n%PDF-", b"RIFF",
)  # fmt: skip


def test_a_document_is_known_by_its_first_byte_on(office: Any) -> None:
    """E07, E09, E10: executables, markup, archives, polyglots with something before, and half a mark are refused."""
    for head in NO_DOCUMENT:
        document = head + b" " * 100
        assert media_type_of(document) is None
        with pytest.raises(faults.UnsupportedType):
            office.accept(office.manifest(document), document)
    assert nothing_stored(office)


def test_the_four_types_are_taken(office: Any) -> None:
    """E09: PDF, JPEG, PNG and TIFF in both byte orders, where the device says the same."""
    for document, media_type in WHOLE:
        assert office.accept(office.manifest(document, type=media_type), document).state == "accepted"


def test_a_document_that_is_cut_off_or_followed_by_something_is_refused(office: Any) -> None:
    """E07, E09, E10: though size and hash are those of the manifest: nothing truncated, and no polyglot."""
    for document, media_type in WHOLE:
        broken = [document[:7]] if media_type == "image/tiff" else [document.rstrip()[:-1], document + b"PK\x05\x06"]
        for wrong in broken:
            with pytest.raises(faults.UnsupportedType):
                office.accept(office.manifest(wrong, type=media_type), wrong)
    assert nothing_stored(office)


def test_the_limit_is_exact(office: Any) -> None:
    """F12, E05: a document of the limit is sent whole, and one byte more is refused before it is stored."""
    limit = office.rooms.acceptance.largest(office.device)
    document = b"%PDF-" + bytes(limit - 10) + b"%%EOF"
    job = office.accept(office.manifest(document, name="x" * 200, title="y" * 200), document)
    assert office.deliver(job).state == "sent"
    [mail] = office.mails()
    assert hashlib.sha256(mail.attachments[0].content).hexdigest() == job.manifest.sha256
    with pytest.raises(faults.TooLarge) as met:
        office.accept(document=document + b"\n")
    assert met.value.params["limit"] == limit


def test_a_document_is_stored_under_a_name_of_our_own(office: Any) -> None:
    """E04: no text of the device gets into the name."""
    for name in ("../../tokens/x", "%2e%2e%2f", "..\\x", "a\x00b", "x" * 200):
        office.accept(office.manifest(name=name))
    assert all(UUIDS.fullmatch(name) for name in office.documents())


def test_without_consent_nothing_is_taken(office: Any) -> None:
    """E16: an organisation that has withdrawn its consent is told so at once; its limit is 0."""
    office.clock.advance(hours=1)
    office.rooms.organisations.withdraw(CONTOSO)
    assert office.rooms.acceptance.largest(office.device) == 0
    with pytest.raises(faults.ConsentWithdrawn):
        office.accept()
    assert nothing_stored(office)


def test_what_was_cancelled_is_not_sent(office: Any) -> None:
    """A cancelled job has no document and no wake-up, cancelling twice is fine, and its message is dropped."""
    job = office.accept()
    for _ in range(2):
        assert office.rooms.acceptance.cancel(office.device, job.manifest.id).state == "cancelled"
    assert office.documents() == office.due() == []
    assert office.deliver(job).state == "cancelled"
    assert office.mails() == []


def test_what_was_sent_cannot_be_cancelled(office: Any) -> None:
    """The device hears that it is too late, and the job stays sent; another device hears that there is no such job."""
    job = office.accept()
    with pytest.raises(faults.NotFound):
        office.rooms.acceptance.cancel(office.other, job.manifest.id)
    office.deliver(job)
    with pytest.raises(faults.WrongState):
        office.rooms.acceptance.cancel(office.device, job.manifest.id)
    assert office.job(job).state == "sent"


def test_cancel_and_deliver_at_once_have_one_winner(office: Any) -> None:
    """R08: either it is cancelled and no mail exists, or the device hears that it is too late and one does."""
    for _ in range(8):
        job = office.accept()
        before = len(office.mails())
        gate = threading.Barrier(2)

        def cancel(job: Any = job, gate: threading.Barrier = gate) -> bool:
            gate.wait()
            try:
                office.rooms.acceptance.cancel(office.device, job.manifest.id)
            except faults.WrongState:
                return False
            return True

        def deliver(job: Any = job, gate: threading.Barrier = gate) -> None:
            gate.wait()
            office.deliver(job)

        with ThreadPoolExecutor(2) as pool:
            cancelled = pool.submit(cancel)
            pool.submit(deliver).result()
        assert office.job(job).state == ("cancelled" if cancelled.result() else "sent")
        assert len(office.mails()) - before == (0 if cancelled.result() else 1)


def test_the_history_is_whole_newest_first_and_in_pages(office: Any) -> None:
    """45 jobs, many of one millisecond: every one once, newest first; another device has a history of its own."""
    made = []
    for number in range(45):
        made.append(office.accept(office.manifest(title=str(number))).manifest.id)
        if number % 15 == 14:
            office.clock.advance(seconds=1)
    seen: list[str] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        jobs, cursor = office.rooms.jobs.history(office.device.id, cursor, 20)
        seen += [job.manifest.id for job in jobs]
        pages += 1
    assert pages == 3
    assert len(seen) == 45
    assert [set(seen[start : start + 15]) for start in (0, 15, 30)] == [
        set(made[30:]), set(made[15:30]), set(made[:15]),
    ]  # fmt: skip
    assert office.rooms.jobs.history(office.other.id, "", 20) == ([], None)
    assert office.rooms.jobs.get(office.other.id, made[0]) is None
