"""SMTP as real printers speak it, against a service on the wire: who is let in, what each is told."""

import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from starlette.responses import Response

from local.tls import Tls
from tests.clients.gateway import ADELE, Raw, add_printer, attachment, configure, encoded, scan_mail, send, serving
from tests.clients.proxy import failing
from tests.clients.wire import TICKET, DeviceApi, problem

PDF = b"%PDF-1.7 one scan"


class Gateway:
    """A gateway with one printer."""

    def __init__(self, directory: Path, port: int, secret: str) -> None:
        self.directory, self.port, self.secret = directory, port, secret

    @contextmanager
    def printer(self, hello: str = "EHLO printer") -> Iterator[Raw]:
        """The printer, signed in."""
        with Raw(self.port) as raw:
            assert raw.say(hello)[:3] == "250"
            assert raw.login(self.secret)[:3] == "235"
            yield raw


@pytest.fixture
def make(service: DeviceApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Gateway]]:
    """Make a gateway with other settings."""
    with ExitStack() as stack:

        def start(more: str = "", people: str = f'"{ADELE}" = "adele"', *options: str) -> Gateway:
            directory = tmp_path / "gateway"
            configure(directory, service.url, more, people)
            secret = add_printer(directory, TICKET, capsys, "second-floor", *options)
            port = stack.enter_context(serving(directory, sleep=lambda _: None))
            return Gateway(directory, port, secret)

        yield start


@pytest.fixture
def gateway(make: Callable[..., Gateway]) -> Gateway:
    """A gateway as it comes."""
    return make()


# Dialogues


@pytest.mark.parametrize(
    "say",
    [
        lambda raw, name, secret: raw.say(f"auth plain {encoded(f'{chr(0)}{name}{chr(0)}{secret}')}"),
        lambda raw, name, secret: raw.say("AUTH PLAIN") and raw.say(encoded(f"x{chr(0)}{name}{chr(0)}{secret}")),
        lambda raw, name, secret: raw.say("Auth Login") and raw.say(encoded(name)) and raw.say(encoded(secret)),
        lambda raw, name, secret: raw.say(f"AUTH login {encoded(name)}") and raw.say(encoded(secret)),
        lambda raw, name, secret: raw.say(f"AUTH LOGIN {encoded(name.upper())}") and raw.say(encoded(secret + " ")),
    ],
)
@pytest.mark.parametrize("hello", ["EHLO printer", "ehlo [192.0.2.9]", "helo printer"])
def test_every_way_to_sign_in(gateway: Gateway, say: Callable[[Raw, str, str], str], hello: str) -> None:
    """AUTH PLAIN and LOGIN, with and without an initial response, in any case, after EHLO and after HELO."""
    with Raw(gateway.port) as raw:
        raw.say(hello)
        assert say(raw, "second-floor", gateway.secret) == "235 2.7.0 Welcome"
        assert raw.mail(attachment(PDF))[:3] == "250"


def test_prompts_of_auth_login_are_the_usual_ones(gateway: Gateway) -> None:
    """Printers look for these two prompts and for no others."""
    with Raw(gateway.port) as raw:
        raw.say("EHLO printer")
        assert raw.say("AUTH LOGIN") == f"334 {encoded('Username:')}"
        assert raw.say(encoded("second-floor")) == f"334 {encoded('Password:')}"


def test_an_old_printers_dialogue(service: DeviceApi, gateway: Gateway) -> None:
    """Lower-case verbs, blanks after the colon, parameters, a recipient that no header names, junk after QUIT."""
    with gateway.printer("helo x") as raw:
        assert raw.say("rset please")[:3] == "250"
        assert raw.say("noop")[:3] == "250"
        assert raw.say("mail from: <anybody@y.example> SIZE=2000 AUTH=<>")[:3] == "250"
        assert raw.say(f"rcpt to: <{ADELE.upper()}>")[:3] == "250"
        assert raw.say("data now")[:3] == "354"
        assert raw.say(attachment(PDF), b"\r\n.\r\n")[:3] == "250"
        assert raw.say("QUIT now, please")[:3] == "221"
    assert list(service.documents.values()) == [PDF]


