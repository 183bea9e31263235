"""Graph's drafts and upload sessions: large files, and finding a message again after it was sent."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests

from local.microsoft.uploads import LARGEST_CHUNK, SMALLEST_UPLOAD

from .conftest import GRAPH, MAIL_SEND, Microsoft

_BEN = "ben.okoye@contoso.example"
_PROPERTY = "String {66f5a359-4659-4830-9070-00047ec6ac6e} Name ScanJobId"
_IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}


@pytest.fixture
def call(microsoft: Microsoft) -> Callable[..., requests.Response]:
    """Call Graph as Ben, whose tenant has consented to Mail.ReadWrite."""
    microsoft.consented("Mail.Send", "Mail.ReadWrite")
    token = microsoft.sign_in("contoso/ben", scopes=(MAIL_SEND, f"{GRAPH}/Mail.ReadWrite"))["access_token"]

    def ask(method: str, path: str, **given: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} | given.pop("headers", {})
        url = f"{microsoft.base}/v1.0/me/messages{path}"
        return microsoft.session.request(method, url, headers=headers, timeout=20, **given)

    return ask


def _draft(call: Callable[..., requests.Response], **headers: str) -> dict[str, Any]:
    message = {
        "subject": "Scan",
        "toRecipients": [{"emailAddress": {"address": _BEN}}],
        "singleValueExtendedProperties": [{"id": _PROPERTY, "value": "job-1"}],
    }
    answer = call("POST", "", json=message, headers=headers)
    assert answer.status_code == 201
    return dict(answer.json())


def _session(call: Callable[..., requests.Response], draft: str, size: int) -> requests.Response:
    item = {"AttachmentItem": {"attachmentType": "file", "name": "scan.pdf", "size": size}}
    return call("POST", f"/{draft}/attachments/createUploadSession", json=item)


def test_a_large_file_travels_in_pieces(microsoft: Microsoft, call: Callable[..., requests.Response]) -> None:
    """A file above 3 MiB is uploaded in order, in pieces without a token, and arrives whole."""
    content = bytes(range(251)) * 25_000
    draft = _draft(call)
    url = _session(call, draft["id"], len(content)).json()["uploadUrl"]
    starts = range(0, len(content), LARGEST_CHUNK)
    answers = []
    for start in starts:
        piece = content[start : start + LARGEST_CHUNK]
        given = {"Content-Range": f"bytes {start}-{start + len(piece) - 1}/{len(content)}"}
        answers.append(microsoft.session.put(url, data=piece, headers=given, timeout=20))
    assert [answer.status_code for answer in answers] == [200, 201]
    assert answers[0].json()["nextExpectedRanges"] == [f"{LARGEST_CHUNK}-"]
    assert call("POST", f"/{draft['id']}/send").status_code == 202
    (message,) = microsoft.get(f"/-/mailboxes/{_BEN}").json()["messages"]
    assert message["attachments"][0]["sha256"] == hashlib.sha256(content).hexdigest()


def test_an_upload_refuses_what_does_not_fit(microsoft: Microsoft, call: Callable[..., requests.Response]) -> None:
    """Out of order, with a token, of a wrong length or after a cancel, a piece is not taken."""
    draft = _draft(call)
    url = _session(call, draft["id"], SMALLEST_UPLOAD).json()["uploadUrl"]

    def put(span: str, data: bytes, **headers: str) -> int:
        given = {"Content-Range": f"bytes {span}/{SMALLEST_UPLOAD}"} | headers
        return microsoft.session.put(url, data=data, headers=given, timeout=20).status_code

    assert put("5-9", b"12345") == 416
    assert put("0-9", b"12345") == 400
    assert put("0-4", b"12345", Authorization="Bearer x") == 401
    assert put("0-4", b"12345") == 200
    assert microsoft.session.delete(url, timeout=20).status_code == 204
    assert put("5-9", b"12345") == 404


@pytest.mark.parametrize(
    ("size", "status", "code"),
    [
        (SMALLEST_UPLOAD - 1, 400, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize"),
        (35 * 1024 * 1024, 413, "ErrorMessageSizeExceeded"),
    ],
)
def test_an_upload_has_limits(call: Callable[..., requests.Response], size: int, status: int, code: str) -> None:
    """Too small for a session and too large for the mailbox are refused before the first byte."""
    answer = _session(call, _draft(call)["id"], size)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_an_immutable_id_finds_the_sent_message(call: Callable[..., requests.Response]) -> None:
    """After sending, the immutable id answers "no draft any more"; the ordinary one is gone."""
    draft = _draft(call, **_IMMUTABLE)
    ordinary = call("GET", f"/{draft['id']}").json()["id"]
    assert call("GET", f"/{draft['id']}", headers=_IMMUTABLE).json()["isDraft"] is True
    assert call("POST", f"/{draft['id']}/send").status_code == 202
    sent = call("GET", f"/{draft['id']}", headers=_IMMUTABLE).json()
    assert (sent["isDraft"], sent["parentFolderId"]) == (False, "sentitems")
    assert call("GET", f"/{ordinary}").json()["error"]["code"] == "ErrorItemNotFound"
    assert call("POST", f"/{draft['id']}/send").status_code == 403


def test_a_message_is_found_by_its_own_property(call: Callable[..., requests.Response]) -> None:
    """The extended property that a draft was made with finds it, before and after it was sent."""
    draft = _draft(call, **_IMMUTABLE)
    asked = f"singleValueExtendedProperties/Any(ep: ep/id eq '{_PROPERTY}' and ep/value eq 'job-1')"
    for is_draft in (True, False):
        (found,) = call("GET", "", params={"$filter": asked}, headers=_IMMUTABLE).json()["value"]
        assert (found["id"], found["isDraft"]) == (draft["id"], is_draft)
        call("POST", f"/{draft['id']}/send")
    assert call("GET", "", params={"$filter": asked.replace("job-1", "job-2")}).json()["value"] == []


def test_an_unsent_draft_can_be_removed(call: Callable[..., requests.Response]) -> None:
    """A draft that is deleted is gone."""
    draft = _draft(call)["id"]
    assert call("DELETE", f"/{draft}").status_code == 204
    assert call("GET", f"/{draft}").status_code == 404


def test_drafts_are_ones_own_and_need_the_permission(
    microsoft: Microsoft, call: Callable[..., requests.Response]
) -> None:
    """Another account does not find the draft, and Mail.Send alone does not open it."""
    draft = _draft(call)["id"]
    olga = microsoft.sign_in("contoso/olga", scopes=(MAIL_SEND,))["access_token"]
    headers = {"Authorization": f"Bearer {olga}"}
    assert microsoft.get(f"/v1.0/me/messages/{draft}", headers=headers).status_code == 404
    microsoft.cloud.withdraw_consent("contoso")
    microsoft.consented("Mail.Send")
    only_send = microsoft.sign_in("contoso/ben", scopes=(MAIL_SEND,))["access_token"]
    answer = microsoft.get(f"/v1.0/me/messages/{draft}", headers={"Authorization": f"Bearer {only_send}"})
    assert answer.json()["error"]["code"] == "ErrorAccessDenied"


@pytest.mark.parametrize("where", ["messages", "createUploadSession", "send"])
def test_faults_reach_drafts_too(microsoft: Microsoft, call: Callable[..., requests.Response], where: str) -> None:
    """Each step of a large mail can fail on its own; an answer lost after sending leaves the mail sent."""
    draft = _draft(call, **_IMMUTABLE)["id"]
    microsoft.switchboard.add(where, "gateway_timeout_after_applying")
    steps = {
        "messages": lambda: call("GET", f"/{draft}"),
        "createUploadSession": lambda: _session(call, draft, SMALLEST_UPLOAD),
        "send": lambda: call("POST", f"/{draft}/send"),
    }
    assert steps[where]().status_code == 504
    assert call("GET", f"/{draft}", headers=_IMMUTABLE).json()["isDraft"] is (where != "send")


def test_an_upload_has_a_host_of_its_own_and_says_how_far_it_is(
    microsoft: Microsoft, call: Callable[..., requests.Response]
) -> None:
    """The URL is not Graph's, and answers which range it waits for until it expires."""
    url = _session(call, _draft(call)["id"], SMALLEST_UPLOAD).json()["uploadUrl"]
    assert not url.startswith(microsoft.base)
    piece = bytes(320 * 1024)
    given = {"Content-Range": f"bytes 0-{len(piece) - 1}/{SMALLEST_UPLOAD}"}
    assert microsoft.session.put(url, data=piece, headers=given, timeout=20).status_code == 200
    assert microsoft.session.get(url, timeout=20).json()["nextExpectedRanges"] == [f"{len(piece)}-"]
    microsoft.clock.advance(hours=2)
    assert microsoft.session.get(url, timeout=20).status_code == 404


