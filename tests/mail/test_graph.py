"""What goes to Graph, and what each of its answers means."""

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from local.microsoft.cloud import Cloud
from local.microsoft.server import running
from local.tls import Tls
from shared import faults
from shared.mail import Document, Draft, Graph, GraphSend, Mailbox, Message, Sender, TokenRejected
from shared.mail.graph.body import body_of
from shared.mail.graph.client import REQUEST_LIMIT
from shared.mail.graph.refusals import LONGEST_WAIT
from shared.outbound import IDLE_SECONDS
from tests.mail.conftest import ACCOUNT, TOKEN, Bytes, allow
from tests.mail.graph_wire import GraphWire, graph_wire

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ADDRESS = "adele@contoso.example"
MESSAGE = Message("33333333-0000-4000-8000-000000000000", "Lease", "text", "lease.pdf", "application/pdf")


@pytest.fixture
def wire() -> Iterator[GraphWire]:
    """A Graph to be told what to say."""
    with graph_wire() as wire:
        yield wire


@pytest.fixture
def graph(wire: GraphWire) -> Graph:
    """The room, before that Graph."""
    return Graph(wire.url, lambda: NOW)


def send(graph: Graph, message: Message = MESSAGE, document: bytes = b"%PDF-") -> None:
    """Send one mail."""
    deliver(graph, Bytes(document), message)


def deliver(graph: Graph, document: Document | None, message: Message = MESSAGE, address: str = ADDRESS) -> None:
    """Send one mail by the transport."""
    GraphSend(graph).send(TOKEN, Sender("oid", address), message, document, Draft("", False, lambda _: None))


def refused(graph: Graph) -> faults.Fault:
    """Send one mail and return the fault it meets."""
    with pytest.raises(faults.Fault) as met:
        send(graph)
    return met.value


def error(*codes: str) -> bytes:
    """Graph's error JSON, each further code inside the one before."""
    node: dict[str, Any] = {}
    for code in reversed(codes):
        node = {"code": code, "message": "adele@contoso.example may not", **({"innerError": node} if node else {})}
    return json.dumps({"error": node}).encode()


def test_only_202_is_sent(graph: Graph, wire: GraphWire) -> None:
    """P4: 202 is the one answer that counts as submitted; the request carries the token and an id for Microsoft."""
    wire.says(202)
    send(graph)
    [asked] = wire.asked
    assert asked.line == "POST /v1.0/me/sendMail HTTP/1.1"
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["client-request-id"]


@pytest.mark.parametrize("status", [200, 201, 204, 301, 302, 307, 308, 500, 501, 502, 504, 508, 599])
def test_an_answer_that_is_neither_yes_nor_no_leaves_the_outcome_open(
    graph: Graph, wire: GraphWire, status: int
) -> None:
    """R43: 200 has been seen for a mail that was not sent, 504 for one that was: never sent again blindly."""
    wire.says(status, error("ErrorQuotaExceeded") if status < 400 else b"", Location=f"{wire.url}/elsewhere")
    assert type(refused(graph)) is faults.OutcomeUnknown
    assert len(wire.asked) == 1  # C16: no redirect is followed, and nothing repeats the mail


def test_a_reset_after_the_body_leaves_the_outcome_open(graph: Graph, wire: GraphWire) -> None:
    """R43: the bytes are out and no answer came."""
    wire.answer = None
    assert type(refused(graph)) is faults.OutcomeUnknown
    assert len(wire.asked) == 1


def test_half_an_answer_leaves_the_outcome_open(graph: Graph, wire: GraphWire) -> None:
    """R43: a status line that breaks off, and what is no HTTP at all."""
    for answer in (b"HTTP/1.1 20", b"\x15\x03\x03\x00\x02\x02P", b"hello\r\n\r\n"):
        wire.answer = answer
        assert type(refused(graph)) is faults.OutcomeUnknown


def test_a_reset_within_the_body_has_sent_nothing(graph: Graph, wire: GraphWire) -> None:
    """R45: as long as part of the body is here, nothing can have been sent, and it is safe to try again."""
    wire.reads = 20_000
    with pytest.raises(faults.NoConnection) as met:
        send(graph, document=bytes(3_000_000))
    assert met.value.retry_after is not None


