"""Uploads: an address for one new blob, a commit that checks and pins, and nothing that is left."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import faults
from shared.mail.graph.body import LARGEST_DOCUMENT
from shared.scans.documents import END_BYTES, ends_well, media_type_of
from shared.scans.uploads import ADDRESS_LIFE, AWAITED
from tests.scans.conftest import DOCUMENT, signed_out, upload

PDF = b"%PDF-1.7 the scan\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n pixels \x00\x00\x00\x00IEND\xaeB`\x82"
JPEG = b"\xff\xd8\xff\xe0 pixels \xff\xd9"
TIFF = b"II*\x00\x08\x00\x00\x00 pixels"
BIG_TIFF_ORDER = b"MM\x00*\x00\x00\x00\x08 pixels"
WHOLE = [
    (PDF, "application/pdf"),
    (PNG, "image/png"),
    (JPEG, "image/jpeg"),
    (TIFF, "image/tiff"),
    (BIG_TIFF_ORDER, "image/tiff"),
]


def announce(office: Any, document: bytes = PDF, **changes: Any) -> Any:
    """Announce a scan."""
    return office.rooms.acceptance.announce(office.device, office.manifest(document, **changes))


def commit(office: Any, job: Any) -> Any:
    """Commit it."""
    return office.rooms.uploads.commit(job.device_id, job.manifest.id)


def address(office: Any, job: Any, *, blocks: bool = False) -> Any:
    """Where it goes."""
    return office.rooms.uploads.address(job, blocks=blocks)


def test_announced_uploaded_committed_sent(office: Any) -> None:
    """The life of an upload; its bytes come out as they went in, and nothing is left."""
    job = announce(office)
    assert (job.state, office.documents(), office.messages()) == ("awaiting_upload", [], [])
    assert upload(office, job, PDF).status_code == 201
    assert commit(office, job).state == "accepted"
    assert office.messages() == [f"{job.device_id}/{job.manifest.id}"]
    assert office.deliver(job).state == "sent"
    assert office.mails()[0].attachments[0].content == PDF
    assert office.documents() == office.due() == []


def test_an_address_is_for_one_new_blob_and_ten_minutes(office: Any) -> None:
    """E13: create and nothing else; it cannot read, list, delete, or write over what is there."""
    job = announce(office)
    given_ = address(office, job)
    signed = {name: values[0] for name, values in parse_qs(urlsplit(given_.url).query).items()}
    assert (signed["sp"], signed["sr"]) == ("c", "b")
    assert timedelta() < given_.expires - office.clock() <= ADDRESS_LIFE
    assert signed["se"] == given_.expires.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert upload(office, job, PDF).status_code == 201
    assert upload(office, job, b"%PDF-other").status_code in {403, 409}
    for method in ("GET", "HEAD", "DELETE"):
        assert requests.request(method, given_.url, timeout=10).status_code == 403
    elsewhere = given_.url.replace(job.blob, f"{job.blob}x")
    assert requests.put(elsewhere, b"x", headers=given_.headers, timeout=10).status_code == 403


def test_an_address_ends(office: Any) -> None:
    """E13: after its time storage refuses it, and the same manifest gets another for the same job."""
    office.clock.advance(minutes=-20)
    job = announce(office)
    old = address(office, job)
    assert requests.put(old.url, PDF, headers=old.headers, timeout=10).status_code == 403
    office.clock.advance(minutes=20)
    again = office.rooms.acceptance.announce(office.device, job.manifest)
    assert again.blob == job.blob
    new = address(office, again)
    assert new.expires > old.expires
    assert requests.put(new.url, PDF, headers=new.headers, timeout=10).status_code == 201


def test_in_pieces(office: Any) -> None:
    """Put Block and Put Block List need write, and get it where the device asks; reading stays forbidden."""
    job = announce(office)
    with_blocks = address(office, job, blocks=True)
    pieces = {"MDE=": PDF[:9], "MDI=": PDF[9:]}
    for name, piece in pieces.items():
        only_one = f"{address(office, job).url}&comp=block&blockid={name}"
        assert requests.put(only_one, piece, timeout=10).status_code == 403
        answer = requests.put(f"{with_blocks.url}&comp=block&blockid={name}", piece, timeout=10)
        assert answer.status_code == 201
    blocks = "".join(f"<Latest>{name}</Latest>" for name in pieces)
    listed = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{blocks}</BlockList>'
    whole = requests.put(f"{with_blocks.url}&comp=blocklist", listed, headers={"If-None-Match": "*"}, timeout=10)
    assert whole.status_code == 201
    assert requests.get(with_blocks.url, timeout=10).status_code == 403
    assert requests.get(f"{with_blocks.url}&comp=blocklist", timeout=10).status_code == 403
    assert commit(office, job).state == "accepted"
    assert office.deliver(job).state == "sent"
    assert office.mails()[0].attachments[0].content == PDF


def test_what_is_written_after_the_commit_is_not_sent(office: Any) -> None:
    """E18: the commit pins the bytes; with blocks they can be written over, and then nothing is sent."""
    job = announce(office)
    with_blocks = address(office, job, blocks=True)
    headers = {"x-ms-blob-type": "BlockBlob"}
    assert requests.put(with_blocks.url, PDF, headers=headers, timeout=10).status_code == 201
    commit(office, job)
    assert requests.put(with_blocks.url, PDF[::-1], headers=headers, timeout=10).status_code == 201
    ended = office.deliver(job)
    assert (ended.state, ended.reason) == ("failed", "document_mismatch")
    assert office.mails() == office.documents() == []


def test_another_hash_than_announced_is_not_sent(office: Any) -> None:
    """E18, R50: the commit does not read the whole; delivery does, and sends nothing that has another hash."""
    job = announce(office, PDF, sha256="0" * 64)
    upload(office, job, PDF)
    assert commit(office, job).state == "accepted"
    ended = office.deliver(job)
    assert (ended.state, ended.reason) == ("failed", "document_mismatch")
    assert office.mails() == office.documents() == []


WRONG: list[tuple[bytes, str, type[faults.Fault]]] = [
    (b"", "application/pdf", faults.DocumentMismatch),
    (PDF[:-1], "application/pdf", faults.DocumentMismatch),
    (PDF + b"\n", "application/pdf", faults.DocumentMismatch),
    (b" " + PDF[:-1], "application/pdf", faults.UnsupportedType),
    (b"MZ" + PDF[2:], "application/pdf", faults.UnsupportedType),
    (PNG[: len(PDF)].ljust(len(PDF)), "application/pdf", faults.UnsupportedType),
    (PDF.replace(b"%%EOF", b"PK\5\6!"), "application/pdf", faults.UnsupportedType),
    (b"<script>" + PDF[8:], "application/pdf", faults.UnsupportedType),
]


def test_what_does_not_fit_is_refused_by_name_and_deleted_and_may_come_again(office: Any) -> None:
    """E05, E09, E10, D18: empty, cut off, too long, another type, something before it or behind it."""
    for document, media_type, leaf in WRONG:
        job = announce(office, PDF, type=media_type)
        assert upload(office, job, document).status_code == 201
        with pytest.raises(faults.Fault) as met:
            commit(office, job)
        assert type(met.value) is leaf, document
        assert office.documents() == office.messages() == []
        assert upload(office, job, PDF).status_code == 201
        assert commit(office, job).state == "accepted"
        assert office.rooms.acceptance.cancel(office.device, job.manifest.id).state == "cancelled"
        assert office.messages() == [f"{job.device_id}/{job.manifest.id}"]


def test_nothing_uploaded_is_nothing_to_commit(office: Any) -> None:
    """The device hears that nothing is there; another device hears that there is no such scan."""
    job = announce(office)
    with pytest.raises(faults.NotUploaded):
        commit(office, job)
    with pytest.raises(faults.NotFound):
        office.rooms.uploads.commit(office.other.id, job.manifest.id)
    assert office.job(job).state == "awaiting_upload"


@pytest.mark.parametrize(("document", "media_type"), WHOLE)
def test_whole_documents_of_all_types_are_taken(document: bytes, media_type: str) -> None:
    """E09, E10: padded as scanners pad, or not; with one byte of anything else behind it is refused."""
    for padding in (b"", b"\n", b"\x00" * 500, b"\r\n \t"):
        whole = document + padding
        assert media_type_of(whole) == media_type
        assert ends_well(whole, whole[-END_BYTES:], len(whole), media_type)
    if media_type != "image/tiff":
        for behind in (b"PK\x05\x06", b"<script>", b"\x00x"):
            whole = document + behind
            assert not ends_well(whole, whole[-END_BYTES:], len(whole), media_type)


@pytest.mark.parametrize("offset", [b"\x00\x00\x00\x00", b"\x07\x00\x00\x00", b"\xff\xff\xff\x7f"])
def test_a_tiff_whose_directory_lies_outside_is_cut_off(offset: bytes) -> None:
    """E09: its first directory must lie within it."""
    document = b"II*\x00" + offset + b" pixels"
    assert not ends_well(document, document, len(document), "image/tiff")


@given(st.binary(max_size=64), st.binary(max_size=64), st.integers(0, 10**9))
@settings(deadline=None, max_examples=200)
def test_no_bytes_break_the_look_at_the_ends(head: bytes, tail: bytes, size: int) -> None:
    """E08: whatever a device uploads, the look answers yes or no."""
    for media_type in ("application/pdf", "image/jpeg", "image/png", "image/tiff"):
        assert ends_well(head, tail, size, media_type) in {True, False}


REFUSED: list[tuple[dict[str, Any], type[faults.Fault]]] = [
    ({"kind": "fax"}, faults.MailboxNotSignedIn),
    ({"size": LARGEST_DOCUMENT + 1}, faults.TooLarge),
    ({"size": 10**30}, faults.TooLarge),
    ({"user": "ben"}, faults.SignInRequired),
]


def test_what_cannot_be_sent_is_refused_before_the_upload(office: Any) -> None:
    """E05, E16: nothing is announced, and there is no address."""
    office.decide(hold_hours=0)
    for change, leaf in REFUSED:
        with pytest.raises(faults.Fault) as met:
            announce(office, PDF, **change)
        assert type(met.value) is leaf
    assert list(office.rooms.storage.table("jobs").every()) == []


def test_the_same_again_is_the_same_and_another_is_refused(office: Any) -> None:
    """E11, E12: before the upload, after the commit, after it was sent; never two jobs."""
    job = announce(office)
    assert office.rooms.acceptance.announce(office.device, job.manifest).blob == job.blob
    with pytest.raises(faults.IdTaken):
        office.rooms.acceptance.announce(office.device, replace(job.manifest, title="other"))
    upload(office, job, PDF)
    commit(office, job)
    again = office.rooms.acceptance.announce(office.device, job.manifest)
    assert (again.state, address(office, again)) == ("accepted", None)
    office.deliver(job)
    assert commit(office, job).state == "sent"
    assert office.rooms.acceptance.announce(office.device, job.manifest).state == "sent"
    assert len(office.mails()) == 1
    assert office.due() == []


def test_many_at_once_are_one_job(office: Any) -> None:
    """E11: ten announce and ten commit the same at once: one job, one mail, no entry left."""
    manifest = office.manifest(PDF)
    gate = threading.Barrier(10)

    def announced(_: int) -> str:
        gate.wait()
        return str(office.rooms.acceptance.announce(office.device, manifest).blob)

    def committed(_: int) -> str:
        gate.wait()
        return str(office.rooms.uploads.commit(office.device.id, manifest.id).state)

    with ThreadPoolExecutor(10) as pool:
        [blob] = set(pool.map(announced, range(10)))
        job = office.rooms.jobs.get(office.device.id, manifest.id)
        assert job.blob == blob
        upload(office, job, PDF)
        assert set(pool.map(committed, range(10))) == {"accepted"}
    for message in office.messages():
        office.rooms.delivery.deliver(message)
    assert len(office.mails()) == 1
    assert office.due() == office.documents() == []


def test_a_scan_that_was_announced_may_come_inline_instead(office: Any) -> None:
    """A device that cannot reach storage hands the bytes over here; it is the same job."""
    job = announce(office)
    assert office.accept(job.manifest, PDF).state == "accepted"
    assert office.deliver(job).state == "sent"
    assert office.documents() == office.due() == []
    assert len(office.mails()) == 1


def test_an_upload_that_never_comes_is_cancelled(office: Any) -> None:
    """R03: a day later it is cancelled, nobody is told, and nothing is left; not an hour before."""
    job = announce(office)
    upload(office, job, PDF)
    office.clock.advance(hours=23)
    office.rooms.sweep.run()
    assert office.job(job).state == "awaiting_upload"
    office.clock.advance(hours=1, minutes=1)
    assert timedelta(hours=24) == AWAITED
    assert address(office, job) is None
    office.rooms.sweep.run()
    assert (office.job(job).state, office.job(job).reason) == ("cancelled", None)
    assert office.documents() == office.due() == office.messages() == []
    with pytest.raises(faults.WrongState):
        commit(office, job)


def test_what_is_uploaded_after_the_cancellation_does_not_stay(office: Any) -> None:
    """The address outlives the scan by minutes; what comes by it then is deleted when it has ended."""
    job = announce(office)
    late = address(office, job)
    assert office.rooms.acceptance.cancel(office.device, job.manifest.id).state == "cancelled"
    assert requests.put(late.url, PDF, headers=late.headers, timeout=10).status_code == 201
    with pytest.raises(faults.WrongState):
        commit(office, job)
    office.clock.advance(minutes=12)
    office.rooms.sweep.run()
    assert office.documents() == office.due() == office.messages() == []
    assert office.job(job).state == "cancelled"


def test_a_message_for_an_upload_that_is_awaited_sends_nothing(office: Any) -> None:
    """E14, R05: a forged or early message meets a scan that is not there yet."""
    job = announce(office)
    upload(office, job, PDF)
    assert office.deliver(job).state == "awaiting_upload"
    assert office.mails() == []


def test_commit_and_cancel_at_once_have_one_winner(office: Any) -> None:
    """R08: either it is sent, or it is cancelled and its bytes are gone."""
    for _ in range(6):
        job = announce(office)
        upload(office, job, PDF)
        gate = threading.Barrier(2)
        before = len(office.mails())

        def committed(job: Any = job, gate: threading.Barrier = gate) -> None:
            gate.wait()
            try:
                commit(office, job)
            except (faults.WrongState, faults.NotUploaded):
                return
            office.deliver(job)

        def cancelled(job: Any = job, gate: threading.Barrier = gate) -> None:
            gate.wait()
            try:
                office.rooms.acceptance.cancel(office.device, job.manifest.id)
            except faults.WrongState:
                return

        with ThreadPoolExecutor(2) as pool:
            for done in (pool.submit(committed), pool.submit(cancelled)):
                done.result()
        state = office.job(job).state
        assert state in {"sent", "cancelled"}
        assert len(office.mails()) - before == (1 if state == "sent" else 0)
        assert office.documents() == []


def test_whoever_signed_in_meanwhile_is_sent_his_upload(office: Any) -> None:
    """A scan announced before the sign-in and committed after it goes to the account that is pinned by then."""
    from tests.scans.conftest import CONTOSO, pin

    signed_out(office, "ben")
    job = announce(office, user="ben")
    assert (job.state, job.oid) == ("awaiting_upload", "")
    pin(office.rooms, office.cloud, "ben")
    office.rooms.holds.signed_in(CONTOSO, "office", "ben")
    assert office.job(job).oid == office.cloud.account("contoso/ben").oid
    upload(office, job, PDF)
    assert commit(office, job).state == "accepted"
    assert office.deliver(job).state == "sent"
    assert len(office.mails("contoso/ben")) == 1
    assert office.listed("hold") == office.due() == []


def test_the_hash_is_not_asked_for_at_the_commit(office: Any) -> None:
    """The commit reads both ends only, however large the document: two kilobytes at most."""
    document = b"%PDF-" + bytes(2_900_000) + b"%%EOF"
    job = announce(office, document)
    upload(office, job, document)
    stored = office.rooms.storage.blobs("documents").look(job.blob, END_BYTES)
    assert (len(stored.head), len(stored.tail), stored.size) == (END_BYTES, END_BYTES, len(document))
    assert DOCUMENT[:5] == stored.head[:5]
    assert commit(office, job).state == "accepted"
    assert office.deliver(job).state == "sent"
