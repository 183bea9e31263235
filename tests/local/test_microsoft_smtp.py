"""The emulated Exchange's submission, spoken to with Python's smtplib and bare sockets: as strict as it must be."""

import base64
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from local.microsoft.smtp_server import Submitting, running
from local.microsoft.smtp_submission import ADVERTISED_SIZE, CONNECTIONS, MESSAGES_PER_MINUTE
from local.microsoft.switchboard import SMTP_PLACES

from .conftest import CLIENT_ID, CONTOSO, MAIL_SEND, SMTP_SEND, Microsoft

ADELE = "adele.vance@contoso.example"
MAIL = f"From: {ADELE}\r\nTo: {ADELE}\r\nSubject: x\r\n\r\nHello\r\n"


@dataclass
class Exchange:
    """The running server and somebody who connects to it."""

    microsoft: Microsoft
    servers: Submitting
    closing: ExitStack

    def token(self, account: str = "contoso/adele", scope: str = SMTP_SEND, tenant: str = CONTOSO) -> str:
        """A token as Entra gives it for the refresh token of a sign-in that asked for Graph."""
        cloud = self.microsoft.cloud
        refresh_token = cloud.refresh_tokens.issue(cloud.account(account), CLIENT_ID).value
        return str(self.microsoft.refresh(refresh_token, tenant, scope=scope).json()["access_token"])

    def connected(self, *, tls: bool = True, address: str = "") -> smtplib.SMTP:
        """A client, under TLS unless told otherwise."""
        host, _, port = (address or self.servers.exchange).rpartition(":")
        client = self.closing.enter_context(smtplib.SMTP(host, int(port), "printer.example", timeout=20))
        client.ehlo()
        if tls:
            client.starttls(context=ssl.create_default_context(cafile=str(self.microsoft.tls.ca_file)))
            client.ehlo()
        return client

    def authenticated(self, account: str = "contoso/adele", user: str = ADELE) -> smtplib.SMTP:
        """A client that may send."""
        client = self.connected()
        client.auth("XOAUTH2", xoauth2(user, self.token(account)))
        return client


def xoauth2(user: str, token: str) -> Any:
    """What smtplib asks for the string of XOAUTH2; to an error's challenge it answers nothing."""
    return lambda challenge=None: "" if challenge else f"user={user}\x01auth=Bearer {token}\x01\x01"


@pytest.fixture
def exchange(microsoft: Microsoft) -> Iterator[Exchange]:
    """Exchange for Contoso, which has consented to SMTP.Send as Graph's permission."""
    microsoft.consented("Mail.Send", "User.Read", "SMTP.Send")
    with ExitStack() as closing, running(microsoft.cloud, microsoft.tls, microsoft.switchboard) as servers:
        # Clients go first.
        yield Exchange(microsoft, servers, closing.enter_context(ExitStack()))


def test_it_introduces_itself_as_exchange(exchange: Exchange) -> None:
    """SIZE is the ceiling of all tenants; AUTH is offered under TLS alone, STARTTLS before it alone."""
    client = exchange.connected(tls=False)
    assert client.esmtp_features["size"] == str(ADVERTISED_SIZE) == "157286400"
    assert {"starttls", "8bitmime", "smtputf8"} <= client.esmtp_features.keys()
    assert "auth" not in client.esmtp_features
    client = exchange.connected()
    assert "XOAUTH2" in client.esmtp_features["auth"].split()
    assert "starttls" not in client.esmtp_features


@pytest.mark.parametrize("initial", [True, False])
def test_xoauth2_in_one_line_or_two(exchange: Exchange, initial: bool) -> None:
    """Both forms of RFC 4954 section 4 work, however long the token."""
    client = exchange.connected()
    token = exchange.token()
    code, _ = client.auth("XOAUTH2", xoauth2(ADELE.upper(), token), initial_response_ok=initial)
    assert code == 235
    client.sendmail(ADELE, [ADELE], MAIL)
    assert [mail.subject for mail in exchange.microsoft.cloud.mailboxes.inbox("contoso/adele")] == ["x"]


