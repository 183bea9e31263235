"""SMTP submission, through the emulated Exchange: what arrives, and what each way to fail means."""

import base64
import hashlib
import json
import logging
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.microsoft.permissions import OUTLOOK
from local.microsoft.smtp_replies import REPLIES
from local.microsoft.switchboard import SMTP_PLACES
from local.microsoft.tokens import access_token
from local.tls import Tls, prepare
from shared import faults, settings
from shared.mail import Draft, Message, Sender, Smtp, TokenRejected, Transport
from shared.mail.mime import Mime
from shared.mail.replies import refusal
from shared.mail.smtp import Patience
from shared.services import Services
from tests.leaks import found_in, logged

JOB = "33333333-0000-4000-8000-000000000000"
MESSAGE = Message(JOB, "Lease, “signed” =?utf-8?q?x?=", "Hello,\n.\nWörld", "Lease ä.pdf", "application/pdf")
DRAFT = Draft("", look=False, remember=lambda _: None)
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 40


@dataclass
class Scan:
    """A document in memory, in pieces of ``piece`` bytes. ``damaged``: its last piece is not what was accepted."""

    content: bytes = PDF
    piece: int = 1000
    damaged: bool = False
    claimed: int | None = None

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self.content) if self.claimed is None else self.claimed

    def chunks(self) -> Iterator[bytes]:
        """Its pieces."""
        starts = range(0, len(self.content), self.piece)
        for start in starts:
            if self.damaged and start == starts[-1]:
                raise faults.DocumentMismatch("hash")
            yield self.content[start : start + self.piece]


@dataclass
class Office:
    """Adele's mailbox, the emulated Exchange before it, and a transport that speaks to it."""

    microsoft: Any
    rooms: Any
    transport: Smtp
    account: str = "contoso/adele"
    sender: Sender = field(init=False)

    def __post_init__(self) -> None:
        """Know the mailbox."""
        account = self.microsoft.cloud.account(self.account)
        self.sender = Sender(account.oid, account.address)

    def token(self, resource: str = OUTLOOK, granted: tuple[str, ...] = ("SMTP.Send",), lifetime: int = 3600) -> str:
        """An access token as Entra issues it for the mailbox's account."""
        cloud = self.microsoft.cloud
        application = cloud.application(self.rooms.settings.client_id)
        account = cloud.account(self.account)
        return access_token(cloud, application, account, resource, granted=frozenset(granted), lifetime=lifetime)

    def send(self, document: Scan | None = None, message: Message = MESSAGE, token: str | None = None) -> None:
        """Send one mail."""
        self.transport.send(token or self.token(), self.sender, message, document or Scan(), DRAFT)

    def fault(self, *given: Any, **more: Any) -> faults.Fault:
        """Send one mail and return the fault it meets."""
        with pytest.raises(faults.Fault) as met:
            self.send(*given, **more)
        return met.value

    def on(self, where: str, kind: str, **settings: Any) -> None:
        """Switch a fault on."""
        self.microsoft.switchboard.add(where, kind, **settings)

    @property
    def inbox(self) -> list[Any]:
        """What lies in the mailbox."""
        return list(self.microsoft.cloud.mailboxes.inbox(self.account))

    def steps(self) -> list[str]:
        """The dialogue as Exchange saw it."""
        return [entry.where for entry in self.microsoft.switchboard.journal() if entry.method == "SMTP"]

    def patient(self, **seconds: float) -> None:
        """Let the transport wait otherwise."""
        self.transport._patience = Patience(**seconds)


@pytest.fixture
def office(microsoft: Any, machine_environment: dict[str, str]) -> Office:
    """The office. No storage: a transport has none."""
    told = {
        **machine_environment,
        "PUBLIC_URL": "https://scan.example.com",
        "SMTP_HOST": microsoft.smtp.exchange,
        "OUTLOOK_SMTP_HOST": microsoft.smtp.outlook,
    }
    rooms = Services(settings.read(told), clock=microsoft.cloud.clock)
    return Office(microsoft, rooms, rooms.exchange_smtp)