def test_nobody_listening_has_sent_nothing() -> None:
    """R26: connection refused, and a name that does not exist."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}", "http://nobody.invalid"):
        assert type(refused(Graph(url, lambda: NOW))) is faults.NoConnection
        with pytest.raises(faults.NoConnection):
            Graph(url, lambda: NOW).me(TOKEN)


def test_a_server_without_tls_or_with_a_foreign_certificate_gets_no_token(wire: GraphWire, tls: Tls) -> None:
    """F14: the handshake fails first; nothing was sent, and what arrived holds no token."""
    wire.answer = b"HTTP/1.1 202 Said\r\n\r\n"
    assert type(refused(Graph(wire.url.replace("http:", "https:"), lambda: NOW))) is faults.NoConnection
    assert not any(TOKEN in repr(asked) for asked in wire.asked)
    with running(Cloud(), tls) as url:
        # The certificate is for localhost and 127.0.0.1, not for this name of the same machine.
        elsewhere = url.replace("localhost", "127.0.0.2")
        assert type(refused(Graph(elsewhere, lambda: NOW))) is faults.NoConnection


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("1", 1.0),
        ("120", 120.0),
        ((NOW + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 90.0),
        ((NOW - timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 30.0),
        ("0", 30.0),
        ("99999999999999999999", LONGEST_WAIT),
        ("9" * 400, LONGEST_WAIT),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 30.0),
        ("Mon, 23 Nov 2026 12:00:30 +9999999999999", 30.0),
        ("Mon, 23 Nov 2026 12:00:30 -0000", 30.0),
        ("-5", 30.0),
        ("1.5", 30.0),
        ("soon", 30.0),
        ("\xb2", 30.0),
        ("", 30.0),
        (None, 30.0),
    ],
)
@pytest.mark.parametrize(("status", "leaf"), [(429, faults.Throttled), (503, faults.MicrosoftUnavailable)])
def test_retry_after_is_read_as_it_is_written(
    graph: Graph, wire: GraphWire, status: int, leaf: type[faults.Fault], told: str | None, seconds: float
) -> None:
    """R40: seconds or a date, at most a day; junk and nothing at all become a modest wait of our own."""
    headers = {"RETRY_AFTER": told} if told is not None else {}
    wire.says(status, b"", **headers)
    fault = refused(graph)
    assert type(fault) is leaf
    assert fault.retry_after == seconds


CODES = [
    (403, ("ErrorAccessDenied",), faults.SendDenied),
    (403, ("ErrorSendAsDenied",), faults.SendDenied),
    (403, ("Authorization_RequestDenied",), faults.SendDenied),
    (404, ("MailboxNotEnabledForRESTAPI",), faults.NoMailbox),
    (404, ("MailboxNotSupportedForRESTAPI",), faults.NoMailbox),
    (400, ("ErrorMessageSizeExceeded",), faults.TooLarge),
    (413, ("ErrorMessageTooBig",), faults.TooLarge),
    (413, ("BadRequest",), faults.TooLarge),
    (429, ("ErrorExceededMessageLimit",), faults.Throttled),
    (403, ("ErrorExceededMessageLimit",), faults.SendingLimitReached),
    (400, ("ErrorExceededHourlyMessageLimit",), faults.SendingLimitReached),
    (400, ("ErrorSubmissionQuotaExceeded",), faults.SendingLimitReached),
    (507, ("ErrorQuotaExceeded",), faults.MailboxFull),
    (400, ("ErrorQuotaExceeded",), faults.MailboxFull),
    (403, ("ErrorAccountSuspend",), faults.SenderRestricted),
    (400, ("ErrorMessageSubmissionBlocked",), faults.SenderRestricted),
    (503, ("MailboxInfoStale",), faults.MicrosoftUnavailable),
    (429, ("ApplicationThrottled", "MailboxConcurrency"), faults.Throttled),
    (400, ("BadRequest", "ErrorQuotaExceeded"), faults.MailboxFull),
    (403, ("accessDenied", "x", "y", "ErrorSendAsDenied"), faults.SendDenied),
    (400, ("ErrorInvalidRecipients",), faults.RecipientRefused),
    (404, ("ErrorItemNotFound",), faults.Unexpected),
    (418, (), faults.Unexpected),
]


@pytest.mark.parametrize(("status", "codes", "leaf"), CODES)
def test_a_refusal_is_known_by_its_code_and_then_by_its_status(
    graph: Graph, wire: GraphWire, status: int, codes: tuple[str, ...], leaf: type[faults.Fault]
) -> None:
    """R47: what Exchange's codes mean, however deep they lie (innerError); the note has the codes and no text."""
    wire.says(status, error(*codes))
    fault = refused(graph)
    assert type(fault) is leaf
    assert fault.note == " ".join(["status", str(status), *codes])
    assert "adele" not in str(fault)


