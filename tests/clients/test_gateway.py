"""The gateway against the real service: a scan mail of a printer becomes a mail in its owner's mailbox, once."""

import hashlib
import os
import shutil
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from shared.organisations import Policy
from tests.clients.gateway import ADELE, Raw, add_printer, attachment, configure, encoded, scan_mail, send, serving
from tests.clients.proxy import Proxy
from tests.conftest import CONTOSO, World
from to_my_email import Api
from to_my_email_gateway import cli

SOURCES = Path(__file__).resolve().parents[2] / "clients"


def prepared(world: World, capsys: pytest.CaptureFixture[str], *options: str, people: str = "") -> tuple[Path, str]:
    """A gateway with one printer, of an organisation that has consented; its directory and the printer's secret."""
    world.consent()
    directory = world.directory / "gateway"
    configure(directory, world.url, people=people or f'"{ADELE}" = "adele"')
    ticket = world.rooms.tickets.issue(CONTOSO, "office", "2nd floor")
    return directory, add_printer(directory, ticket, capsys, "second-floor", *options)


def sign_in(world: World, directory: Path) -> None:
    """Adele signs in, at the gateway's printer's own device."""
    with ExitStack() as stack:
        device = Api(world.url, directory / "devices" / "second-floor", sleep=lambda _: None)
        stack.callback(device.close)
        world.sign_in(device, "adele", ADELE)


