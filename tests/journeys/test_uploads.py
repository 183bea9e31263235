"""Documents of any size through an address in storage to the commit, over HTTP as a printer speaks it."""

import json
import secrets
import uuid
from dataclasses import replace
from typing import Any

import pytest
import requests

from shared.organisations import Policy

CONTOSO = "11111111-1111-4111-8111-111111111111"


def pdf(size: int) -> bytes:
    """A document of exactly that size that begins and ends as a PDF does."""
    return b"%PDF-1.7\n" + secrets.token_bytes(size - 16) + b"\n%%EOF\n"


def api(world: Any, printer: Any, method: str, path: str, body: Any = None) -> requests.Response:
    """One call of the printer's."""
    headers = {"Authorization": f"Bearer {printer.connection.tokens.token()[0]}", "Accept-Language": "en"}
    return requests.request(method, f"{world.url}/api/v1{path}", json=body, headers=headers, timeout=30)


@pytest.fixture
def printer(world: Any) -> Any:
    """A printer of an organisation whose range takes large scans, where Adele has signed in."""
    world.consent()
    printer = world.printer()
    world.sign_in(printer)
    return printer


def largest(world: Any, printer: Any) -> int:
    """What the organisation's range can send now, as the printer is told."""
    return int(api(world, printer, "GET", "/device").json()["policy"]["largest_document"])


@pytest.mark.parametrize("size", [50_000, 2_900_000, 3_100_000, 24_000_000])
def test_a_document_of_any_size(world: Any, printer: Any, size: int) -> None:
    """E05: what the range can send now goes up and is accepted, whole; what it cannot is refused before the upload."""
    document = pdf(size)
    manifest = world.manifest(document)
    answer = api(world, printer, "POST", "/scans", manifest)
    if size > largest(world, printer):
        assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")
        assert world.rows("jobs") == []
        return
    assert answer.status_code == 201
    announced = answer.json()
    assert (announced["state"], announced["upload"]["method"]) == ("awaiting_upload", "PUT")
    assert answer.headers["Cache-Control"] == "no-store"
    upload = announced["upload"]
    assert requests.put(upload["url"], document, headers=upload["headers"], timeout=60).status_code == 201
    committed = api(world, printer, "POST", f"/scans/{manifest['id']}/commit")
    assert (committed.status_code, committed.json()["state"]) == (202, "accepted")
    [job] = [row for row in world.rows("jobs") if row["RowKey"].startswith("job|")]
    stored = world.rooms.storage.blobs("documents").read(job["blob"], job["etag"])
    assert b"".join(stored) == document
    if size <= 3_000_000:
        assert world.deliver() == 1
        assert printer.scan(manifest["id"]).state == "sent"


def test_every_state_of_an_upload_can_be_seen_and_cancelled(world: Any, printer: Any) -> None:
    """GET, history and DELETE know the states; foreign and unknown ids are the same 404 (E01, E02)."""
    document = pdf(1000)
    manifest = world.manifest(document)
    first = api(world, printer, "POST", "/scans", manifest).json()
    again = api(world, printer, "POST", "/scans", {**manifest, "upload": {"blocks": True}}).json()
    assert (first["id"], first["created_at"]) == (again["id"], again["created_at"])
    assert "sp=c&" in first["upload"]["url"]
    assert "sp=cw&" in again["upload"]["url"]
    early = api(world, printer, "POST", f"/scans/{manifest['id']}/commit")
    assert (early.status_code, early.json()["reason"]) == (409, "not_uploaded")
    assert printer.scan(manifest["id"]).state == "awaiting_upload"
    assert [scan.state for scan in printer.history()[0]] == ["awaiting_upload"]
    stranger = world.printer()
    for scan_id in (manifest["id"], str(uuid.uuid4()), "x"):
        for method, path in (("POST", f"/scans/{scan_id}/commit"), ("DELETE", f"/scans/{scan_id}")):
            assert api(world, stranger, method, path).status_code == 404
    assert api(world, printer, "DELETE", f"/scans/{manifest['id']}").json()["state"] == "cancelled"
    late = api(world, printer, "POST", f"/scans/{manifest['id']}/commit")
    assert (late.status_code, late.json()["reason"]) == (409, "wrong_state")
    gone = api(world, printer, "POST", "/scans", manifest)
    assert (gone.status_code, gone.json()["state"]) == (202, "cancelled")
    assert "upload" not in gone.json()