def test_a_mail_arrives_as_it_was_meant(office: Office) -> None:
    """From and To are the mailbox, the texts are whole, and the attachment is the document to the bit (F10, F11)."""
    office.send()
    [mail] = office.inbox
    assert office.microsoft.cloud.mailboxes.sent("contoso/adele") == [mail]
    assert set(mail.senders) == {"adele.vance@contoso.example"}
    assert mail.everybody() == ["adele.vance@contoso.example"]
    assert mail.message_id == f"<{JOB}@scan.example.com>"
    assert mail.subject == "Lease, “signed” = ?utf-8?q?x?="
    assert mail.body.splitlines() == ["Hello,", ".", "Wörld"]
    [attachment] = mail.attachments
    assert (attachment.name, attachment.content_type) == ("Lease ä.pdf", "application/pdf")
    assert hashlib.sha256(attachment.content).digest() == hashlib.sha256(PDF).digest()
    assert office.steps() == list(SMTP_PLACES)


def test_it_is_a_transport(office: Office) -> None:
    """What the delivery asks of any transport; both services have one, each with its own server."""
    both: list[Transport] = [office.rooms.exchange_smtp, office.rooms.outlook_smtp]
    assert [(each.slug, each.slots, each.verified) for each in both] == [
        ("exchange-smtp", 3, False),
        ("outlook-smtp", 3, False),
    ]
    assert both[0].scopes == both[1].scopes == ("https://outlook.office.com/SMTP.Send",)


def test_a_mail_without_a_document_arrives(office: Office) -> None:
    """A notice has no attachment."""
    office.transport.send(office.token(), office.sender, replace(MESSAGE, attachment_name=""), None, DRAFT)
    assert office.inbox[0].attachments == []


def test_outlook_com_is_alike(office: Office) -> None:
    """A personal account sends by its own server with its own token; a work account's is refused there."""
    home = Office(office.microsoft, office.rooms, office.rooms.outlook_smtp, "personal/pat")
    home.send()
    assert len(home.inbox) == 1
    with pytest.raises(TokenRejected):
        Office(office.microsoft, office.rooms, office.rooms.outlook_smtp).send()


# ---- what each refusal means (R46, R47)

MEANT: dict[str, tuple[type[faults.Fault], float | None]] = {
    "smtp_auth_off_for_tenant": (faults.SmtpDisabledForOrganisation, None),
    "smtp_auth_off_for_mailbox": (faults.SmtpDisabledForMailbox, None),
    "basic_auth_disabled": (faults.Unexpected, None),
    "basic_auth_retired": (faults.Unexpected, None),
    "criteria_not_met": (faults.SmtpBlockedByPolicy, None),
    "another_criterion": (faults.SmtpBlockedByPolicy, None),
    "account_locked": (faults.AccountLocked, None),
    "invalid_auth_data": (faults.Unexpected, None),
    "not_authenticated": (faults.Unexpected, None),
    "not_anonymous": (faults.Unexpected, None),
    "no_send_as": (faults.SendDenied, None),
    "send_as_denied": (faults.SendDenied, None),
    "too_large_announced": (faults.TooLarge, None),
    "too_large": (faults.TooLarge, None),
    "too_large_for_mailbox": (faults.TooLarge, None),
    "too_large_by_the_book": (faults.TooLarge, None),
    "mailbox_full": (faults.MailboxFull, None),
    "daily_recipients": (faults.SendingLimitReached, 3600),
    "submission_quota": (faults.SendingLimitReached, 3600),
    "bad_outbound_sender": (faults.SenderRestricted, None),
    "banned_501": (faults.SenderRestricted, None),
    "banned_502": (faults.SenderRestricted, None),
    "banned_503": (faults.SenderRestricted, None),
    "banned_511": (faults.SenderRestricted, None),
    "tenant_threshold": (faults.OrganisationRestricted, None),
    "traffic_not_accepted": (faults.OrganisationRestricted, None),
    "unregistered_domains": (faults.OrganisationRestricted, None),
    "not_rfc_5322": (faults.Unexpected, None),
    "blocked_by_a_rule": (faults.SendDenied, None),
    "too_many_connections": (faults.Throttled, 60),
    "too_many_messages": (faults.Throttled, 60),
    "access_denied_for_now": (faults.Throttled, 300),
    "access_denied_for_now_850": (faults.Throttled, 300),
    "closing": (faults.Throttled, 60),
    "connection_dropped": (faults.MicrosoftUnavailable, 30),
    "server_busy": (faults.Throttled, 60),
    "resources": (faults.MicrosoftUnavailable, 30),
    "no_service": (faults.Unexpected, None),
}
MORE = {
    "another_criterion": ("smtp_auth", "535 5.7.139 Authentication unsuccessful, for a reason that is new."),
    "too_large_by_the_book": ("smtp_mail", "552 too much"),
}
"""What is in no list of Microsoft's."""


