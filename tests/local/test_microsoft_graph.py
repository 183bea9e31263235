"""Microsoft Graph's /me and /me/sendMail, and what arrives in the mailboxes."""

import base64
import hashlib
import json
from email.message import EmailMessage
from typing import Any

import pytest

from local.microsoft.graph import REQUEST_LIMIT

from .conftest import CONTOSO, MAIL_SEND, USER_READ, Microsoft

_BEN = "ben.okoye@contoso.example"
_ADELE = "adele.vance@contoso.example"


@pytest.fixture
def token(microsoft: Microsoft) -> str:
    """Ben's access token for Graph."""
    return _token(microsoft, "contoso/ben")


def _token(microsoft: Microsoft, account: str, tenant: str = CONTOSO) -> str:
    microsoft.consented("Mail.Send", "User.Read")
    return str(microsoft.sign_in(account, tenant)["access_token"])


def _message(**fields: Any) -> dict[str, Any]:
    return {
        "subject": "Скан from the 2nd floor",
        "body": {"contentType": "Text", "content": "Your scan."},
        "toRecipients": [{"emailAddress": {"address": _BEN}}],
    } | fields


def _mailbox(microsoft: Microsoft, address: str) -> dict[str, Any]:
    return dict(microsoft.get(f"/-/mailboxes/{address}").json())


def _code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_me_answers_who_the_token_is_for(microsoft: Microsoft) -> None:
    """/me answers the object id and mail address; $select narrows it and unknown properties are refused."""
    headers = {"Authorization": f"Bearer {_token(microsoft, 'contoso/adele')}"}
    whole = microsoft.get("/v1.0/me", headers=headers).json()
    assert whole["displayName"] == "Adele Vance"
    narrow = microsoft.get("/v1.0/me?$select=id,mail,userPrincipalName", headers=headers).json()
    del narrow["@odata.context"]
    assert narrow == {
        "id": microsoft.cloud.account("contoso/adele").oid,
        "mail": _ADELE,
        "userPrincipalName": "adele@contoso.onmicrosoft.com",
    }
    assert _code(microsoft.get("/v1.0/me?$select=shoeSize", headers=headers)) == (400, "BadRequest")


def test_every_answer_can_be_traced(microsoft: Microsoft, token: str) -> None:
    """Success and error carry request-id, Date and the caller's client-request-id."""
    ours = "0f8fad5b-d9cb-469f-a165-70867728950e"
    for given in (token, "wrong"):
        answer = microsoft.get("/v1.0/me", headers={"Authorization": f"Bearer {given}", "client-request-id": ours})
        assert answer.headers["client-request-id"] == ours
        assert answer.headers["request-id"]
        assert answer.headers["Date"]


def test_a_mail_to_myself_arrives_once(microsoft: Microsoft, token: str) -> None:
    """SendMail answers 202 without a body; the mail lies in the Inbox and in Sent Items, its file whole."""
    content = bytes(range(256)) * 40
    attachment = {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": "Скан.pdf",
        "contentType": "application/pdf",
        "contentBytes": base64.b64encode(content).decode(),
    }
    headers = [{"name": "x-scan-job-id", "value": "the job"}]
    answer = microsoft.send(token, _message(attachments=[attachment], internetMessageHeaders=headers))
    assert (answer.status_code, answer.content) == (202, b"")
    box = _mailbox(microsoft, _BEN)
    (message,) = box["messages"]
    assert (message["from"], message["to"], message["subject"]) == (_BEN, [_BEN], "Скан from the 2nd floor")
    assert ["x-scan-job-id", "the job"] in message["headers"]
    assert message["message_id"]
    assert message["attachments"] == [
        {
            "name": "Скан.pdf",
            "type": "application/pdf",
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    ]
    assert len(box["sent"]) == 1
    download = microsoft.get(f"/-/mailboxes/{_BEN}/inbox/0/attachments/0")
    assert download.content == content
    assert download.headers["Content-Disposition"].startswith("attachment;")


def test_sent_items_can_be_spared(microsoft: Microsoft, token: str) -> None:
    """saveToSentItems=false delivers without a copy."""
    body = {"message": _message(), "saveToSentItems": False}
    headers = {"Authorization": f"Bearer {token}"}
    assert microsoft.post("/v1.0/me/sendMail", json=body, headers=headers).status_code == 202
    box = _mailbox(microsoft, _BEN)
    assert (len(box["messages"]), len(box["sent"])) == (1, 0)


def test_mail_for_elsewhere_is_counted(microsoft: Microsoft, token: str) -> None:
    """A recipient in another tenant here gets it; one that nobody here has is noted as external."""
    to = [{"emailAddress": {"address": address}} for address in ("ben@fabrikam.example", "someone@example.org")]
    assert microsoft.send(token, _message(toRecipients=to)).status_code == 202
    assert len(_mailbox(microsoft, "ben@fabrikam.example")["messages"]) == 1
    assert microsoft.cloud.mailboxes.external == ["someone@example.org"]


def _mime(microsoft: Microsoft, token: str, content: bytes) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
    return microsoft.post("/v1.0/me/sendMail", data=content, headers=headers)


def test_mime_is_sent_as_base64(microsoft: Microsoft, token: str) -> None:
    """A base64 MIME body is delivered with its own Message-ID, text and attachment."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = _BEN, _BEN, "Ein Scan für dich"
    mail["Message-ID"] = "<job-1@scans.example>"
    mail.set_content("Your scan.\n")
    mail.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="scan.pdf")
    assert _mime(microsoft, token, base64.b64encode(mail.as_bytes())).status_code == 202
    (message,) = _mailbox(microsoft, _BEN)["messages"]
    assert message["subject"] == "Ein Scan für dich"
    assert message["message_id"] == "<job-1@scans.example>"
    assert message["body"] == "Your scan.\n"
    assert message["attachments"][0]["sha256"] == hashlib.sha256(b"%PDF-1.7").hexdigest()


def test_mime_that_is_not_base64_is_refused(microsoft: Microsoft, token: str) -> None:
    """Raw MIME instead of base64 answers ErrorMimeContentInvalidBase64String."""
    assert _code(_mime(microsoft, token, b"From: me")) == (400, "ErrorMimeContentInvalidBase64String")


def test_four_mebibytes_are_the_limit(microsoft: Microsoft, token: str) -> None:
    """A request of exactly 4 MiB is taken; one byte more answers 413 with Graph's error JSON."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    frame = len(json.dumps({"message": _message(body={"contentType": "Text", "content": ""})}))
    for extra, status in ((0, 202), (1, 413)):
        text = "x" * (REQUEST_LIMIT - frame + extra)
        body = json.dumps({"message": _message(body={"contentType": "Text", "content": text})}).encode()
        assert len(body) == REQUEST_LIMIT + extra
        answer = microsoft.post("/v1.0/me/sendMail", data=body, headers=headers)
        assert answer.status_code == status
    assert answer.json()["error"]["code"] == "BadRequest"
    assert {"date", "request-id", "client-request-id"} <= set(answer.json()["error"]["innerError"])
    assert len(_mailbox(microsoft, _BEN)["messages"]) == 1


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"from": {"emailAddress": {"address": _ADELE}}}, 403, "ErrorSendAsDenied"),
        ({"toRecipients": []}, 400, "ErrorInvalidRecipients"),
        ({"internetMessageHeaders": [{"name": "Received", "value": "x"}]}, 400, "InvalidInternetMessageHeader"),
        ({"attachments": [{"name": "no type"}]}, 400, "UnableToDeserializePostBody"),
        ({"toRecipients": "me"}, 400, "UnableToDeserializePostBody"),
    ],
)
def test_a_bad_message_is_refused(
    microsoft: Microsoft, token: str, fields: dict[str, Any], status: int, code: str
) -> None:
    """Another's address, no recipient, a reserved header and a malformed body are refused, nothing is sent."""
    assert _code(microsoft.send(token, _message(**fields))) == (status, code)
    assert _mailbox(microsoft, _BEN) == {"address": _BEN, "messages": [], "sent": []}


