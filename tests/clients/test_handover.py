"""Scans come to the service whatever the wire does: large ones through real storage, cut, expired and lost."""

import hashlib
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient
from starlette.responses import JSONResponse

from tests.clients.conftest import ENROLMENT, Time
from tests.clients.proxy import failing
from tests.clients.wire import TICKET, DeviceApi, problem, served
from tests.clients.wire_uploads import CONTAINER, UploadApi
from to_my_email import Client, DeviceRefused, Error, Refused, SignInRequired, Temporary

BLOCK = 65_536
SIZE = 10 * BLOCK + 17
Make = Callable[..., Client]
Pdf = Callable[[int], bytes]


class Wire:
    """A service with uploads behind one proxy, storage behind another, and a device before both."""

    def __init__(self, connection: str, make_device: Make, closing: ExitStack) -> None:
        self.service = UploadApi(connection)
        upstream = closing.enter_context(served(self.service.app))
        self.api = closing.enter_context(failing(upstream))
        self.storage = closing.enter_context(failing(self.service.origin))
        self.service.url = f"http://127.0.0.1:{self.api.port}"
        account = self.service.storage_url.rpartition("/")[2]
        self.service.storage_url = f"http://127.0.0.1:{self.storage.port}/{account}"
        self._make = make_device
        self.device = self.started()
        self.device.enrol(TICKET, **ENROLMENT)

    def started(self) -> Client:
        """The device as it is after a start."""
        return self._make(self.service.url, inline_largest=1000, block=BLOCK)


@pytest.fixture
def wire(connection: str, make_device: Make) -> Iterator[Wire]:
    """The whole of it, on storage of its own."""
    with BlobServiceClient.from_connection_string(connection) as blobs:
        if not blobs.get_container_client(CONTAINER).exists():
            blobs.create_container(CONTAINER)
    with ExitStack() as closing:
        yield Wire(connection, make_device, closing)


def scan(device: Client, tmp_path: Path, document: bytes) -> str:
    """Scan a file and return the job's id."""
    path = tmp_path / "scan.pdf"
    path.write_bytes(document)
    return device.scan(path, user="adele").id


def test_large_scan_goes_straight_to_storage(wire: Wire, tmp_path: Path, pdf: Pdf) -> None:
    """Blocks go to the signed address, the commit makes it a job, nothing stays on the device, and progress is told."""
    document, told = pdf(SIZE), list[tuple[int, int]]()
    path = tmp_path / "scan.pdf"
    path.write_bytes(document)
    job = wire.device.scan(path, user="adele", title="Lease", progress=lambda done, total: told.append((done, total)))
    assert job.state == "accepted"
    assert wire.service.documents[job.id] == document
    assert wire.device.waiting() == []
    assert told[-1] == (SIZE, SIZE)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert wire.api.carried < SIZE, "the bytes went through the service"


def test_upload_that_is_cut_again_and_again_comes_through(wire: Wire, tmp_path: Path, pdf: Pdf) -> None:
    """R01: a connection cut after every few blocks costs at most a block each time, and the bytes arrive whole."""
    document = pdf(SIZE)
    wire.storage.cut_after = 3 * BLOCK
    scan_id = scan(wire.device, tmp_path, document)
    assert wire.service.documents[scan_id] == document
    assert wire.storage.carried < 2 * SIZE


def test_upload_goes_on_where_a_power_cut_left_it(wire: Wire, tmp_path: Path, pdf: Pdf) -> None:
    """R01: a device that starts again sends only the blocks that storage does not have."""
    document = pdf(SIZE)
    wire.storage.cut_after, wire.storage.cuts = 6 * BLOCK, 1
    path = tmp_path / "scan.pdf"
    path.write_bytes(document)

    def pull_the_plug(done: int, _: int) -> None:
        if done > 5 * BLOCK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wire.device.scan(path, user="adele", progress=pull_the_plug)
    path.unlink()
    before = wire.storage.carried
    again = wire.started()
    (done,) = again.resume()
    assert done.job is not None
    assert wire.service.documents[done.id] == document
    assert wire.storage.carried - before < 7 * BLOCK
    assert again.waiting() == []


def test_expired_address_is_renewed(wire: Wire, tmp_path: Path, pdf: Pdf) -> None:
    """An address that ran out in the midst is asked for anew, and the blocks that storage has are not sent again."""
    document, seen = pdf(SIZE), list[int]()
    path = tmp_path / "scan.pdf"
    path.write_bytes(document)
    wire.service.sas_life = timedelta(seconds=-5)

    def renewable(done: int, _: int) -> None:
        seen.append(done)
        wire.service.sas_life = timedelta(minutes=10)

    job = wire.device.scan(path, user="adele", progress=renewable)
    assert wire.service.documents[job.id] == document
    assert wire.service.addresses == 2