def test_every_refusal_has_a_meaning() -> None:
    """Nothing that Exchange is known to say is left to chance."""
    assert MEANT.keys() | {"unsuccessful"} == REPLIES.keys() | MORE.keys()


@pytest.mark.parametrize("name", MEANT)
def test_a_refusal_is_its_own_fault_and_nothing_was_sent(office: Office, name: str) -> None:
    """Who must act, and when to try again; the mail is not in the mailbox (R42, R46, R47)."""
    where, reply = {**REPLIES, **MORE}[name]
    office.on(where, "reply", message=reply)
    met = office.fault()
    assert (type(met), met.retry_after) == MEANT[name]
    assert met.note == f"smtp {where.removeprefix('smtp_')} {' '.join(reply.split()[:2])}".removesuffix(" too")
    assert office.inbox == []
    office.send()
    assert len(office.inbox) == 1


def test_a_token_that_is_refused_is_replaced_once(office: Office) -> None:
    """535 5.7.3 asks for another token; if that is refused too, SMTP is off for the mailbox."""
    office.on("smtp_auth", "reply", message=REPLIES["unsuccessful"][1])
    with pytest.raises(TokenRejected) as met:
        office.send()
    assert (met.value.claims, met.value.lasting) == (None, faults.SmtpDisabledForMailbox)


@pytest.mark.parametrize(
    ("account", "given"),
    [
        ("contoso/adele", {"resource": "https://graph.microsoft.com"}),
        ("contoso/adele", {"granted": ("Mail.Send",)}),
        ("contoso/adele", {"lifetime": -1}),
        ("contoso/ben", {}),
        ("contoso/nomailbox", {}),
    ],
)
def test_exchange_takes_the_right_token_alone(office: Office, account: str, given: dict[str, Any]) -> None:
    """Another resource, permission, time or mailbox: refused, and nothing was sent (F10)."""
    token = Office(office.microsoft, office.rooms, office.transport, account).token(**given)
    with pytest.raises(TokenRejected):
        office.send(token=token)
    assert office.inbox == []
    assert "smtp_mail" not in office.steps()


@pytest.mark.parametrize("token", ["", "a\r\nQUIT", "a\x01auth=b", "töken", "a b", "a" * 8001])
def test_what_is_no_token_is_never_said(office: Office, token: str) -> None:
    """Nothing can be added to the dialogue, or to the string of XOAUTH2, by way of a token (F08, F15)."""
    with pytest.raises(TokenRejected):
        office.transport.send(token, office.sender, MESSAGE, Scan(), DRAFT)
    assert "smtp_auth" not in office.steps()


def test_a_disabled_account_is_refused_though_its_token_lives(office: Office) -> None:
    """Tokens outlive the account."""
    token = office.token()
    office.microsoft.cloud.change_account("contoso/adele", disabled=True)
    with pytest.raises(TokenRejected):
        office.send(token=token)


# ---- what is known when something breaks (R43 to R45)

BEFORE = [place for place in SMTP_PLACES if place not in {"smtp_dot", "smtp_quit"}]


@pytest.mark.parametrize("kind", ["cut", "silence", "drip"])
@pytest.mark.parametrize("where", BEFORE)
def test_before_the_final_dot_nothing_was_sent(office: Office, where: str, kind: str) -> None:
    """R45: whatever breaks, and however: it can be tried again at once, and no second mail arises."""
    office.patient(reply=0.4, final=0.4, whole=0.8)
    office.on(where, kind)
    # More than the buffers between us take, so that it cannot be over before it broke.
    assert type(office.fault(Scan(bytes(12_000_000), 1 << 20))) is faults.NoConnection
    assert office.inbox == []


@pytest.mark.parametrize(
    ("kind", "arrived"),
    [("cut", 0), ("silence", 0), ("drip", 0), ("cut_after_applying", 1), ("silence_after_applying", 1)],
)
def test_after_the_final_dot_nobody_knows(office: Office, kind: str, arrived: int) -> None:
    """R44: no answer says neither that it was sent nor that it was not."""
    office.patient(reply=20, final=0.5, whole=3)
    office.on("smtp_dot", kind)
    assert type(office.fault()) is faults.OutcomeUnknown
    assert len(office.inbox) == arrived


