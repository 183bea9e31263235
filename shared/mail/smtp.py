"""SMTP submission to Exchange Online and Outlook.com, with somebody's own token (RFC 6409, RFC 5321).

Source: Microsoft, "Authenticate an IMAP, POP or SMTP connection using OAuth" (XOAUTH2, STARTTLS on port 587).

What is known of a mail changes at one place. Before the final dot nothing can have been sent, whatever broke
(RFC 5321 section 4.1.1.4: a mail without it is discarded). A 250 after it is the only success, and a clear refusal
after it is one. Anything else after it leaves the outcome open (RFC 1047).
"""

from __future__ import annotations

import base64
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from threading import Timer
from urllib.parse import urlsplit

from shared import faults
from shared.mail import replies
from shared.mail.message import Message
from shared.mail.mime import Mime, largest_document
from shared.mail.transport import Document, Draft, Sender, TokenRejected

SCOPES = ("https://outlook.office.com/SMTP.Send",)
"""Consented as Graph's SMTP.Send, redeemed under this name."""
SLOTS = 3
"""Exchange's limit of connections for one mailbox."""
DEFAULT_LIMIT = 35 * 1024 * 1024
"""Octets of a mail that a mailbox of Exchange Online takes unless its administrator decides otherwise."""
GOODBYE_SECONDS = 5.0
NO_REASON = "(no reason given)"
"""End of the note of a fault that Exchange gives no reason for."""
_AUTHENTICATED, _CONTINUE, _OK, _SEND_IT, _READY = 235, 334, 250, 354, 220
_TOKEN = re.compile(r"[\x21-\x7e]{1,8000}")


@dataclass(frozen=True)
class Patience:
    """Seconds. ``reply`` and ``final`` are waited for a silent server; ``whole`` ends a dialogue that goes on and on.

    RFC 5321 section 4.5.3.2 gives a server ten minutes after the final dot; a function has no more for everything.
    """

    reply: float = 30.0
    final: float = 300.0
    whole: float = 540.0


@dataclass(frozen=True)
class Heard:
    """What a server said to somebody who sends nothing. Octets; 0: it announced no size."""

    announced: int
    """To a stranger. Exchange Online says the ceiling of all its tenants here."""
    announced_to_owner: int
    """To whom had proven to be the mailbox's owner; 0 as well where nobody was."""
    refused: faults.Fault | None = None
    """Why the owner was not let in."""


class Smtp:
    """A transport (:class:`shared.mail.transport.Transport`): one connection for each mail.

    Args:
        slug: exchange-smtp or outlook-smtp.
        server: ``host:port``; STARTTLS is required there, with a certificate for this host.
        public_url: origin of this service; its host name is said in EHLO and stands in every Message-ID.
        clock: the time now, for Date.
        patience: how long anything is waited for.
    """

    scopes: tuple[str, ...] = SCOPES
    slots = SLOTS
    verified = False

    def __init__(
        self,
        slug: str,
        server: str,
        public_url: str,
        clock: Callable[[], datetime],
        patience: Patience = Patience(),
    ) -> None:
        self.slug = slug
        self._host, _, port = server.rpartition(":")
        self._port = int(port)
        self._domain = urlsplit(public_url).hostname or "localhost"
        self._clock = clock
        self._patience = patience

    def send(self, token: str, sender: Sender, message: Message, document: Document | None, draft: Draft) -> None:  # noqa: ARG002  (SMTP leaves no draft)
        """Send ``message`` as :meth:`shared.mail.transport.Transport.send` says.

        Raises:
            TokenRejected: as there; its ``lasting`` says what a second one means.
            Fault: as there, and what the document raises while it is read; nothing was sent then.
        """
        with _nothing_sent():
            mail = Mime(sender, message, document, self._domain, self._clock())
            with self._connected() as server:
                limit = _announced_limit(server)
                if limit and mail.size > limit:
                    raise faults.TooLarge("smtp SIZE", limit=largest_document(limit - mail.overhead))
                # A mailbox may take less than the server announces, and says so without a number.
                known = [largest_document(DEFAULT_LIMIT - mail.overhead), document.size - 1 if document else 0]
                dialogue = _Dialogue(server, room=min(known))
                dialogue.authenticate(sender.address, token)
                dialogue.require("mail", f"MAIL FROM:<{sender.address}> SIZE={mail.size}", _OK)
                for recipient in mail.recipients:
                    dialogue.require("rcpt", f"RCPT TO:<{recipient}>", _OK)
                dialogue.require("data", "DATA", _SEND_IT)
                for piece in mail.chunks():
                    server.send(stuffed(piece))
                dialogue.finish(self._patience)

    def ask(self, token: str = "", address: str = "") -> Heard:
        """Connect, prove to be the owner of ``address`` where there is a token, and say goodbye. Nothing is sent.

        Raises:
            Passing: there is no safe connection, or the server does not speak as it should.
        """
        with _nothing_sent(), self._connected() as server:
            announced, owner, refused = _announced_limit(server), 0, None
            if token:
                try:
                    _Dialogue(server, room=0).authenticate(address, token)
                    _require("ehlo", server.ehlo(), _OK)
                    owner = _announced_limit(server)
                except TokenRejected as rejected:
                    refused = rejected.lasting(f"smtp auth 535 {NO_REASON}")
                except faults.Fault as fault:
                    refused = fault
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
            return Heard(announced, owner, refused)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """Hold a connection under TLS."""
        server = smtplib.SMTP(timeout=self._patience.reply, local_hostname=self._domain)
        timer = Timer(self._patience.whole, lambda: _hang_up(server))
        timer.daemon = True
        timer.start()
        try:
            self._begin(server)
            yield server
        finally:
            timer.cancel()
            # No QUIT where something went wrong: a mail that is half there is dropped with its connection.
            server.close()

    def _begin(self, server: smtplib.SMTP) -> None:
        """Connect, and change to TLS: without it not even a name is said (F14)."""
        # smtplib checks the certificate against this name, and its connect() would set another one.
        server._host = self._host  # type: ignore[attr-defined]  # noqa: SLF001
        _require("connect", server.connect(self._host, self._port), _READY)
        _require("ehlo", server.ehlo(), _OK)
        if not server.has_extn("starttls"):
            raise faults.NoConnection("smtp without STARTTLS", retry_after=30)
        _require("starttls", server.starttls(context=self._tls), _READY)
        _require("ehlo", server.ehlo(), _OK)
        if "XOAUTH2" not in server.esmtp_features.get("auth", "").upper().split():
            raise faults.MicrosoftUnavailable("smtp without XOAUTH2", retry_after=30)