def test_a_printer_that_knows_only_lf(service: DeviceApi, gateway: Gateway) -> None:
    """Commands and mail with bare LF arrive."""
    with Raw(gateway.port) as raw:
        raw.say("EHLO printer", b"\n")
        raw.say(f"AUTH PLAIN {encoded(f'{chr(0)}second-floor{chr(0)}{gateway.secret}')}", b"\n")
        raw.say("MAIL FROM:<x@y.example>", b"\n")
        raw.say(f"RCPT TO:<{ADELE}>", b"\n")
        raw.say("DATA", b"\n")
        assert raw.say(attachment(PDF).replace(b"\r\n", b"\n"), b"\n.\n")[:3] == "250"
    assert list(service.documents.values()) == [PDF]


def test_one_line_of_base64_and_8_bit_headers(service: DeviceApi, gateway: Gateway) -> None:
    """A document as one endless line, below a subject in Latin-1, arrives."""
    document = b"%PDF-1.7" + bytes(range(256)) * 4000
    head = "Subject: Räumung\r\nContent-Type: application/pdf; name=Räumung.pdf"
    with gateway.printer() as raw:
        raw.say("MAIL FROM:<r\xe4ume@y.example>".encode("latin-1"))
        raw.say(f"RCPT TO:<{ADELE}>")
        raw.say("DATA")
        content = attachment(document, line=0)
        assert raw.say(head.encode("latin-1") + content[content.index(b"\r\n") :], b"\r\n.\r\n")[:3] == "250"
    ((scan_id, document_there),) = service.documents.items()
    assert document_there == document
    assert service.manifests[scan_id]["title"] == "Räumung"


def test_pipelined_commands_are_answered_in_order(service: DeviceApi, gateway: Gateway) -> None:
    """A printer that waits for nothing gets every answer, and two mails of one connection are two scans."""
    with gateway.printer() as raw:
        one = b"MAIL FROM:<x@y.example>\r\nRCPT TO:<" + ADELE.encode() + b">\r\nDATA\r\n"
        raw.put(one + attachment(PDF) + b"\r\n.\r\n" + one + attachment(PDF + b"2") + b"\r\n.\r\nQUIT\r\n")
        assert [raw.answer()[:3] for _ in range(9)] == ["250", "250", "354", "250"] * 2 + ["221"]
    assert len(service.documents) == 2


# Who is let in


def test_nobody_else_is_let_in(service: DeviceApi, gateway: Gateway) -> None:
    """Without the secret there is no mail: not at MAIL, RCPT or DATA, whatever comes before."""
    with Raw(gateway.port) as raw:
        raw.say("EHLO printer")
        for line in ("MAIL FROM:<x@y.example>", f"RCPT TO:<{ADELE}>", "DATA"):
            assert raw.say(line)[:9] == "530 5.7.0"
        assert raw.login("wrong")[:9] == "535 5.7.8"
        assert raw.login("", "")[:3] == "535"
        assert raw.say("MAIL FROM:<x@y.example>")[:3] == "530"
        assert raw.login(gateway.secret, "first-floor")[:3] == "421"
        assert raw.answer() == ""
    assert service.count("POST", "scans") == 0


def test_a_printer_known_by_its_address_has_no_secret(make: Callable[..., Gateway]) -> None:
    """From its address it sends without AUTH; no secret signs it in, the empty one neither."""
    gateway = make("", f'"{ADELE}" = "adele"', "--address", "127.0.0.1")
    assert gateway.secret == ""
    with Raw(gateway.port) as raw:
        raw.say("HELO printer")
        assert raw.login("")[:3] == "535"
        assert raw.mail(attachment(PDF))[:3] == "250"


def test_a_printer_known_by_another_address_is_not_let_in(make: Callable[..., Gateway]) -> None:
    """The address is the printer's own, and no other's."""
    gateway = make("", f'"{ADELE}" = "adele"', "--address", "127.0.0.2")
    with Raw(gateway.port) as raw:
        raw.say("HELO printer")
        assert raw.say("MAIL FROM:<x@y.example>")[:3] == "530"