def test_scan_mail_arrives_from_its_owner_to_himself(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A mail from the printer is a scan in Adele's mailbox, sent by herself; the check says that all is ready."""
    directory, secret = prepared(world, capsys)
    ask = ["--directory", str(directory), "check"]
    assert cli.main(ask) == 1
    assert "adele: sign in required (370)" in capsys.readouterr().out
    sign_in(world, directory)
    assert cli.main(ask) == 0
    assert "adele: ready" in capsys.readouterr().out
    document = world.pdf()
    with serving(directory) as port:
        send(port, secret, scan_mail(document, name="lease.pdf", subject="Lease"))
        send(port, secret, scan_mail(document, name="lease.pdf", subject="Lease"))
        assert world.mailbox() == []
        world.deliver()
    (message,) = world.mailbox()
    assert [each["name"] for each in message["attachments"]] == ["lease.pdf"]
    assert message["attachments"][0]["size"] == len(document)
    assert secret not in str(world.rows("devices"))


def test_raw_dialogue_arrives(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """HELO, a known address, no header at all, one line of base64, a recipient that no header names."""
    directory, secret = prepared(world, capsys, "--address", "127.0.0.1")
    assert secret == ""
    sign_in(world, directory)
    with serving(directory) as port, Raw(port) as printer:
        printer.say("helo printer")
        assert printer.mail(attachment(world.pdf(), "X-Nothing: 1", line=0)) == "250 2.0.0 Accepted."
        world.deliver()
    (message,) = world.mailbox()
    assert [each["name"] for each in message["attachments"]] == ["scan.pdf"]


def test_whoever_must_sign_in_first(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """E16: where scans are held, 250 says so and his sign-in sends it; where not, 554 says who must do what."""
    directory, secret = prepared(world, capsys)
    with serving(directory) as port:
        send(port, secret, scan_mail(world.pdf()))
        with Raw(port) as printer:
            printer.say("EHLO printer")
            printer.login(secret)
            assert printer.mail(attachment(world.pdf()))[:14] == "250 2.0.0 Held"
            world.rooms.organisations.set_policy(CONTOSO, Policy(hold_hours=0))
            refused = printer.mail(attachment(world.pdf()))
        assert refused[:9] == "554 5.7.1"
        assert refused.endswith("[370 sign_in_required]")
        sign_in(world, directory)
        world.deliver()
    assert len(world.mailbox()) == 2


def test_a_large_scan_goes_straight_to_storage(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """R01: a document beyond one request arrives whole, the same mail again is nothing new, no byte stays behind."""
    directory, secret = prepared(world, capsys)
    with ExitStack() as stack:
        device = Api(world.url, directory / "devices" / "second-floor", sleep=lambda _: None)
        stack.callback(device.close)
        device.consents.through(
            {"range": "send-verified"},
            on_code=lambda begun: world.person().walk(begun.verification_uri_complete, "contoso/admin") and None,
        )
        world.sign_in(device, "adele", ADELE)
    document = world.pdf() + b"\n" * 9_000_000 + b"%%EOF\n"
    with serving(directory) as port:
        for _ in range(2):
            send(port, secret, scan_mail(document))
        world.deliver()
    (message,) = world.mailbox()
    assert message["attachments"][0]["sha256"] == hashlib.sha256(document).hexdigest()
    assert list((directory / "work").iterdir()) == []


def test_a_revoked_printer_is_told_for_good(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """D10: what an administrator removed is refused, and the printer does not try for ever."""
    directory, secret = prepared(world, capsys)
    device = Api(world.url, directory / "devices" / "second-floor")
    world.rooms.devices.revoke(CONTOSO, device.about().device_id)
    device.close()
    with serving(directory) as port, pytest.raises(smtplib.SMTPDataError) as told:
        send(port, secret, scan_mail(world.pdf()))
    assert told.value.smtp_code == 554


@contextmanager
def program(directory: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The gateway as a process of its own, on a port that is free."""
    environment = os.environ | {"PYTHONPATH": f"{SOURCES / 'smtp-gateway' / 'src'}:{SOURCES / 'python' / 'src'}"}
    command = [sys.executable, "-m", "to_my_email_gateway", "--directory", str(directory), "run"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line.startswith("Printers may come: port ")
            yield process, int(line.rpartition(" ")[2])
        finally:
            process.kill()


def test_what_printers_send_to_the_program_arrives(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The gateway as a process: smtplib's mail and an old printer's are in the mailbox, whole, from Adele to herself.

    The old printer speaks in lower case, waits for the prompts of AUTH LOGIN, writes no header but Bcc, says junk after
    QUIT, and then does all that again by HELO, without any header. Where swaks is installed (Debian: ``apt-get install
    swaks``), it comes last.
    """
    directory, secret = prepared(world, capsys)
    sign_in(world, directory)
    documents = [world.pdf() for _ in range(3)]
    with program(directory) as (process, port):
        send(port, secret, scan_mail(documents[0]))
        heads = (f"Bcc: {ADELE}\r\nContent-Type: application/pdf", "Content-Type: application/pdf")
        for hello, head, document in zip(("ehlo printer", "helo printer"), heads, documents[1:], strict=True):
            with Raw(port) as printer:
                assert printer.say(hello)[:3] == "250"
                assert printer.say("auth login") == f"334 {encoded('Username:')}"
                assert printer.say(encoded("second-floor")) == f"334 {encoded('Password:')}"
                assert printer.say(encoded(secret))[:3] == "235"
                assert printer.say("mail from:<printer@localhost>")[:3] == "250"
                assert printer.say(f"rcpt to:<{ADELE}>")[:3] == "250"
                assert printer.say("data")[:3] == "354"
                assert printer.say(attachment(document, head), b"\r\n.\r\n") == "250 2.0.0 Accepted."
                assert printer.say("quit and good night \xff".encode("latin-1"))[:3] == "221"
        if shutil.which("swaks"):
            documents.append(world.pdf())
            (scan := world.directory / "scan.pdf").write_bytes(documents[-1])
            swaks(port, secret, scan)
        process.terminate()
        assert process.wait(60) == 0
    arrived(world, documents)


def swaks(port: int, secret: str, scan: Path) -> None:
    """Let a program that somebody else wrote send a scan: it signs in, and hears 250."""
    told = subprocess.run(
        [
            *("swaks", "--server", "127.0.0.1", "--port", str(port), "--auth", "LOGIN"),
            *("--auth-user", "second-floor", "--auth-password", secret, "--hide-all"),
            *("--from", "printer@contoso.example", "--to", ADELE, "--header", "Subject: Lease"),
            *("--attach-type", "application/pdf", "--attach", f"@{scan}"),
        ],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr


def arrived(world: World, documents: list[bytes]) -> None:
    """Deliver, and look into Adele's mailbox: these documents and no others, each from herself to herself."""
    world.deliver()
    found = world.mailbox()
    assert {mail["attachments"][0]["sha256"] for mail in found} == {
        hashlib.sha256(document).hexdigest() for document in documents
    }
    assert len(found) == len(documents)
    for mail in found:
        assert (mail["from"], mail["to"]) == (ADELE, [ADELE])


def test_kill_between_handover_and_250(bad_wire: tuple[World, Proxy], capsys: pytest.CaptureFixture[str]) -> None:
    """R02: the gateway is killed once the service has the scan, before 250; the printer comes again: one mail."""
    world, proxy = bad_wire
    directory, secret = prepared(world, capsys)
    sign_in(world, directory)
    mail = scan_mail(world.pdf())
    proxy.lose = {b"POST /api/v1/scans HTTP": 1_000_000}  # so that 250 cannot have been said
    with program(directory) as (process, port):
        printer = Raw(port)
        printer.say("EHLO printer")
        printer.login(secret)
        printer.say("MAIL FROM:<printer@contoso.example>")
        printer.say(f"RCPT TO:<{ADELE}>")
        printer.say("DATA")
        printer.put(mail.as_bytes().replace(b"\n", b"\r\n") + b"\r\n.\r\n")
        while not any(row["RowKey"].startswith("job|") for row in world.rows("jobs")):
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait(20)
        assert printer.answer() == ""
        printer.close()
    world.deliver()
    proxy.lose.clear()
    with program(directory) as (process, port):
        send(port, secret, mail)
        process.terminate()
        assert process.wait(60) == 0
    world.deliver()
    assert len(world.mailbox()) == 1
    assert list((directory / "work").iterdir()) == []