class _Dialogue:
    """What is said under TLS. ``room`` is how many bytes of a document fit, for whom is told that it is too large."""

    def __init__(self, server: smtplib.SMTP, room: int) -> None:
        self._server = server
        self._room = room

    def require(self, step: str, command: str, wanted: int) -> None:
        """Send a command and require its answer."""
        _require(step, self._server.docmd(command), wanted, room=self._room)

    def authenticate(self, user: str, token: str) -> None:
        """Authenticate by XOAUTH2 in two steps: tokens are longer than a command line may be."""
        if not _TOKEN.fullmatch(token):
            raise TokenRejected(None)
        secret = base64.b64encode(f"user={user}\x01auth=Bearer {token}\x01\x01".encode()).decode()
        answer = self._server.docmd("AUTH", "XOAUTH2")
        if answer[0] == _CONTINUE:
            answer = self._server.docmd(secret)
        if answer[0] == _CONTINUE:
            # Why not, in base64; an empty line asks for the plain reply.
            answer = self._server.docmd("")
        _require("auth", answer, _AUTHENTICATED, room=self._room)

    def finish(self, patience: Patience) -> None:
        """Send the final dot and read the verdict."""
        sock = self._server.sock
        assert sock is not None
        try:
            sock.settimeout(patience.final)
            # From here on the mail may have been sent.
            self._server.send(b".\r\n")
            code, text = self._server.getreply()
        except Exception as error:  # noqa: BLE001  (whatever it is, nobody knows what became of the mail)
            raise faults.OutcomeUnknown(f"smtp {type(error).__name__}") from None
        if code != _OK and code // 100 not in {4, 5}:
            raise faults.OutcomeUnknown(f"smtp dot {code}")
        _require("dot", (code, text), _OK, room=self._room)
        with suppress(OSError, smtplib.SMTPException):
            # The mail is theirs already; a goodbye gives its place among the mailbox's connections back at once.
            sock.settimeout(min(patience.reply, GOODBYE_SECONDS))
            self._server.quit()


@contextmanager
def _nothing_sent() -> Iterator[None]:
    """Say what broke before the final dot; what breaks after it is a fault when it comes here."""
    try:
        yield
    except (faults.Fault, TokenRejected):
        raise
    except (OSError, smtplib.SMTPException) as error:
        # Only the type: the texts of both can quote the server, and that can quote addresses.
        raise faults.NoConnection(f"smtp {type(error).__name__}", retry_after=30) from None
    except Exception as error:  # noqa: BLE001  (a bug of ours, and still: nothing was sent)
        raise faults.Unexpected(f"smtp {type(error).__name__}") from None


def stuffed(lines: bytes) -> bytes:
    """Return whole lines with a dot added before every leading dot (RFC 5321 section 4.5.2)."""
    return (b"." if lines.startswith(b".") else b"") + lines.replace(b"\r\n.", b"\r\n..")


def _announced_limit(server: smtplib.SMTP) -> int:
    """Return how many octets a mail may have (RFC 1870 section 4), 0 where that is not said."""
    said = server.esmtp_features.get("size", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) <= 20 else 0  # noqa: PLR2004


def _require(step: str, answer: tuple[int, bytes], wanted: int, *, room: int = 0) -> None:
    code, text = answer
    if code != wanted:
        raise replies.refusal(step, code, text, limit=room)


def _hang_up(server: smtplib.SMTP) -> None:
    """End the connection under whoever waits for it."""
    sock = server.sock
    if sock is not None:
        with suppress(OSError):
            # Not SSLSocket's own: it would take the TLS away from a thread that is using it.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