CLAIMS = '{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}'
STANDARD = base64.b64encode(CLAIMS.encode()).decode()
URLSAFE = base64.urlsafe_b64encode(CLAIMS.encode()).decode().rstrip("=")
CHALLENGES = [
    ("", None),
    ('Bearer realm="", error="invalid_token"', None),
    (f'Bearer error="insufficient_claims", claims="{STANDARD}"', CLAIMS),
    (
        f'Bearer claims="{URLSAFE}", error="insufficient_claims"',
        CLAIMS,
    ),
    ('Bearer error="insufficient_claims", claims="bm8ganNvbg=="', None),
    ('Bearer error="insufficient_claims", claims="/w=="', None),
]


@pytest.mark.parametrize(("challenge", "claims"), CHALLENGES)
def test_a_refused_token_asks_for_another_one_and_brings_its_claims(
    graph: Graph, wire: GraphWire, challenge: str, claims: str | None
) -> None:
    """401 is the token's fault and not the person's; a claims challenge is decoded, nonsense in it is none."""
    wire.says(401, error("InvalidAuthenticationToken"), WWW_Authenticate=challenge)
    with pytest.raises(TokenRejected) as rejected:
        graph.me("token")
    assert rejected.value.claims == claims


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"1e999",
        b'{"error": null}',
        b'{"error": "invalid_grant"}',
        b'{"error": ["code"]}',
        b'{"error": {"code": ["x"], "innerError": "x"}}',
        b'{"error": {"code": "a b\\r\\nInjected: yes", "innererror": {"code": {}}}}',
        b'{"error": {"code": "\xc3\xa9"}}',
        b'{"error": ' + b'{"innerError": ' * 20 + b"{}" + b"}" * 21,
        b"[" * 200_000,
        b"x" * 1_000_000,
        b"\xff\xfe\x00",
        b"<html>Blocked by a proxy</html>",
    ],
    ids=range(16),
)
def test_a_body_that_makes_no_sense_is_no_code(graph: Graph, wire: GraphWire, body: bytes) -> None:
    """G14: whatever the body is, the status decides, and nothing of the body gets into the log."""
    wire.says(403, body)
    fault = refused(graph)
    assert type(fault) is faults.SendDenied
    assert fault.note == "status 403"
    wire.says(200, body)
    with pytest.raises(faults.MicrosoftUnavailable):
        graph.me(TOKEN)


def test_a_long_code_is_cut(graph: Graph, wire: GraphWire) -> None:
    """G14: a code is noted with 64 characters at most."""
    wire.says(403, error("A" * 10_000))
    assert refused(graph).note == "status 403 " + "A" * 64


def test_me_says_whose_mailbox_it_is(graph: Graph, wire: GraphWire) -> None:
    """F10: id, mail and user principal name; the id in its one form; no mail is None."""
    wire.says(200, b'{"id": "ABC", "mail": "a@b.example", "userPrincipalName": "a@b.example", "more": 1}')
    assert graph.me(TOKEN) == Mailbox("abc", "a@b.example", "a@b.example")
    wire.says(200, b'{"id": "ABC", "mail": null, "userPrincipalName": "a@b.example"}')
    assert graph.me(TOKEN).address is None
    assert wire.asked[-1].line == "GET /v1.0/me?%24select=id%2Cmail%2CuserPrincipalName HTTP/1.1"


def test_me_follows_no_redirect(graph: Graph, wire: GraphWire) -> None:
    """C16: a redirect would carry the token elsewhere."""
    wire.says(302, Location=f"{wire.url}/elsewhere")
    with pytest.raises(faults.Fault):
        graph.me(TOKEN)
    assert len(wire.asked) == 1


