"""A gateway on a loopback port, printers that speak to it, and mails as printers write them."""

import base64
import re
import smtplib
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

import pytest

from to_my_email_gateway import cli, server, settings

ADELE = "adele.vance@contoso.example"


def configure(directory: Path, service: str, more: str = "", people: str = f'"{ADELE}" = "adele"') -> None:
    """Write a gateway.toml for a port that is free."""
    directory.mkdir(exist_ok=True)
    text = f'service = "{service}"\n[smtp]\nport = 0\n{more}\n'
    by = "" if "[people]" in more else "[people]\n"
    (directory / "gateway.toml").write_text(f"{text}{by}[people.addresses]\n{people}\n")


def add_printer(
    directory: Path, ticket: str, capsys: pytest.CaptureFixture[str], name: str = "second-floor", *options: str
) -> str:
    """Add a printer by the program and return the secret that it shows."""
    capsys.readouterr()
    assert cli.main(["--directory", str(directory), "printer", "add", name, "--ticket", ticket, *options]) == 0
    found = re.search(r"password +(\S+)", capsys.readouterr().out)
    return found[1] if found else ""


@contextmanager
def serving(directory: Path, **given: Any) -> Iterator[int]:
    """Serve a directory from this process; yields the port."""
    began, told = threading.Event(), {}

    def ready(port: int, end: Any) -> None:
        told.update(port=port, end=end)
        began.set()

    running = threading.Thread(target=server.run, args=(directory, settings.read(directory), ready), kwargs=given)
    running.start()
    try:
        assert began.wait(20)
        yield told["port"]
    finally:
        told["end"]()
        running.join(60)
        assert not running.is_alive()


def scan_mail(
    *documents: bytes, to: str = ADELE, subject: str = "Scan from second floor", name: str = "scan.pdf"
) -> EmailMessage:
    """A mail as a good printer writes it."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "printer@contoso.example", to, subject
    mail["Date"], mail["Message-ID"] = "Mon, 23 Nov 2026 09:00:00 +0000", "<1@printer.invalid>"
    mail.set_content("This E-mail was sent from the printer on the second floor.")
    for document in documents:
        mail.add_attachment(document, maintype="application", subtype="octet-stream", filename=name)
    return mail


def send(port: int, secret: str, mail: EmailMessage, user: str = "second-floor", to: Sequence[str] = (ADELE,)) -> None:
    """Send as a printer does; raises what smtplib raises."""
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as printer:
        if secret:
            printer.login(user, secret)
        printer.send_message(mail, "printer@contoso.example", list(to))


class Raw:
    """A printer that says exactly what the test says."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._file = self._socket.makefile("rb")
        self.greeting = self.answer()

    def answer(self) -> str:
        """Read one reply, of however many lines; returns its last one."""
        while True:
            line = self._file.readline().decode("ascii")
            if line[3:4] != "-":
                return line.rstrip("\r\n")

    def put(self, raw: bytes) -> None:
        """Say something as it is."""
        self._socket.sendall(raw)

    def say(self, line: str | bytes, end: bytes = b"\r\n") -> str:
        """Say a line and return the reply."""
        self.put((line.encode() if isinstance(line, str) else line) + end)
        return self.answer()

    def login(self, secret: str, name: str = "second-floor") -> str:
        """AUTH PLAIN, in one line."""
        return self.say(f"AUTH PLAIN {encoded(f'{chr(0)}{name}{chr(0)}{secret}')}")

    def mail(self, content: bytes, end: bytes = b"\r\n.\r\n") -> str:
        """Send a mail to Adele; returns the reply to its end."""
        assert self.say("MAIL FROM:<printer@contoso.example>")[:3] == "250"
        assert self.say(f"RCPT TO:<{ADELE}>")[:3] == "250"
        assert self.say("DATA")[:3] == "354"
        return self.say(content, end)

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Self:
        """Be there."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        self.close()


def encoded(text: str) -> str:
    """base64, as AUTH wants it."""
    return base64.b64encode(text.encode()).decode()


def attachment(document: bytes, head: str = "Content-Type: application/pdf", line: int = 76) -> bytes:
    """A mail of nothing but a document; ``line`` is the length of its lines, 0 for one line."""
    text = base64.b64encode(document)
    lines = [text[at : at + line] for at in range(0, len(text), line)] if line else [text]
    return (head + "\r\nContent-Transfer-Encoding: base64\r\n\r\n").encode() + b"\r\n".join(lines)