def test_the_address_is_nowhere_else(world: Any, printer: Any, caplog: pytest.LogCaptureFixture) -> None:
    """G13: the signed address is in its answer alone: in no row, no log, no later answer, no header of a page."""
    manifest = world.manifest(pdf(1000))
    with caplog.at_level("DEBUG", logger="shared"):
        url = api(world, printer, "POST", "/scans", manifest).json()["upload"]["url"]
    signature = url.partition("sig=")[2].partition("&")[0]
    host = url.split("/")[2]
    assert signature
    assert signature not in caplog.text
    assert signature not in repr(world.rows("jobs"))
    assert host not in json.dumps(api(world, printer, "GET", f"/scans/{manifest['id']}").json())
    assert host not in repr(requests.get(world.url, timeout=10).headers)


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"kind": "fax"}, 422, "invalid_request"),
        ({"user": None}, 422, "invalid_request"),
        ({"canary": 1}, 422, "invalid_request"),
        ({"upload": {"blocks": "yes"}}, 422, "invalid_request"),
        ({"upload": {"read": True}}, 422, "invalid_request"),
        ({"user": "ben"}, 403, "sign_in_required"),
    ],
)
def test_what_can_be_refused_is_refused_at_once(
    world: Any, printer: Any, change: dict[str, Any], status: int, reason: str
) -> None:
    """E16: before anything is uploaded, by name, and nothing is stored."""
    world.rooms.organisations.set_policy(CONTOSO, replace(Policy(), hold_hours=0))
    answer = api(world, printer, "POST", "/scans", {**world.manifest(pdf(1000)), **change})
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert world.rows("jobs") == []


def test_a_manifest_is_a_small_thing(world: Any, printer: Any) -> None:
    """E05: JSON larger than a manifest can be is refused, and so is what is neither JSON nor multipart."""
    large = {**world.manifest(pdf(1000)), "title": "x" * 100_000}
    assert api(world, printer, "POST", "/scans", large).json()["reason"] == "body_too_large"
    headers = {"Authorization": f"Bearer {printer.connection.tokens.token()[0]}", "Content-Type": "text/plain"}
    answer = requests.post(f"{world.url}/api/v1/scans", b"{}", headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["reason"]) == (415, "unsupported_media_type")


def test_announcements_are_counted_like_scans(world: Any, printer: Any) -> None:
    """E06: whoever announces counts towards the same limit of scans as who hands over at once."""
    document = pdf(1000)

    def uses() -> int:
        return sum(row.get("scans", 0) for row in world.rows("assertions"))

    manifest = world.manifest(document)
    assert uses() == 0
    for count in (1, 2):
        assert api(world, printer, "POST", "/scans", manifest).status_code == 201
        # Of the printer, of the person, of the organisation.
        assert uses() == 3 * count


def test_the_description_says_both_ways(world: Any) -> None:
    """OpenAPI: 201 for JSON and 202 for multipart."""
    document = requests.get(f"{world.url}/api/v1/openapi.json", timeout=10).json()
    post = document["paths"]["/api/v1/scans"]["post"]
    assert set(post["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    assert post["responses"]["201"]["content"]["application/json"]["schema"]["$ref"].endswith("/ScanAnnounced")
    assert post["responses"]["202"]["content"]["application/json"]["schema"]["$ref"].endswith("/ScanState")
    assert "202" in document["paths"]["/api/v1/scans/{id}/commit"]["post"]["responses"]