TEXT = st.text(max_size=40)


@settings(max_examples=60, deadline=None)
@given(st.builds(Message, TEXT, TEXT, TEXT, TEXT, TEXT), st.text(max_size=60), st.binary(max_size=200))
def test_no_text_makes_a_recipient_or_another_field(message: Message, address: str, document: bytes) -> None:
    """F07, F11, E17: plain text, these fields and no others, one recipient: the mailbox's own address."""
    with graph_wire() as wire:
        wire.says(202)
        deliver(Graph(wire.url, lambda: NOW), Bytes(document), message, address)
    sent = json.loads(wire.asked[0].body)
    assert sent == {
        "message": {
            "subject": message.subject,
            "body": {"contentType": "Text", "content": message.text},
            "toRecipients": [{"emailAddress": {"address": address}}],
            "internetMessageHeaders": [{"name": "x-to-my-email-job", "value": message.job}],
            "attachments": [
                {
                    "@odata.type": "#microsoft.graph.fileAttachment",
                    "name": message.attachment_name,
                    "contentType": message.attachment_type,
                    "contentBytes": base64.b64encode(document).decode(),
                }
            ],
        }
    }


def test_a_request_may_have_four_mebibytes_and_no_byte_more(graph: Graph, wire: GraphWire) -> None:
    """F12: the limit is exact, and beyond it nothing goes out."""
    wire.says(202)
    send(graph, document=b"")
    padding = REQUEST_LIMIT - len(wire.asked.pop().body)
    fits = padding // 4 * 3
    send(graph, document=bytes(fits))
    exact = Message(MESSAGE.job, MESSAGE.subject, MESSAGE.text + "x" * (padding % 4), *list(vars(MESSAGE).values())[3:])
    send(graph, exact, bytes(fits))
    assert [len(asked.body) for asked in wire.asked] == [REQUEST_LIMIT - padding % 4, REQUEST_LIMIT]
    over = Message(MESSAGE.job, MESSAGE.subject, exact.text + "x", *list(vars(MESSAGE).values())[3:])
    with pytest.raises(faults.TooLarge) as met:
        send(graph, over, bytes(fits))
    assert met.value.params["limit"]
    assert len(wire.asked) == 2


def test_a_large_document_arrives_as_it_is(graph: Graph, wire: GraphWire) -> None:
    """The body goes out in pieces, with its length said before, and arrives whole."""
    wire.says(202)
    document = bytes(range(256)) * 11_000
    send(graph, document=document)
    [asked] = wire.asked
    assert asked.headers["content-length"] == str(len(asked.body))
    sent = base64.b64decode(json.loads(asked.body)["message"]["attachments"][0]["contentBytes"])
    assert hashlib.sha256(sent).digest() == hashlib.sha256(document).digest()


def test_a_mail_without_a_document_has_no_attachment(graph: Graph, wire: GraphWire) -> None:
    """A notice of ours."""
    wire.says(202)
    deliver(graph, None)
    assert json.loads(wire.asked[0].body)["message"]["attachments"] == []


@pytest.mark.parametrize("piece", [1, 2, 3, 1000, 196_608, 196_609, 4_194_304])
def test_pieces_leave_no_mark_in_the_base64(graph: Graph, wire: GraphWire, piece: int) -> None:
    """Wherever the document is cut, the base64 is that of the whole."""
    wire.says(202)
    content = bytes(range(251)) * (3 if piece < 10 else 4000)
    deliver(graph, Bytes(content, piece=piece))
    [asked] = wire.asked
    assert json.loads(asked.body)["message"]["attachments"][0]["contentBytes"] == base64.b64encode(content).decode()


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=400), st.integers(1, 60), TEXT)
def test_the_length_is_said_before_and_kept(content: bytes, piece: int, text: str) -> None:
    """R51: exactly as many bytes as announced, each time it is read."""
    body = body_of({"text": text, "attachment": {"contentBytes": ""}}, Bytes(content, piece=piece))
    first, again = b"".join(body), b"".join(body)
    assert len(body) == len(first)
    assert first == again
    assert json.loads(first) == {"text": text, "attachment": {"contentBytes": base64.b64encode(content).decode()}}