@pytest.mark.parametrize(
    "reply", ["251 2.0.0 elsewhere", "354 go on", "220 hello", "100 x", "600 x", "OK", "250", "x" * 9000]
)
def test_only_250_after_the_dot_is_sent(office: Office, reply: str) -> None:
    """P4: what is neither 250 nor a refusal leaves the outcome open."""
    office.on("smtp_dot", "reply", message=reply)
    if reply == "250":
        office.send()
    else:
        assert type(office.fault()) is faults.OutcomeUnknown


@pytest.mark.parametrize("kind", ["cut", "silence", "drip"])
def test_the_goodbye_changes_nothing(office: Office, kind: str) -> None:
    """What Exchange has taken over is sent, however the connection ends."""
    office.patient(reply=0.5, whole=3)
    office.on("smtp_quit", kind)
    office.send()
    assert len(office.inbox) == 1


def test_a_server_that_is_not_there(office: Office) -> None:
    """A closed port is no connection."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    office.transport = Smtp("exchange-smtp", f"localhost:{port}", "https://scan.example.com", office.rooms.clock)
    assert type(office.fault()) is faults.NoConnection


# ---- the connection is safe, or there is none


@pytest.mark.parametrize(
    ("where", "kind"),
    [("smtp_ehlo", "missing"), ("smtp_starttls", "wrong_host"), ("smtp_ehlo_tls", "missing")],
)
def test_without_a_safe_connection_nothing_is_said(office: Office, where: str, kind: str) -> None:
    """F14: no STARTTLS, another host's certificate, no XOAUTH2 under TLS: the dialogue ends, and no token left us."""
    office.on(where, kind)
    assert isinstance(office.fault(), faults.Passing)
    assert office.steps() == list(SMTP_PLACES[: SMTP_PLACES.index(where) + 1])


