"""One SMTP connection to the emulated Exchange Online: submission by STARTTLS and XOAUTH2.

RFC 5321 (SMTP), RFC 1870 (SIZE), RFC 3207 (STARTTLS), RFC 4954 (AUTH); the texts are Exchange's (:mod:`.smtp_replies`).
A step of the dialogue is a place of the switchboard: ``smtp_connect``, ``smtp_ehlo``, ``smtp_starttls``,
``smtp_ehlo_tls``, ``smtp_auth``, ``smtp_mail``, ``smtp_rcpt``, ``smtp_data``, ``smtp_body`` (the message),
``smtp_dot`` (its end), ``smtp_quit``. A message is held in memory, as the mailboxes hold it.
"""

import asyncio
import base64
import binascii
import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from aiosmtpd.smtp import SMTP

from .directory import Account
from .mail import from_wire
from .smtp_replies import NOT_AUTHENTICATED, TOO_LARGE, UNSUCCESSFUL
from .smtp_submission import Profile, Submission, flaw
from .switchboard import AFTER, Entry, Fault

_PIECE = 65536
_PATH = re.compile(r"(?i)(?:FROM|TO): ?<([^<>\s]{3,254})>(?: (.*))?")
_SIZE = re.compile(r"(?i)\bSIZE=(\d{1,20})\b")
_EIGHT_BIT = re.compile(r"(?i)\b(SMTPUTF8|BODY=8BITMIME)\b")
_XOAUTH2 = re.compile(r"user=([^\x01]+)\x01auth=Bearer ([^\x01]+)\x01\x01")
_CHALLENGE = b'{"status":"401","schemes":"bearer"}'