@pytest.mark.parametrize("size", [5, 3_000_000])
def test_a_document_that_is_not_the_accepted_one_never_leaves_whole(size: int, tls: Tls) -> None:
    """R50: the last bytes are held back, the request breaks off, its connection is not used again; nothing is sent."""
    cloud = Cloud(clock=lambda: NOW)
    allow(cloud)
    with running(cloud, tls) as url:
        graph = Graph(url, lambda: NOW)
        deliver(graph, Bytes(b"%PDF-"), address="adele.vance@contoso.example")
        for wrong in (
            Bytes(bytes(size), sha256="0" * 64),
            Bytes(bytes(size), size=size - 1),
            Bytes(bytes(size), size=size + 1),
        ):
            with pytest.raises(faults.DocumentMismatch):
                deliver(graph, wrong, address="adele.vance@contoso.example")
        deliver(graph, Bytes(b"%PDF-2"), address="adele.vance@contoso.example")
    assert [mail.attachments[0].content for mail in cloud.mailboxes.inbox(ACCOUNT)] == [b"%PDF-", b"%PDF-2"]


def test_a_document_longer_than_announced_does_not_run_on(graph: Graph, wire: GraphWire) -> None:
    """R50: what is too much would be taken for the rest of the request, and for the beginning of another."""
    wire.says(202)
    with pytest.raises(faults.DocumentMismatch):
        deliver(graph, Bytes(bytes(1_000_000), size=10, piece=1_000_000))
    deliver(graph, None)
    assert len(wire.asked[0].body) < int(wire.asked[0].headers["content-length"])


def test_a_store_that_fails_while_it_is_read_has_sent_nothing(graph: Graph, wire: GraphWire) -> None:
    """R45: the fault of the document's store is what is told, and not one of the mail service."""

    class Failing(Bytes):
        def chunks(self) -> Iterator[bytes]:
            yield b"%PDF"
            raise faults.StorageUnavailable("gone away")

    wire.says(202)
    with pytest.raises(faults.StorageUnavailable):
        deliver(graph, Failing(bytes(1000)))


def test_a_connection_that_has_been_idle_is_not_used_again() -> None:
    """R43: a network that forgot it would swallow the whole mail, and nobody would know whether it was sent."""
    connections, now = 0, [NOW]

    def serve(listening: socket.socket) -> None:
        nonlocal connections
        with suppress(OSError):
            while True:
                connection = listening.accept()[0]
                connections += 1
                threading.Thread(target=answer, args=[connection], daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while line := stream.readline():
                length = 0
                while line.strip():
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.partition(b":")[2])
                    line = stream.readline()
                stream.read(length)
                connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=[listening], daemon=True)
        thread.start()
        graph = Graph(f"http://127.0.0.1:{listening.getsockname()[1]}", lambda: now[0])
        for seconds, expected in ((0, 1), (IDLE_SECONDS, 1), (IDLE_SECONDS + 1, 2), (0, 2)):
            now[0] += timedelta(seconds=seconds)
            send(graph)
            assert connections == expected
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_what_the_mailbox_does_not_take_is_said_with_its_size(graph: Graph, wire: GraphWire) -> None:
    """F12: the refused size is there for whoever remembers it, and the limit for whoever reads it."""
    wire.says(413, error("ErrorMessageSizeExceeded"))
    with pytest.raises(faults.TooLarge) as met:
        send(graph, document=bytes(1000))
    assert met.value.params == {"limit": 999, "refused": 1000}


def test_every_call_has_a_time_limit(graph: Graph) -> None:
    """R51: no call waits for ever: what the adapter is handed has a limit for connecting and one for reading."""
    limits: list[Any] = []

    class Recorder(requests.adapters.BaseAdapter):
        """Stands where the network begins."""

        def send(self, request: Any, stream: Any = False, timeout: Any = None, *_: Any, **__: Any) -> requests.Response:
            """Note the limits."""
            limits.append(timeout)
            raise requests.ConnectionError

        def close(self) -> None:
            """Nothing is open."""

    graph._session.mount("http://", Recorder())
    with pytest.raises(faults.NoConnection):
        graph.me(TOKEN)
    refused(graph)
    assert len(limits) == 2
    assert all(0 < seconds <= 60 for pair in limits for seconds in pair)