@pytest.fixture
def secured(make: Callable[..., Gateway], tls: Tls) -> Gateway:
    """A gateway with a certificate, which wants TLS."""
    return make(f'certificate = "{tls.certificate_file}"\nkey = "{tls.key_file}"\nrequire_tls = true')


def test_with_starttls(secured: Gateway, service: DeviceApi) -> None:
    """Where TLS is required, no secret and no mail goes in the clear, and all goes after STARTTLS."""
    with Raw(secured.port) as raw:
        raw.say("EHLO printer")
        assert raw.login(secured.secret)[:3] == "530"
        assert raw.say("MAIL FROM:<x@y.example>")[:3] == "530"
    with smtplib.SMTP("localhost", secured.port, timeout=60) as printer:
        printer.starttls(context=ssl.create_default_context())
        printer.login("second-floor", secured.secret)
        printer.send_message(scan_mail(PDF), "x@y.example", [ADELE])
    assert list(service.documents.values()) == [PDF]


def test_what_was_said_before_starttls_counts_for_nothing(secured: Gateway) -> None:
    """RFC 3207 section 4.2: what somebody slipped in before the handshake is not carried out after it."""
    with socket.create_connection(("localhost", secured.port), timeout=30) as line:

        def answer() -> bytes:
            told = b""
            while not told.endswith(b"\r\n") or told.splitlines()[-1][3:4] == b"-":
                told += line.recv(1)  # not one byte of what comes encrypted
            return told

        answer()
        line.sendall(b"EHLO x\r\n")
        answer()
        line.sendall(b"STARTTLS\r\nNOOP\r\nNOOP\r\n")
        assert answer().startswith(b"220")
        with ssl.create_default_context().wrap_socket(line, server_hostname="localhost") as safe:
            safe.sendall(b"QUIT\r\n")
            assert safe.recv(1000).startswith(b"221")


def test_a_certificate_that_is_offered_and_not_required(make: Callable[..., Gateway], tls: Tls) -> None:
    """A printer signs in again after STARTTLS, since what it said before may not have been its own."""
    gateway = make(f'certificate = "{tls.certificate_file}"\nkey = "{tls.key_file}"')
    with smtplib.SMTP("localhost", gateway.port, timeout=60) as printer:
        printer.login("second-floor", gateway.secret)
        printer.starttls(context=ssl.create_default_context())
        printer.ehlo()
        assert printer.mail("x@y.example")[0] == 530


# Whose mailbox


def test_recipients_nobody_knows(gateway: Gateway, service: DeviceApi) -> None:
    """An unknown recipient is refused with a text that helps, and without the address; the others go on."""
    with gateway.printer() as raw:
        raw.say("MAIL FROM:<x@y.example>")
        told = raw.say("RCPT TO:<nobody@contoso.example>")
        assert told[:9] == "550 5.1.1"
        assert "gateway.toml" in told
        assert "nobody@" not in told
        assert raw.say("DATA")[:3] == "503"
        assert raw.say(f"RCPT TO:<{ADELE}>")[:3] == "250"
        raw.say("DATA")
        assert raw.say(attachment(PDF), b"\r\n.\r\n")[:3] == "250"
    assert [scan["user"] for scan in service.manifests.values()] == ["adele"]


def test_domains_name_their_people(make: Callable[..., Gateway], service: DeviceApi) -> None:
    """What stands before the @ of a named domain is the person; what is no user id is nobody."""
    gateway = make('[people]\ndomains = ["Contoso.example"]', "")
    with gateway.printer() as raw:
        raw.say("MAIL FROM:<x@y.example>")
        for to, code in (("ben+x@contoso.example", "550"), ("ben@y.example", "550"), ("Ben.B@CONTOSO.example", "250")):
            assert raw.say(f"RCPT TO:<{to}>")[:3] == code
        raw.say("DATA")
        assert raw.say(attachment(PDF), b"\r\n.\r\n")[:3] == "250"
    assert [scan["user"] for scan in service.manifests.values()] == ["ben.b"]


