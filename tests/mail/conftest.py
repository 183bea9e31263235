"""A mailbox in the emulated Microsoft, the transports before it, and a job that is delivered in attempts."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.microsoft.cloud import Cloud
from local.microsoft.keys import KeyRing
from local.microsoft.records import AccessToken
from local.microsoft.server import running
from local.microsoft.switchboard import Switchboard
from local.tls import Tls
from shared import faults
from shared.mail import Draft, Graph, GraphDraft, Message, Sender

TOKEN = "token-canary"
ACCOUNT = "contoso/adele"
ADDRESS = "adele.vance@contoso.example"
JOB = "33333333-0000-4000-8000-000000000000"


@dataclass
class Bytes:
    """A document that is proven like a stored one: its last piece comes only if the hash is right."""

    content: bytes
    sha256: str = ""
    piece: int = 1 << 20
    size: int = 0
    reads: int = 0

    def __post_init__(self) -> None:
        self.size = self.size or len(self.content)
        self.sha256 = self.sha256 or hashlib.sha256(self.content).hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """Yield pieces; the last one proven."""
        self.reads += 1
        digest, held = hashlib.sha256(), b""
        for start in range(0, len(self.content), self.piece):
            if held:
                yield held
            held = self.content[start : start + self.piece]
            digest.update(held)
        if digest.hexdigest() != self.sha256:
            raise faults.DocumentMismatch("hash")
        yield held


@dataclass
class Clock:
    """Time that stands still until a test moves it."""

    now: datetime = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Answer the time."""
        return self.now

    def advance(self, **amount: float) -> None:
        """Let time pass."""
        self.now += timedelta(**amount)


@dataclass
class Mailroom:
    """Adele's mailbox, and one job that a delivery tries to send by drafts."""

    cloud: Cloud
    switchboard: Switchboard
    url: str
    clock: Clock
    graph: Graph
    drafts: GraphDraft
    slept: list[float]
    written: str = ""
    words: list[str] = field(default_factory=list)
    attempted: bool = False
    text: str = "text"

    def remember(self, word: str) -> None:
        """Write down, as a delivery does in the job's row."""
        self.written = word
        self.words.append(word)

    def draft(self, **changes: Any) -> Draft:
        """What the row says now."""
        given: dict[str, Any] = {"id": self.written, "look": self.attempted, "remember": self.remember}
        return Draft(**(given | changes))

    def attempt(self, document: Bytes | None, job: str = JOB, **changes: Any) -> None:
        """One attempt to deliver the job."""
        draft = self.draft(**changes)
        self.attempted = True
        message = Message(job, "Lease", self.text, "lease.pdf", "application/pdf")
        self.drafts.send(TOKEN, Sender("oid", ADDRESS), message, document, draft)

    def deliver(self, document: Bytes | None, attempts: int = 60) -> int:
        """Attempt until it is sent, waiting as told; returns how many attempts it took."""
        for number in range(1, attempts + 1):
            try:
                self.attempt(document)
            except faults.Passing as fault:
                # A fault that names no time is tried again at once, and would use up the attempts.
                self.clock.advance(seconds=fault.retry_after or 0)
            else:
                return number
        raise AssertionError("never sent")

    def inbox(self) -> list[Any]:
        """What has arrived."""
        return self.cloud.mailboxes.inbox(ACCOUNT)

    def arrived(self) -> list[list[str]]:
        """The SHA-256 of every attachment of every mail that has arrived."""
        return [[attachment.sha256 for attachment in message.attachments] for message in self.inbox()]

    def asked(self) -> list[str]:
        """The endpoints that were asked, in order."""
        return [entry.where for entry in self.switchboard.journal()]

    def asked_for(self) -> list[str]:
        """Method and endpoint of what was asked, in order."""
        return [f"{entry.method} {entry.where}" for entry in self.switchboard.journal()]


def allow(cloud: Cloud) -> None:
    """Let TOKEN be one of Adele's, with every permission that a transport asks for, for two days."""
    adele = cloud.account(ACCOUNT)
    scopes = frozenset({"Mail.Send", "User.Read", "Mail.ReadWrite"})
    expires = cloud.clock() + timedelta(days=2)
    cloud.keep_access_token(
        AccessToken(TOKEN, "client", ACCOUNT, adele.tid, "https://graph.microsoft.com", scopes, expires)
    )


@pytest.fixture
def still() -> Clock:
    """The time, standing still."""
    return Clock()


@pytest.fixture
def room(still: Clock, tls: Tls, signing_keys: KeyRing) -> Iterator[Mailroom]:
    """A mailbox and the transports before it."""
    cloud = Cloud(clock=still, keys=signing_keys)
    allow(cloud)
    cloud.change_account(ACCOUNT, message_limit=200 * 1024 * 1024)
    switchboard = Switchboard(cloud)
    slept: list[float] = []
    with running(cloud, tls, switchboard=switchboard) as url:
        graph = Graph(url, still)
        yield Mailroom(cloud, switchboard, url, still, graph, GraphDraft(graph, slept.append), slept)