@pytest.mark.parametrize("hides", [False, True])
def test_sent_items_can_lag(microsoft: Microsoft, call: Callable[..., requests.Response], hides: bool) -> None:
    """For a while the sent message still looks like a draft, and would be sent again; or is not to be seen."""
    microsoft.cloud.mailboxes.sent_lag = timedelta(minutes=2)
    microsoft.cloud.mailboxes.lag_hides = hides
    draft = _draft(call, **_IMMUTABLE)["id"]
    assert call("POST", f"/{draft}/send").status_code == 202
    asked = f"singleValueExtendedProperties/Any(ep: ep/id eq '{_PROPERTY}' and ep/value eq 'job-1')"
    found = call("GET", "", params={"$filter": asked}).json()["value"]
    if hides:
        assert found == []
        assert call("GET", f"/{draft}", headers=_IMMUTABLE).status_code == 404
    else:
        assert found[0]["isDraft"] is True
        assert call("POST", f"/{draft}/send").status_code == 202
        assert len(microsoft.cloud.mailboxes.inbox("contoso/ben")) == 2
    microsoft.clock.advance(minutes=3)
    assert call("GET", f"/{draft}", headers=_IMMUTABLE).json()["isDraft"] is False


def test_the_index_can_lag(microsoft: Microsoft, call: Callable[..., requests.Response]) -> None:
    """A fresh draft is found by its id at once, and by its property a little later."""
    microsoft.cloud.mailboxes.index_lag = timedelta(seconds=30)
    draft = _draft(call, **_IMMUTABLE)["id"]
    asked = {"$filter": f"singleValueExtendedProperties/Any(ep: ep/id eq '{_PROPERTY}' and ep/value eq 'job-1')"}
    assert call("GET", f"/{draft}", headers=_IMMUTABLE).status_code == 200
    assert call("GET", "", params=asked).json()["value"] == []
    microsoft.clock.advance(seconds=30)
    assert len(call("GET", "", params=asked).json()["value"]) == 1


