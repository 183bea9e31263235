"""SMTP as printers speak it: aiosmtpd's protocol (RFC 5321, 3207, 4954), and what real printers do to it.

Taken beyond the RFCs: ``auth login`` in lower case, AUTH after HELO, AUTH= at MAIL, words after QUIT, RSET and
DATA, 8-bit bytes in commands and headers, and what ``reading`` takes.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from to_my_email_gateway import replies
from to_my_email_gateway.handover import Handing, log
from to_my_email_gateway.printers import Printer, Printers
from to_my_email_gateway.reading import read_mail
from to_my_email_gateway.replies import Reply
from to_my_email_gateway.settings import Settings

COMMAND_SECONDS = 120.0
"""A printer that says nothing for so long is hung up on; so is one that says too little in a TLS handshake."""
MAIL_SECONDS = 900.0
"""For the whole of one mail."""
HANDOVER_SECONDS = 1800.0
"""For the service to take it; the printer mostly gives up long before, and comes again."""
WRONG_SECRETS = 3
"""Of one connection."""
RECIPIENTS = 100
"""Of one mail (RFC 5321 section 4.5.3.1.8)."""
LINE = 65_536
"""Bytes of a line that are held at once; longer ones come in pieces."""
_COMMAND = 2048
_AUTH_PARAMETER = re.compile(r"\s+AUTH=\S*", re.IGNORECASE)


@dataclass
class Gate:
    """What all connections of a gateway share, the open ones included."""

    settings: Settings
    printers: Printers
    handing: Handing
    hands: ThreadPoolExecutor
    """Hand mails over."""
    locks: ThreadPoolExecutor
    """Compare secrets: on threads of their own, so that guessing takes none from printers that are let in."""
    tls: Any = None
    open: set[SmtpSession] = field(default_factory=set)
    handed: set[asyncio.Future[Reply]] = field(default_factory=set)
    """What is being handed over now."""

    def crowded(self, mine: SmtpSession) -> bool:
        """Whether a connection is one too many."""
        of_one = sum(each.address == mine.address for each in self.open)
        return len(self.open) > self.settings.connections or of_one > self.settings.connections_of_one


class Incoming(Envelope):
    """A mail on its way in: whom it is for, by the service's ids. No address is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.people: list[str] = []

    def add(self, person: str) -> None:
        """Send it to one more person."""
        if person not in self.people:
            self.people.append(person)
        self.rcpt_tos.append(person)


class _Hooks:
    """What aiosmtpd asks of a handler."""

    async def handle_MAIL(  # noqa: N802  (aiosmtpd's names)
        self, server: SmtpSession, _session: Any, envelope: Incoming, address: str, _options: list[str]
    ) -> str:
        rules = server.gate.settings.people
        if rules.by == "sender":
            person = rules.find(address)
            if person is None:
                return str(replies.UNKNOWN_SENDER)
            envelope.people.append(person)
        envelope.mail_from = "known"  # aiosmtpd only asks whether there was one
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SmtpSession, _session: Any, envelope: Incoming, address: str, _options: list[str]
    ) -> str:
        rules = server.gate.settings.people
        if len(envelope.rcpt_tos) >= RECIPIENTS:
            return str(replies.TOO_MANY_RECIPIENTS)
        if rules.by == "sender":
            envelope.rcpt_tos.append("anybody")
            return "250 2.1.5 OK"
        person = rules.find(address)
        if person is None:
            return str(replies.UNKNOWN_RECIPIENT)
        envelope.add(person)
        return "250 2.1.5 OK"

    async def handle_exception(self, error: Exception) -> str:
        log.error("fault: %s in a session", type(error).__name__)
        return str(replies.TROUBLE)