def test_address_that_never_works_ends(wire: Wire, tmp_path: Path, pdf: Pdf) -> None:
    """A service that gives only dead addresses is asked a few times; the scan stays on the device."""
    wire.service.sas_life = timedelta(seconds=-5)
    with pytest.raises(Temporary, match="upload_refused"):
        scan(wire.device, tmp_path, pdf(SIZE))
    assert wire.service.addresses == 5
    assert len(wire.device.waiting()) == 1


@pytest.mark.parametrize("lost", [b"POST /api/v1/scans HTTP", b"POST /api/v1/scans/", b"POST /api/v1/token", b"PUT /"])
def test_lost_answer_costs_nothing(wire: Wire, tmp_path: Path, pdf: Pdf, lost: bytes) -> None:
    """R02: whichever answer is lost, twice, the scan is one job with the right bytes."""
    document = pdf(SIZE)
    proxy = wire.storage if lost.startswith(b"PUT") else wire.api
    proxy.lose[lost] = 2
    scan_id = scan(wire.device, tmp_path, document)
    assert proxy.lost == 2
    assert list(wire.service.documents.items()) == [(scan_id, document)]


def test_lost_answer_to_the_last_word_to_storage(wire: Wire, tmp_path: Path, pdf: Pdf) -> None:
    """R02: the block list is there although nobody said so; storage's "already there" is taken for a yes."""
    document = pdf(SIZE)
    wire.storage.lose[b"comp=blocklist"] = 2
    scan_id = scan(wire.device, tmp_path, document)
    assert wire.service.documents[scan_id] == document
    assert wire.storage.lost == 2


def test_bytes_that_went_astray_are_uploaded_once_more(wire: Wire, tmp_path: Path, pdf: Pdf) -> None:
    """A commit that finds nothing, or other bytes, has the upload begin anew, once; the second refusal is final."""
    document = pdf(SIZE)
    path = tmp_path / "scan.pdf"
    path.write_bytes(document)

    def commit_says(*reasons: str) -> str:
        scan_id = str(uuid.uuid4())
        for reason in reasons:
            wire.service.refuse("POST", f"scans/{scan_id}/commit", problem(409, reason))
        return scan_id

    kept = commit_says("not_uploaded")
    assert wire.device.scan(path, user="adele", scan_id=kept).state == "accepted"
    assert wire.service.documents[kept] == document
    with pytest.raises(Refused, match="document_mismatch"):
        wire.device.scan(path, user="adele", scan_id=commit_says("not_uploaded", "document_mismatch"))
    assert wire.device.waiting() == []


def test_blocks_that_storage_forgot_are_sent_again(wire: Wire, tmp_path: Path, pdf: Pdf) -> None:
    """Storage drops blocks after a week: what the device remembers is then wrong, and it starts over."""
    document = pdf(SIZE)
    path = tmp_path / "scan.pdf"
    path.write_bytes(document)

    def forget(done: int, _: int) -> None:
        if done > 8 * BLOCK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wire.device.scan(path, user="adele", progress=forget)
    (scan_id,) = wire.device.waiting()
    remembered = wire.device.api.store.spool / scan_id / "blocks.json"
    remembered.write_text(remembered.read_text().replace("[", "[10, ").replace("10, 0", "0, 10"))
    (done,) = wire.started().resume()
    assert wire.service.documents[done.id] == document


def test_service_that_is_away_loses_no_scan(wire: Wire, tmp_path: Path, pdf: Pdf, time: Time) -> None:
    """R56: where the service is away the scan stays on the device, and is handed over when it is back."""
    wire.api.down = True
    document = pdf(500)
    with pytest.raises(Temporary) as away:
        scan(wire.device, tmp_path, document)
    assert (away.value.reason, away.value.code) == ("unreachable", 360)
    assert sum(time.slept) > 30
    assert [each.kept for each in wire.started().resume()] == [True]
    wire.api.down = False
    (done,) = wire.started().resume()
    assert wire.service.documents[done.id] == document


# ---------------------------------------------------------------- what is final, and what is not


def test_refused_scan_is_not_kept(device: Client, service: DeviceApi, tmp_path: Path, pdf: Pdf) -> None:
    """What is final is not asked again, and the document does not stay on the device."""
    service.refuse("POST", "scans", problem(413, "too_large", title="The scan is too large", who="user"))
    with pytest.raises(Refused) as refused:
        scan(device, tmp_path, pdf(900))
    assert (refused.value.reason, service.count("POST", "scans")) == ("too_large", 1)
    assert device.waiting() == []
    assert list(device.api.store.spool.glob("*-*")) == []