@pytest.mark.parametrize(
    ("user", "account", "scope"),
    [
        (ADELE, "contoso/adele", MAIL_SEND),
        (ADELE, "contoso/ben", SMTP_SEND),
        ("ben.okoye@contoso.example", "contoso/adele", SMTP_SEND),
    ],
)
def test_a_wrong_token_is_told_in_a_challenge(exchange: Exchange, user: str, account: str, scope: str) -> None:
    """334 with JSON in base64, and after the client's empty answer 535 5.7.3."""
    client = exchange.connected()
    line = base64.b64encode(xoauth2(user, exchange.token(account, scope))(None).encode()).decode()
    code, challenge = client.docmd("AUTH", f"XOAUTH2 {line}")
    assert (code, base64.b64decode(challenge)) == (334, b'{"status":"401","schemes":"bearer"}')
    code, text = client.docmd("")
    assert (code, text.split()[0]) == (535, b"5.7.3")


def test_revoked_sessions_end_its_tokens(exchange: Exchange) -> None:
    """An expired token, and one of an account that was switched off, are refused."""
    token = exchange.token()
    for end in (
        lambda: exchange.microsoft.cloud.change_account("contoso/adele", disabled=True),
        lambda: exchange.microsoft.cloud.expire_access_tokens("contoso/adele"),
    ):
        exchange.connected().auth("XOAUTH2", xoauth2(ADELE, token))
        end()
        with pytest.raises(smtplib.SMTPAuthenticationError):
            exchange.connected().auth("XOAUTH2", xoauth2(ADELE, token))
        exchange.microsoft.cloud.change_account("contoso/adele", disabled=False)


def test_nothing_goes_without_tls_and_token(exchange: Exchange) -> None:
    """AUTH needs TLS, MAIL needs AUTH (530 5.7.57), and no password will do."""
    plain = exchange.connected(tls=False)
    assert plain.docmd("AUTH", "XOAUTH2")[0] == 538
    client = exchange.connected()
    assert client.docmd("AUTH", "LOGIN")[0] == 504
    code, text = client.docmd("MAIL", f"FROM:<{ADELE}>")
    assert (code, text.split()[0]) == (530, b"5.7.57")
    assert client.docmd("AUTH", "XOAUTH2 bm9uc2Vuc2U=")[0] == 501


@pytest.mark.parametrize(
    ("envelope", "header"), [("ben.okoye@contoso.example", ADELE), (ADELE, "ben.okoye@contoso.example"), (ADELE, "")]
)
def test_nobody_sends_as_another(exchange: Exchange, envelope: str, header: str) -> None:
    """MAIL FROM and From must both be the mailbox; the refusal comes after the message: 5.2.252."""
    client = exchange.authenticated()
    with pytest.raises(smtplib.SMTPDataError) as met:
        client.sendmail(envelope, [ADELE], MAIL.replace(f"From: {ADELE}", f"From: {header}" if header else "X-No: x"))
    assert met.value.smtp_code == 554
    assert b"5.2.252 SendAsDenied" in met.value.args[1]


def test_it_goes_to_the_envelope(exchange: Exchange) -> None:
    """RFC 5321 section 2.3.1: who is in RCPT gets it, who is in To alone does not."""
    exchange.authenticated().sendmail(ADELE, ["ben.okoye@contoso.example", "elsewhere@out.example"], MAIL)
    mailboxes = exchange.microsoft.cloud.mailboxes
    assert (len(mailboxes.inbox("contoso/ben")), mailboxes.inbox("contoso/adele")) == (1, [])
    assert len(mailboxes.sent("contoso/adele")) == 1
    assert mailboxes.external == ["elsewhere@out.example"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"a\nb\r\n", 550),
        (b"a\rb\r\n", 550),
        (b"x" * 998 + b"\r\n", 250),
        (b"x" * 999 + b"\r\n", 500),
        ("ä\r\n".encode(), 550),
        (b"\n.\r\n\r\n", 550),
    ],
)
def test_the_wire_is_watched(exchange: Exchange, body: bytes, code: int) -> None:
    """Bare CR and LF, lines over 998 octets and unannounced octets above 127 are refused, so that they are noticed."""
    client = exchange.authenticated()
    assert submitted(client, MAIL.encode() + body) == code
    assert submitted(client, MAIL.encode()) == 250