class SmtpSession(SMTP):
    """One printer's connection."""

    line_length_limit = LINE
    # A class attribute in aiosmtpd, which adds to it at every EHLO; ours is long enough and each session's own.
    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"

    def __init__(self, gate: Gate) -> None:
        self.command_size_limits = defaultdict(lambda: _COMMAND)
        self.command_size_limit = _COMMAND
        self.gate = gate
        self.address = ""
        self._counted = False
        self._wrong = 0
        self._asked: LoginPassword | None = None
        super().__init__(
            _Hooks(),
            data_size_limit=gate.settings.mail,
            enable_SMTPUTF8=True,
            hostname="to-my-email-gateway",
            ident="ready",
            tls_context=gate.tls,
            require_starttls=gate.settings.require_tls,
            timeout=COMMAND_SECONDS,
            auth_require_tls=gate.settings.require_tls,
            authenticator=self._ask,
            loop=asyncio.get_running_loop(),
        )

    # Coming and going

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection; a second time, after STARTTLS, it is the same one."""
        if not self._counted:
            self._counted = True
            peer = transport.get_extra_info("peername")
            self.address = str(peer[0]) if peer else ""
            self.gate.open.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Count it no more."""
        self.gate.open.discard(self)
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        if self.gate.crowded(self):
            await self.push(str(replies.BUSY))
            if self.transport is not None:
                self.transport.close()
            return
        await super()._handle_client()

    def _create_envelope(self) -> Envelope:
        return Incoming()

    # Who may

    @property
    def printer(self) -> Printer | None:
        """The printer that has proved itself in this session (anew after STARTTLS), or is known by its address."""
        proved = self.session.auth_data if self.session is not None else None
        return proved if isinstance(proved, Printer) else self.gate.printers.at(self.address)

    async def check_auth_needed(self, caller_method: str) -> bool:  # noqa: ARG002  (aiosmtpd's)
        """Refuse whoever is no printer of ours."""
        if self.printer is None:
            await self.push(str(replies.NOT_LET_IN))
            return True
        return False

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        """AUTH PLAIN and LOGIN, in any case, and after HELO as well."""
        assert self.session is not None
        if self.session.host_name:
            self.session.extended_smtp = True
        mechanism, _, initial = (arg or "").strip().partition(" ")
        self._asked = None
        await super().smtp_AUTH(f"{mechanism.upper()} {initial}".strip())
        if self._asked is None:
            return  # answered already
        name, secret = (each.decode("utf-8", "replace") for each in self._asked)
        self._asked = None
        loop = asyncio.get_running_loop()
        printer = await loop.run_in_executor(self.gate.locks, self.gate.printers.verified, name, secret)
        if printer is not None:
            self.session.authenticated = True
            self.session.auth_data = printer
            await self.push("235 2.7.0 Welcome")
            return
        self._wrong += 1
        log.warning("wrong secret from %s", self.address)
        await self.push(str(replies.WRONG_SECRET if self._wrong < WRONG_SECRETS else replies.TOO_MANY_SECRETS))
        if self._wrong >= WRONG_SECRETS and self.transport is not None:
            self.transport.close()

    def _ask(self, *asked: Any) -> AuthResult:
        """Keep what was said for a thread to compare. To aiosmtpd it has failed, and only we say otherwise."""
        self._asked = asked[-1]
        return AuthResult(success=False, handled=True)

    # Commands as printers say them

    async def smtp_QUIT(self, arg: str) -> None:  # noqa: ARG002, N802
        """QUIT, with whatever stands behind it."""
        await super().smtp_QUIT("")

    async def smtp_RSET(self, arg: str) -> None:  # noqa: ARG002, N802
        """RSET, likewise."""
        await super().smtp_RSET("")

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        """MAIL, whose AUTH= counts for nothing (RFC 4954 section 5)."""
        await super().smtp_MAIL(_AUTH_PARAMETER.sub("", arg) if arg else arg)

    async def smtp_VRFY(self, arg: str) -> None:  # noqa: ARG002, N802
        """Tell nothing about anybody."""
        await self.push("252 2.5.0 Send the mail and see")

    # The mail

    async def smtp_DATA(self, arg: str) -> None:  # noqa: ARG002, N802
        """Take a mail into a file without a name, and answer when the service has what is in it."""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        printer, envelope = self.printer, self.envelope
        assert printer is not None
        assert isinstance(envelope, Incoming)
        if not envelope.rcpt_tos:
            await self.push("503 5.5.1 Say RCPT first")
            return
        await self.push("354 End with a dot on a line of its own")
        self._reset_timeout(MAIL_SECONDS)
        # Not closed here: whoever is handed the mail does, even when the printer has gone meanwhile.
        mail = tempfile.TemporaryFile(dir=self.gate.handing.work)  # noqa: SIM115
        try:
            refused = await read_mail(self._reader, mail, self.gate.settings.mail)
        except BaseException:
            mail.close()
            raise
        self.envelope = Incoming()
        if refused is not None:
            mail.close()
            await self.push(str(refused))
            return
        self._reset_timeout(HANDOVER_SECONDS)
        handed = asyncio.wrap_future(
            self.gate.hands.submit(self.gate.handing.receive, mail, printer, tuple(envelope.people))
        )
        self.gate.handed.add(handed)
        handed.add_done_callback(self.gate.handed.discard)
        # A printer that hangs up takes nothing back: it asks again, and the answer is there.
        reply = await asyncio.shield(handed)
        self._reset_timeout()
        await self.push(str(reply))