class Connection(SMTP):
    """A client's connection. aiosmtpd reads commands and changes to TLS; the rest of the dialogue is here.

    ``lost`` is called with it when it ends.
    """

    # aiosmtpd's own are too short for a token in one line (RFC 4954 section 4.5.3.1.1: 12288 octets).
    command_size_limit = 12288
    command_size_limits = defaultdict(lambda: 12288)  # noqa: RUF012 - as aiosmtpd has it
    line_length_limit = 2 * _PIECE

    def __init__(self, submission: Submission, profile: Profile, lost: Callable[["Connection"], None]) -> None:
        super().__init__(
            None,
            hostname=profile.host_name,
            ident=f"Microsoft ESMTP MAIL Service ready at {submission.cloud.clock():%a, %d %b %Y %H:%M:%S +0000}",
            data_size_limit=None,
            tls_context=submission.certificate(),
            loop=asyncio.get_running_loop(),
        )
        self._submission, self._profile, self._lost = submission, profile, lost
        self._account: Account | None = None
        self._sender = ""
        self._eight_bit = False
        self._recipients: list[str] = []

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the connection, and give its place among the mailbox's back."""
        super().connection_lost(error)
        self._lost(self)
        if self._account:
            self._submission.connections[self._account.key] -= 1
            self._account = None

    def abort(self) -> "asyncio.Task[None]":
        """End the connection at once, without a goodbye of SMTP or TLS; answer what was busy with it."""
        transport: Any = self._original_transport or self.transport
        transport.abort()
        assert self._handler_coroutine is not None
        return self._handler_coroutine

    # Faults

    def _step(self, place: str) -> Fault | None:
        """Write a step into the journal, and answer the fault that is on for it."""
        account = self._account
        board = self._submission.switchboard
        fault = board.take(place, account.key if account else None, account.tid if account else None)
        kind = fault.kind if fault else None
        path = f"/{self._profile.name}"
        board.note(Entry(self._submission.cloud.clock(), "SMTP", path, place, account.key if account else None, kind))
        return fault

    async def _troubled(self, fault: Fault | None) -> bool:
        """Do what a fault says instead of a step; False if there is none."""
        kind = fault.kind.removesuffix(AFTER) if fault else None
        match kind:
            case "reply":
                assert fault is not None
                await self.push(fault.message)
                return True
            case "cut":
                self.abort()
                await asyncio.Event().wait()  # until aiosmtpd, told that the connection is lost, cancels this
            case "silence":
                await asyncio.Event().wait()
            case "drip":
                while True:
                    await self._drip(b"250-")
        return False

    async def _drip(self, content: bytes) -> None:
        for octet in content:
            self._writer.write(bytes([octet]))
            await self._writer.drain()
            await asyncio.sleep(0.05)

    # The dialogue

    async def _handle_client(self) -> None:
        fault = self._step("smtp_connect")
        if await self._troubled(fault):
            self._writer.close()
            return
        await super()._handle_client()

    async def smtp_HELO(self, _hostname: str) -> None:  # noqa: N802 - aiosmtpd finds commands by this name
        """Refuse: who submits speaks EHLO."""
        await self.push("500 5.3.3 Unrecognized command")

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802
        """Say what is offered: AUTH only under TLS (RFC 4954 section 4).

        Without STARTTLS it is offered in the clear, as somebody between the two would who wants the token.
        """
        secure = self._tls_protocol is not None
        fault = self._step("smtp_ehlo_tls" if secure else "smtp_ehlo")
        if await self._troubled(fault):
            return
        if not hostname:
            await self.push("501 5.5.4 Invalid domain name")
            return
        self._forget()
        assert self.session is not None
        self.session.host_name, self.session.extended_smtp = hostname, True
        offered = [f"{self.hostname} Hello [127.0.0.1]", f"SIZE {self._submission.advertised_size}"]
        offered += ["DSN", "ENHANCEDSTATUSCODES"]
        if secure is (fault is None):
            offered.append("AUTH LOGIN XOAUTH2")
        elif not secure:
            offered.append("STARTTLS")
        offered += ["8BITMIME"]
        for line in offered:
            await self.push(f"250-{line}")
        await self.push("250 SMTPUTF8")

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802
        """Change to TLS."""
        fault = self._step("smtp_starttls")
        if await self._troubled(fault):
            return
        if self._tls_protocol is not None:
            await self.push("503 5.5.1 Bad sequence of commands")
            return
        if fault is not None:
            self.tls_context = self._submission.other_host()
        await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        """Authenticate by XOAUTH2, in one line or in two.

        https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth
        """
        mechanism, _, initial = (arg or "").partition(" ")
        if self._tls_protocol is None:
            self._step("smtp_auth")
            await self.push("538 5.7.11 Encryption required for requested authentication mechanism")
            return
        if self._account:
            await self.push("503 5.5.1 Bad sequence of commands")
            return
        if mechanism.upper() != "XOAUTH2":
            await self.push("504 5.7.4 Unrecognized authentication type")
            return
        if not initial:
            await self.push("334 ")
            initial = (await self._reader.readline()).decode("ascii", "replace").strip()
        try:
            given = _XOAUTH2.fullmatch(base64.b64decode(initial, validate=True).decode())
        except (binascii.Error, UnicodeDecodeError):
            given = None
        account = given and self._submission.allowed(given[1], given[2], personal=self._profile.personal)
        if account:
            self._count(account)
        fault = self._step("smtp_auth")
        if await self._troubled(fault):
            return
        if given is None:
            await self.push("501 5.5.124 Invalid XOAUTH2 auth data")
        elif account is None:
            # The challenge says why, and the client answers it with an empty line.
            await self.push(f"334 {base64.b64encode(_CHALLENGE).decode()}")
            await self._reader.readline()
            await self.push(f"{UNSUCCESSFUL} [{self.hostname}]")
        else:
            refused = self._submission.switched_off(account)
            assert self.session is not None
            self.session.authenticated = not refused
            await self.push(refused or "235 2.7.0 Authentication successful")

    def _count(self, account: Account) -> None:
        self._account = account
        shared = self._submission
        shared.connections[account.key] += 1
        shared.peak[account.key] = max(shared.peak[account.key], shared.connections[account.key])

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        """Begin a message."""
        if await self._troubled(self._step("smtp_mail")):
            return
        path = _PATH.fullmatch(arg or "")
        assert self.session is not None
        if self._account is None or not self.session.authenticated:
            await self.push(NOT_AUTHENTICATED)
        elif path is None:
            await self.push("501 5.1.7 Invalid address")
        elif self._sender:
            await self.push("503 5.5.2 Sender already specified")
        elif (size := _SIZE.search(path[2] or "")) and int(size[1]) > self._limit():
            await self.push(TOO_LARGE)
        else:
            self._sender = path[1]
            self._eight_bit = _EIGHT_BIT.search(path[2] or "") is not None
            await self.push("250 2.1.0 Sender OK")

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        """Take a recipient."""
        if await self._troubled(self._step("smtp_rcpt")):
            return
        path = _PATH.fullmatch(arg or "")
        if not self._sender:
            await self.push("503 5.5.2 Need mail command")
        elif path is None:
            await self.push("501 5.1.3 Invalid address")
        else:
            self._recipients.append(path[1])
            await self.push("250 2.1.5 Recipient OK")

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Take the message, and say what became of it."""
        if await self._troubled(self._step("smtp_data")):
            return
        if not self._recipients or arg:
            await self.push("503 5.5.2 Need rcpt command")
            return
        await self.push("354 Start mail input; end with <CRLF>.<CRLF>")
        body = await self._body()
        fault = self._step("smtp_dot")
        if fault is None or fault.kind.endswith(AFTER):
            reply = await self._submitted(body)
        if not await self._troubled(fault):
            await self.push(reply)
        self._forget()

    async def smtp_RSET(self, _arg: str) -> None:  # noqa: N802
        """Forget the message that was begun."""
        self._forget()
        await self.push("250 2.0.0 Resetting")

    async def smtp_QUIT(self, _arg: str) -> None:  # noqa: N802
        """Say goodbye."""
        if not await self._troubled(self._step("smtp_quit")):
            await self.push("221 2.0.0 Service closing transmission channel")
        self._writer.close()

    def _forget(self) -> None:
        self._sender, self._recipients = "", []

    def _limit(self) -> int:
        assert self._account is not None
        # Read anew: a switch may have changed it.
        limit = self._submission.cloud.account(self._account.key).message_limit
        return min(limit, self._submission.advertised_size)

    async def _body(self) -> bytes | None:
        """Read up to the final dot, and answer the message without the dots that were added; None if too large."""
        fault = self._step("smtp_body")
        # In front, so that a message without a line is found to end too.
        received, searched, whole = bytearray(b"\r\n"), 0, True
        while (end := received.find(b"\r\n.\r\n", searched)) < 0:
            if len(received) > self._limit() + 7:
                whole = False
                del received[:-4]
            searched = max(0, len(received) - 4)
            piece = await self._reader.read(_PIECE)
            if not piece:
                raise ConnectionResetError
            self._reset_timeout()
            received += piece
            if fault:
                await self._troubled(fault)
        if len(received) > end + 5:
            # More than the message came: nobody may speak now (no PIPELINING), so this smells of smuggling.
            self.abort()
            raise ConnectionResetError
        content = bytes(received[: end + 2]).replace(b"\r\n.", b"\r\n")[2:]
        return content if whole and len(content) <= self._limit() else None

    async def _submitted(self, content: bytes | None) -> str:
        """Deliver a message, and answer the reply."""
        assert self._account is not None
        if content is None:
            return TOO_LARGE
        refused = flaw(content, eight_bit=self._eight_bit) or self._submission.too_busy(self._account)
        if refused:
            return refused
        message = await asyncio.to_thread(from_wire, content)
        refused = self._submission.deliver(message, self._account, self._sender, self._recipients)
        return refused or f"250 2.0.0 OK {message.message_id} [Hostname={self.hostname}]"