def test_sign_in_that_is_missing_is_an_error_of_its_own(
    device: Client, service: DeviceApi, tmp_path: Path, pdf: Pdf
) -> None:
    """A device can tell "sign in first" (370) from every other refusal."""
    service.refuse("POST", "scans", problem(403, "sign_in_required", code=370, who="user"))
    with pytest.raises(SignInRequired) as refused:
        scan(device, tmp_path, pdf(900))
    assert refused.value.code == 370


def test_device_that_is_not_let_in_keeps_its_scans(
    device: Client, service: DeviceApi, tmp_path: Path, pdf: Pdf
) -> None:
    """D10: a device that waits for approval keeps the scan: it is not the document that was refused."""
    service.refuse("POST", "scans", problem(403, "device_pending", who="admin"))
    with pytest.raises(DeviceRefused):
        scan(device, tmp_path, pdf(900))
    (done,) = device.resume()
    assert done.job is not None


def test_one_scans_trouble_does_not_hold_up_the_others(
    device: Client, service: DeviceApi, tmp_path: Path, pdf: Pdf
) -> None:
    """A scan at which the service stumbles every time does not block those behind it."""
    service.refuse("POST", "scans", problem(403, "device_pending"))
    with pytest.raises(DeviceRefused):
        scan(device, tmp_path, pdf(900))
    service.refuse("POST", "scans", problem(403, "device_pending"))
    with pytest.raises(DeviceRefused):
        scan(device, tmp_path, pdf(901))
    first, second = device.waiting()
    service.stumble.add(first)
    done = device.resume()
    assert [(each.id, each.kept) for each in done] == [(first, True), (second, False)]


def test_answer_of_a_network_page_keeps_the_scan(device: Client, service: DeviceApi, tmp_path: Path, pdf: Pdf) -> None:
    """A hotel's sign-in page in between is not the service's word: the scan is kept."""
    service.refuse("POST", "scans", JSONResponse({"hello": "please pay"}, 200))
    with pytest.raises(Temporary, match="unexpected_answer"):
        scan(device, tmp_path, pdf(900))
    assert len(device.waiting()) == 1


def test_scan_without_a_service_can_be_cancelled(wire: Wire, tmp_path: Path, pdf: Pdf) -> None:
    """Cancelled while the service is away: its bytes go at once, and the service hears of it once it is back."""
    wire.api.lose[b"POST /api/v1/scans HTTP"] = 1_000
    with pytest.raises(Temporary):
        scan(wire.device, tmp_path, pdf(500))
    (scan_id,) = wire.device.waiting()
    assert wire.service.scans[scan_id]["state"] == "accepted", "the answers were lost, the scan was not"
    wire.api.down = True
    with pytest.raises(Temporary):
        wire.device.cancel(scan_id)
    assert wire.device.waiting() == []
    assert not (wire.device.api.store.spool / scan_id / "document").exists()
    wire.api.down = False
    assert wire.device.resume() == []
    assert wire.service.scans[scan_id]["state"] == "cancelled"
    assert list(wire.device.api.store.spool.glob("*-*")) == []


def test_document_never_goes_out_in_the_clear(device: Client, service: DeviceApi, tmp_path: Path, pdf: Pdf) -> None:
    """An upload address without TLS on another machine is not used (E13)."""
    for address in ("http://storage.example/x?sig=1", "ftp://127.0.0.1/x", "file:///etc", "", "https:///x"):
        answer = service.new_scan({"id": "0", "kind": "to_my_email"}) | {"upload": {"url": address, "method": "PUT"}}
        service.refuse("POST", "scans", JSONResponse(answer, 201))
        with pytest.raises(Temporary, match="unexpected_answer"):
            device.scan(_written(tmp_path, pdf(5_000_000)), user="adele")


def test_no_secret_is_in_what_goes_wrong(
    wire: Wire, tmp_path: Path, pdf: Pdf, caplog: pytest.LogCaptureFixture
) -> None:
    """G: neither error nor log holds an upload's signature, an address, a token, a title or a file's name."""
    caplog.set_level("INFO", "to_my_email")
    wire.service.storage_url = "http://127.0.0.1:1/account"  # refused: then requests quotes the whole URL
    path = tmp_path / "salaries of 2026.pdf"
    path.write_bytes(pdf(SIZE))
    with pytest.raises(Error) as away:
        wire.device.scan(path, user="adele", title="Quite private")
    error = away.value
    said = f"{error!r} {error} {error.__cause__} {error.__context__} {error.as_json()} {caplog.text}"
    token, _ = wire.device.api.connection.tokens.token()
    for secret in ("sig=", "salaries", "Quite private", "adele", token, wire.service.storage_url):
        assert secret not in said
    assert "asking again" in caplog.text


def _written(tmp_path: Path, document: bytes) -> Path:
    path = tmp_path / f"{hashlib.sha256(document).hexdigest()[:8]}.pdf"
    path.write_bytes(document)
    return path
