"""Graph's drafts and upload sessions: large files, and finding a message again after it was sent."""

import hashlib
from collections.abc import Callable
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