def test_a_certificate_of_nobody_we_trust(office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """F14: the authority must be one of this machine's."""
    stranger = prepare(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(stranger.ca_file))
    met = office.fault()
    assert (type(met), met.note) == (faults.NoConnection, "smtp SSLCertVerificationError")
    assert office.steps()[-1] == "smtp_starttls"


def test_tls_is_new_enough(office: Office) -> None:
    """F14: TLS 1.2 at least, with the host's name and the certificate's chain checked."""
    context = office.transport._tls
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


# ---- the document


@pytest.mark.parametrize("piece", [1, 57, 58, 1000, len(PDF)])
def test_another_document_than_was_accepted_is_never_sent(office: Office, piece: int) -> None:
    """R50: the last piece fails its check, so the final dot is never said, and the mail is dropped."""
    document = Scan(PDF[:2000] if piece == 1 else PDF, piece, damaged=True)
    assert type(office.fault(document)) is faults.DocumentMismatch
    assert "smtp_data" in office.steps()
    assert "smtp_dot" not in office.steps()
    assert office.inbox == []


@pytest.mark.parametrize("more", [-1, 1])
def test_a_document_of_another_length_is_never_sent(office: Office, more: int) -> None:
    """R50: what was announced as SIZE is what is sent."""
    assert type(office.fault(Scan(claimed=len(PDF) + more))) is faults.DocumentMismatch
    assert office.inbox == []


def test_a_bug_while_the_document_is_read_leaves_nothing_open(office: Office) -> None:
    """Before the final dot even a bug of ours has sent nothing."""

    class Broken(Scan):
        def chunks(self) -> Iterator[bytes]:
            yield PDF
            raise RuntimeError("adele.vance@contoso.example")

    met = office.fault(Broken())
    assert (type(met), met.note) == (faults.Unexpected, "smtp RuntimeError")
    assert office.inbox == []


def test_the_server_is_asked_for_its_size_first(office: Office) -> None:
    """F12: what is larger than EHLO's SIZE is refused before anything else is said; what fits exactly is sent."""
    now = office.rooms.clock()
    size = Mime(office.sender, MESSAGE, Scan(), "scan.example.com", now).size
    office.microsoft.smtp.submission.advertised_size = size
    office.send()
    office.microsoft.switchboard.forget()
    office.microsoft.smtp.submission.advertised_size = size - 1
    met = office.fault()
    assert type(met) is faults.TooLarge
    assert office.steps() == ["smtp_connect", "smtp_ehlo", "smtp_starttls", "smtp_ehlo_tls"]
    # What it is told to be the limit would have fitted.
    office.send(Scan(PDF[: int(met.params["limit"])]))
    assert len(office.inbox) == 2


def test_the_mailbox_may_take_less(office: Office) -> None:
    """F12: refused at MAIL FROM, before the document is even read; the limit told is below this document."""
    office.microsoft.cloud.change_account("contoso/adele", message_limit=10_000)
    met = office.fault()
    assert type(met) is faults.TooLarge
    assert int(met.params["limit"]) < len(PDF)
    assert "smtp_data" not in office.steps()


# ---- many at once


def test_three_at_once_and_no_more(office: Office) -> None:
    """R42: three deliveries for one mailbox go through; a fourth beside them is throttled, and loses nothing."""
    going, arrived = threading.Barrier(4), threading.Event()

    class Slow(Scan):
        def chunks(self) -> Iterator[bytes]:
            going.wait(20)
            assert arrived.wait(20)
            yield from super().chunks()

    with ThreadPoolExecutor(3) as workers:
        three = [workers.submit(office.send, Slow()) for _ in range(office.transport.slots)]
        going.wait(20)
        fourth = office.fault()
        arrived.set()
        assert [each.result() for each in three] == [None] * 3
    assert (type(fourth), fourth.retry_after) == (faults.Throttled, 60)
    assert len(office.inbox) == 3


# ---- what nobody may read


def test_nothing_of_the_dialogue_is_logged(
    office: Office, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """F15, G11, G13: neither tokens nor addresses, subjects, names, in any log or fault, whatever the server says."""
    caplog.set_level(logging.DEBUG)
    token, said = office.token(), []
    # The body last: its connection goes on to its dot, and could take the fault that is meant for the next one's.
    for where in sorted(SMTP_PLACES[:-1], key="smtp_body".__eq__):
        office.on(where, "reply", message="550 5.7.60 adele.vance@contoso.example canary-reply")
        met = office.fault(token=token)
        said += [str(met), repr(met), "".join(traceback.format_exception(met))]
    office.on("smtp_auth", "reply", message="535 5.7.3 canary-reply")
    with pytest.raises(TokenRejected) as rejected:
        office.send(token=token)
    office.send(token=token)
    told = "".join([*said, repr(rejected.value), logged(caplog), *capfd.readouterr()])
    secret = base64.b64encode(f"user={office.sender.address}\x01auth=Bearer {token}\x01\x01".encode()).decode()
    assert found_in(told, [token, secret, "canary-reply", "adele.vance", "Lease", "signed"]) == []


@given(step=st.text(st.characters(codec="ascii", categories=["Ll"])), code=st.integers(-1, 999), text=st.binary())
@hypothesis.settings(deadline=None, max_examples=300)
def test_any_reply_is_some_fault(step: str, code: int, text: bytes) -> None:
    """No reply breaks the classification, and none of its words gets through: digits and dots at most."""
    try:
        met = refusal(step, code, b"canary " + text if text[:1].isalpha() else text, limit=1)
    except TokenRejected:
        assert code == 535
        return
    assert re.fullmatch(r"smtp [a-z]* -?\d+( [245]\.\d{1,3}\.\d{1,3})?", met.note)
    if code // 100 == 4:
        assert isinstance(met, faults.Passing)
        assert met.retry_after


# ---- memory


def test_a_large_document_needs_no_more_memory_than_a_small_one(office: Office, tls: Tls) -> None:
    """25 MB through a process of its own: its peak is that of 8 MB, two pieces from storage, within 3 MB."""
    script = Path(__file__).parent / "send_large.py"
    given = {
        "server": office.microsoft.smtp.exchange,
        "token": office.token(),
        "address": office.sender.address,
        "sizes": [8 << 20, 25_000_000],
    }
    answer = subprocess.run(
        [sys.executable, "-m", "tests.mail.send_large"],
        cwd=script.parent.parent.parent,
        env={**os.environ, "SSL_CERT_FILE": str(tls.ca_file)},
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    small, large = json.loads(answer.stdout)
    assert large - small < 3 << 20
    assert [len(mail.attachments[0].content) for mail in office.inbox] == given["sizes"]