def test_a_mailbox_takes_150_megabytes_in_five_minutes(
    microsoft: Microsoft, call: Callable[..., requests.Response]
) -> None:
    """Beyond that 429, with the time after which there is room again."""
    server_limit = 150 * 1024 * 1024
    draft = _draft(call)["id"]
    file = {"@odata.type": "#microsoft.graph.fileAttachment", "name": "a", "contentBytes": "A" * 4_000_000}
    answers = [call("POST", f"/{draft}/attachments", json=file) for _ in range(40)]
    statuses = [answer.status_code for answer in answers]
    taken = server_limit // 4_000_100
    # The mailbox's own limit comes first for one draft; what was sent counts all the same.
    assert 429 not in statuses[:taken]
    assert statuses[-1] == 429
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 301
    microsoft.clock.advance(minutes=6)
    assert call("POST", f"/{_draft(call)['id']}/attachments", json=file).status_code == 201


def test_attachments_are_listed_and_removed(call: Callable[..., requests.Response]) -> None:
    """With a size that counts Exchange's own bytes, too; a sent message is no draft any more."""
    draft = _draft(call, **_IMMUTABLE)["id"]
    file = {"@odata.type": "#microsoft.graph.fileAttachment", "name": "a", "contentBytes": "AAAA"}
    ids = [call("POST", f"/{draft}/attachments", json=file).json()["id"] for _ in range(2)]
    assert call("DELETE", f"/{draft}/attachments/{ids[0]}").status_code == 204
    assert call("DELETE", f"/{draft}/attachments/{ids[0]}").status_code == 404
    (left,) = call("GET", f"/{draft}/attachments").json()["value"]
    assert left["id"] == ids[1]
    assert left["size"] > 3
    call("POST", f"/{draft}/send")
    assert call("POST", f"/{draft}/attachments", json=file).status_code == 400