def test_by_the_sender(make: Callable[..., Gateway], service: DeviceApi) -> None:
    """Where the sender tells the person, the recipient is anybody's, and an unknown sender is refused."""
    gateway = make('[people]\nby = "sender"')
    with gateway.printer() as raw:
        for sender in ("<>", "<nobody@contoso.example>"):
            assert raw.say(f"MAIL FROM:{sender}")[:9] == "550 5.1.0"
        assert raw.say(f"MAIL FROM:<{ADELE}>")[:3] == "250"
        assert raw.say("RCPT TO:<scan@anywhere.example>")[:3] == "250"
        raw.say("DATA")
        assert raw.say(attachment(PDF), b"\r\n.\r\n")[:3] == "250"
    assert [scan["user"] for scan in service.manifests.values()] == ["adele"]


def test_several_people_get_a_scan_each(make: Callable[..., Gateway], service: DeviceApi) -> None:
    """Two recipients and two documents are four scans; one named twice gets his once."""
    gateway = make('[people]\ndomains = ["contoso.example"]')
    to = [ADELE, "ben@contoso.example", "ADELE@contoso.example", "adele@contoso.example"]
    send(gateway.port, gateway.secret, scan_mail(PDF, PDF + b"2"), to=to)
    assert sorted(scan["user"] for scan in service.manifests.values()) == ["adele", "adele", "ben", "ben"]


# What a printer is told


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda: problem(503, "storage_unavailable", code=360), "451 4.3.2"),
        (lambda: problem(429, "too_many_requests", retry_after=900), "451 4.3.2"),
        (lambda: Response("<html>a proxy</html>", 200), "451 4.3.2"),
        (lambda: problem(422, "sign_in_required", code=370, title="Sign in first"), "554 5.7.1"),
        (lambda: problem(422, "too_large", title="Too large"), "552 5.3.4"),
        (lambda: problem(422, "unsupported_type"), "554 5.6.1"),
        (lambda: problem(409, "id_taken"), "554 5.0.0"),
        (lambda: problem(403, "device_pending", title="Wait"), "451 4.7.0"),
    ],
)
def test_every_refusal_of_the_service_is_told(
    service: DeviceApi, gateway: Gateway, answer: Callable[[], Response], told: str
) -> None:
    """R02: 250 is never said for what the service did not take; 4xx where it passes by itself, 5xx with why else."""
    for _ in range(60):
        service.refuse("POST", "scans", answer())
    with gateway.printer() as raw:
        reply = raw.mail(attachment(PDF))
    assert reply[:9] == told
    assert service.documents == {}


def test_a_service_that_is_away(service: DeviceApi, make: Callable[..., Gateway]) -> None:
    """Nothing listens: the printer keeps the mail, and brings it when the service is back."""
    with failing(service.url) as proxy:
        service.url = f"http://127.0.0.1:{proxy.port}"
        gateway = make()
        with gateway.printer() as raw:
            proxy.down = True
            assert raw.mail(attachment(PDF))[:9] == "451 4.4.1"
            proxy.down = False
            assert raw.mail(attachment(PDF))[:3] == "250"


def test_the_same_mail_again_is_one_scan(service: DeviceApi, gateway: Gateway) -> None:
    """R02: a printer that did not hear 250 sends the same mail again and hears it; another mail is another scan."""
    for _ in range(3):
        send(gateway.port, gateway.secret, scan_mail(PDF))
    assert len(service.documents) == 1
    another = scan_mail(PDF)
    another.replace_header("Message-ID", "<2@printer.invalid>")
    send(gateway.port, gateway.secret, another)
    send(gateway.port, gateway.secret, scan_mail(PDF + b"2"))
    send(gateway.port, gateway.secret, scan_mail(PDF, subject="another"))
    assert len(service.documents) == 4