def submitted(client: smtplib.SMTP, content: bytes, more: str = "") -> int:
    """Send a message as it is; the code of its end."""
    assert client.docmd("MAIL", f"FROM:<{ADELE}>{more}")[0] == 250
    assert client.docmd("RCPT", f"TO:<{ADELE}>")[0] == 250
    assert client.docmd("DATA")[0] == 354
    client.send(content + b".\r\n")
    return client.getreply()[0]


def test_eight_bits_must_be_announced(exchange: Exchange) -> None:
    """BODY=8BITMIME (RFC 6152) lets octets above 127 through."""
    assert submitted(exchange.authenticated(), MAIL.encode() + "ä\r\n".encode(), " BODY=8BITMIME") == 250


def test_added_dots_are_taken_away(exchange: Exchange) -> None:
    """RFC 5321 section 4.5.2, at the start of the message too."""
    client = exchange.authenticated()
    submitted(client, MAIL.encode() + b"..\r\n...a\r\nb.\r\n")
    [mail] = exchange.microsoft.cloud.mailboxes.inbox("contoso/adele")
    assert mail.body.splitlines()[1:] == [".", "..a", "b."]


def test_who_talks_on_is_cut_off(exchange: Exchange) -> None:
    """What comes right behind the final dot was smuggled: nobody may pipeline here."""
    client = exchange.authenticated()
    with pytest.raises(smtplib.SMTPServerDisconnected):
        submitted(client, MAIL.encode() + b".\r\nMAIL FROM:<e@x>\r\n")
    assert exchange.microsoft.cloud.mailboxes.inbox("contoso/adele") == []


def test_a_mail_cut_off_is_no_mail(exchange: Exchange) -> None:
    """Without its final dot nothing is delivered."""
    client = exchange.authenticated()
    for command in (f"MAIL FROM:<{ADELE}>", f"RCPT TO:<{ADELE}>", "DATA"):
        client.docmd(command)
    client.send(MAIL.encode())
    client.close()
    exchange.authenticated().sendmail(ADELE, [ADELE], MAIL.replace("Subject: x", "Subject: y"))
    assert [mail.subject for mail in exchange.microsoft.cloud.mailboxes.inbox("contoso/adele")] == ["y"]


def test_size_counts_twice(exchange: Exchange) -> None:
    """552 5.3.4 at MAIL FROM for what is announced, and after the message for what was not; the limit itself fits."""
    content = MAIL.encode() + b"x" * 90 + b"\r\n"
    exchange.microsoft.cloud.change_account("contoso/adele", message_limit=len(content))
    client = exchange.authenticated()
    assert submitted(client, content, f" SIZE={len(content)}") == 250
    code, text = client.docmd("MAIL", f"FROM:<{ADELE}> SIZE={len(content) + 1}")
    assert (code, text.split()[0]) == (552, b"5.3.4")
    assert submitted(client, content + b"\r\n") == 552
    assert submitted(client, content + b"y" * 90 + b"\r\n") == 552


def test_a_full_mailbox_takes_nothing(exchange: Exchange) -> None:
    """554 5.2.2, and no mail."""
    exchange.microsoft.cloud.change_account("contoso/adele", mailbox_full=True)
    assert submitted(exchange.authenticated(), MAIL.encode()) == 554