def test_the_content_type_decides(microsoft: Microsoft, token: str) -> None:
    """SendMail reads JSON and text/plain, nothing else."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "message/rfc822"}
    assert _code(microsoft.post("/v1.0/me/sendMail", data=b"x", headers=headers)) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize("account", ["contoso/nomailbox", "fabrikam/gina"])
def test_who_has_no_mailbox_cannot_send(microsoft: Microsoft, account: str) -> None:
    """An account without a mailbox, a guest too, answers MailboxNotEnabledForRESTAPI."""
    answer = microsoft.send(_token(microsoft, account), _message())
    assert _code(answer) == (404, "MailboxNotEnabledForRESTAPI")


def test_a_full_mailbox_sends_nothing(microsoft: Microsoft, token: str) -> None:
    """A full mailbox answers ErrorQuotaExceeded until there is room again."""
    microsoft.cloud.change_account("contoso/ben", mailbox_full=True)
    assert _code(microsoft.send(token, _message()))[1] == "ErrorQuotaExceeded"
    microsoft.cloud.change_account("contoso/ben", mailbox_full=False)
    assert microsoft.send(token, _message()).status_code == 202


def test_a_token_expires(microsoft: Microsoft, token: str) -> None:
    """After its time, or when it is expired by hand, a token answers 401 with a challenge."""
    headers = {"Authorization": f"Bearer {token}"}
    microsoft.clock.advance(minutes=91)
    answer = microsoft.get("/v1.0/me", headers=headers)
    assert _code(answer) == (401, "InvalidAuthenticationToken")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    fresh = _token(microsoft, "contoso/ben")
    assert microsoft.get("/v1.0/me", headers={"Authorization": f"Bearer {fresh}"}).ok
    microsoft.cloud.expire_access_tokens("contoso/ben")
    assert microsoft.get("/v1.0/me", headers={"Authorization": f"Bearer {fresh}"}).status_code == 401


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer x.y.z", "Basic eDp5"])
def test_without_a_token_graph_answers_401(microsoft: Microsoft, authorization: str) -> None:
    """No, an empty, a made-up and another kind of authorization are all refused the same way."""
    answer = microsoft.get("/v1.0/me", headers={"Authorization": authorization} if authorization else {})
    assert _code(answer) == (401, "InvalidAuthenticationToken")


def test_scopes_decide(microsoft: Microsoft) -> None:
    """/me needs User.Read: a token that may only send is refused there."""
    microsoft.consented("Mail.Send")
    token = microsoft.sign_in("contoso/ben", scopes=(MAIL_SEND,))["access_token"]
    answer = microsoft.get("/v1.0/me", headers={"Authorization": f"Bearer {token}"})
    assert _code(answer) == (403, "Authorization_RequestDenied")
    assert USER_READ not in microsoft.sign_in("contoso/ben", scopes=(MAIL_SEND,))["scope"]


def test_a_person_reads_the_mailbox(microsoft: Microsoft, token: str) -> None:
    """The mailbox pages show who has mail and what it says, escaped."""
    microsoft.send(token, _message(subject="<script>alert(1)</script>"))
    assert "Ben Okoye" in microsoft.get("/mailbox").text
    text = microsoft.get(f"/mailbox/{_BEN}").text
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>" not in text
    assert "Your scan." in text
    assert "Your scan." in microsoft.get(f"/mailbox/{_BEN}?folder=sent").text
    assert microsoft.get("/mailbox/nobody@contoso.example").status_code == 404