def test_a_repeated_mail_whose_scan_has_failed_since(service: DeviceApi, gateway: Gateway) -> None:
    """A repetition is told how the scan ended, not that all is well."""
    send(gateway.port, gateway.secret, scan_mail(PDF))
    (scan_id,) = service.scans
    service.move(scan_id, "failed", reason="no_mailbox", message="There is no mailbox.")
    with pytest.raises(smtplib.SMTPDataError) as told:
        send(gateway.port, gateway.secret, scan_mail(PDF))
    assert told.value.smtp_code == 554
    assert b"There is no mailbox. [no_mailbox]" in told.value.smtp_error


def test_one_of_several_that_is_refused(service: DeviceApi, gateway: Gateway) -> None:
    """The printer hears how many arrived; one that passes decides, and the repetition brings what was missing."""
    service.refuse("POST", "scans", problem(422, "too_large", title="Too large"))
    with pytest.raises(smtplib.SMTPDataError) as told:
        send(gateway.port, gateway.secret, scan_mail(PDF, PDF + b"2"))
    assert b"1 of 2 scans were accepted" in told.value.smtp_error
    send(gateway.port, gateway.secret, scan_mail(PDF, PDF + b"2"))
    assert len(service.documents) == 2


# Limits


def test_a_mail_beyond_the_limit(make: Callable[..., Gateway], service: DeviceApi) -> None:
    """The limit is told at EHLO, holds at MAIL and, for printers that say no SIZE, at the end of the mail."""
    gateway = make("[limits]\nmail = 100_000")
    with gateway.printer() as raw:
        assert raw.say("MAIL FROM:<x@y.example> SIZE=100001")[:3] == "552"
        assert raw.mail(attachment(b"%PDF-" + b"a" * 90_000))[:9] == "552 5.3.4"
        assert raw.mail(attachment(PDF))[:3] == "250"
    assert list(service.documents.values()) == [PDF]


def test_too_many_connections(make: Callable[..., Gateway]) -> None:
    """One more than the limit is told to come again; when another has gone, it is let in."""
    gateway = make("[limits]\nconnections_of_one = 2")
    with Raw(gateway.port) as first, Raw(gateway.port) as second:
        assert (first.greeting[:3], second.greeting[:3]) == ("220", "220")
        with Raw(gateway.port) as third:
            assert third.greeting[:9] == "421 4.3.2"
        assert second.say("QUIT")[:3] == "221"
        with Raw(gateway.port) as fourth:
            assert fourth.greeting[:3] == "220"


def test_eight_printers_at_once(service: DeviceApi, gateway: Gateway) -> None:
    """Mails that come together all arrive, each once."""
    faults: list[BaseException] = []

    def one(number: int) -> None:
        try:
            send(gateway.port, gateway.secret, scan_mail(PDF + b"%d" % number))
        except BaseException as fault:  # noqa: BLE001  (told below)
            faults.append(fault)

    together = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for each in together:
        each.start()
    for each in together:
        each.join(60)
    assert faults == []
    assert len(service.documents) == 8


def test_nothing_is_left_and_nothing_is_told(
    service: DeviceApi, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    """G12: no address, subject, file name or secret is in the log, and no document stays in the gateway's directory."""
    caplog.set_level("DEBUG")
    send(gateway.port, gateway.secret, scan_mail(PDF, subject="Canary-subject", name="canary-name.pdf"))
    with gateway.printer() as raw:
        raw.say("MAIL FROM:<canary-sender@contoso.example>")
        raw.say("RCPT TO:<canary-recipient@contoso.example>")
        raw.say("VRFY canary-recipient@contoso.example")
        raw.say("AUTH LOGIN canary")
    with pytest.raises(smtplib.SMTPAuthenticationError), smtplib.SMTP("127.0.0.1", gateway.port) as printer:
        printer.login("second-floor", "canary-secret")
    names = ("to_my_email", "mail", "urllib3", "asyncio")
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith(names))
    assert "accepted" in ours
    assert "anary" not in ours
    assert ADELE not in ours
    assert gateway.secret not in ours
    assert encoded(gateway.secret) not in ours
    assert list((gateway.directory / "work").iterdir()) == []
    kept = b"".join(path.read_bytes() for path in gateway.directory.rglob("*") if path.is_file())
    assert gateway.secret.encode() not in kept
    assert PDF not in kept