@pytest.mark.parametrize(
    ("tenant", "mailbox", "said"),
    [
        ({"smtp_auth_disabled": True}, None, "disabled for the Tenant"),
        ({"smtp_auth_disabled": True}, False, ""),
        ({"smtp_auth_disabled": True}, True, "disabled for the Mailbox"),
        ({}, True, "disabled for the Mailbox"),
        ({"security_defaults": True}, False, "did not meet the criteria"),
        ({}, None, ""),
    ],
)
def test_smtp_auth_is_switched_off_as_in_exchange(
    exchange: Exchange, tenant: dict[str, bool], mailbox: bool | None, said: str
) -> None:
    """The mailbox's own setting wins over the tenant's, security defaults over both; the token is a good one."""
    cloud = exchange.microsoft.cloud
    cloud.change_tenant("contoso", **tenant)
    cloud.change_account("contoso/adele", smtp_auth_disabled=mailbox)
    string = xoauth2(ADELE, exchange.token())
    if said:
        with pytest.raises(smtplib.SMTPAuthenticationError, match=said):
            exchange.connected().auth("XOAUTH2", string)
    else:
        assert exchange.connected().auth("XOAUTH2", string)[0] == 235


def test_too_many_connections_and_messages(exchange: Exchange) -> None:
    """432 4.3.2 for who has four connections, and for the 31st message of a minute; another mailbox is free."""
    clients = [exchange.authenticated() for _ in range(CONNECTIONS + 1)]
    assert submitted(clients[0], MAIL.encode()) == 432
    clients.pop().quit()
    assert [submitted(clients[0], MAIL.encode()) for _ in range(MESSAGES_PER_MINUTE)] == [250] * 30
    assert submitted(clients[0], MAIL.encode()) == 432
    exchange.microsoft.clock.advance(seconds=60)
    assert submitted(clients[0], MAIL.encode()) == 250
    assert exchange.servers.submission.peak["contoso/adele"] == 4


def test_outlook_com_has_the_personal_mailboxes(exchange: Exchange) -> None:
    """Pat's opaque token works there and at no other port."""
    cloud = exchange.microsoft.cloud
    cloud.register(replace(cloud.application(CLIENT_ID), audience="AzureADandPersonalMicrosoftAccount"))
    exchange.microsoft.consented("SMTP.Send", tenant="personal")
    token = exchange.token("personal/pat", tenant="consumers")
    assert token.startswith("EwB")
    string = xoauth2("pat@outlook.example", token)
    assert exchange.connected(address=exchange.servers.outlook).auth("XOAUTH2", string)[0] == 235
    with pytest.raises(smtplib.SMTPAuthenticationError):
        exchange.connected().auth("XOAUTH2", string)


def test_faults_are_for_whom_they_are_meant(exchange: Exchange) -> None:
    """A rule for one account leaves others alone; unknown places and kinds are refused; the journal has the steps."""
    board = exchange.microsoft.switchboard
    board.add("smtp_mail", "reply", account="contoso/ben", message="451 4.7.0 later")
    assert submitted(exchange.authenticated(), MAIL.encode()) == 250
    client = exchange.authenticated("contoso/ben", "ben.okoye@contoso.example")
    assert client.docmd("MAIL", "FROM:<ben.okoye@contoso.example>") == (451, b"4.7.0 later")
    assert board.count("smtp_mail", "contoso/ben") == 1
    for where, kind in (("smtp_mail", "throttled"), ("sendMail", "cut"), ("smtp_helo", "cut")):
        with pytest.raises(ValueError, match="no fault of kind"):
            board.add(where, kind)


def test_the_page_of_faults_has_them(exchange: Exchange) -> None:
    """A person can switch them on, with the words of a reply."""
    form = {"do": "fault", "where": "smtp_dot", "kind": "reply", "message": "554 5.2.2 mailbox full", "times": "1"}
    headers = {"Origin": exchange.microsoft.base, "Sec-Fetch-Site": "same-origin"}
    page = exchange.microsoft.post("/faults", data=form, headers=headers).text
    assert all(f">{place}</option>" in page for place in SMTP_PLACES)
    assert 'name="message"' in page
    assert submitted(exchange.authenticated(), MAIL.encode()) == 554
