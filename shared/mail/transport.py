"""What a transport is: the one thing that ``scans`` knows of how a mail leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from shared import faults
from shared.mail.message import Message


class TokenRejected(Exception):
    """The mail service did not take the access token; nothing was done.

    Attributes:
        claims: the claims challenge, as JSON, where there was one (Microsoft, "Claims challenges, claims requests
            and client capabilities").
        lasting: what it means if a fresh token is not taken either.
    """

    def __init__(self, claims: str | None, lasting: type[faults.Fault] = faults.MicrosoftUnavailable) -> None:
        super().__init__("claims challenge" if claims else "token rejected")
        self.claims = claims
        self.lasting = lasting


class Document(Protocol):
    """The bytes of an attachment, as often as they are asked for and never all at once."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes from their start, in pieces of at most 4 MiB; each call begins anew.

        The last piece comes only after all of them proved to be the bytes that were accepted.

        Raises:
            DocumentMissing: they are gone.
            DocumentMismatch: they are others than were accepted; the last piece was not yielded.
        """


@dataclass(frozen=True)
class Sender:
    """The mailbox that a mail leaves from, that owns the token, and to which a mail to oneself goes."""

    oid: str
    address: str


@dataclass(frozen=True)
class Draft:
    """What an earlier attempt left in the mailbox, and how to remember what this one leaves there."""

    id: str
    """Immutable id of the draft that an earlier attempt wrote down; or empty."""
    look: bool
    """Whether an earlier attempt may have gone further than it wrote down."""
    remember: Callable[[str], None]
    """Writes the id down; it is called before anything is done with the draft."""


class Transport(Protocol):
    """One way out. Built once for a process and used by many threads."""

    slug: str
    """graph, graph-draft, exchange-smtp or outlook-smtp: for logs, rows and figures."""
    scopes: tuple[str, ...]
    """Of the access token that :meth:`send` takes."""
    slots: int
    """Most deliveries that may be under way at once for one mailbox, over all processes."""
    verified: bool
    """Whether the mailbox can be asked what became of a mail: then nothing is ever sent twice or left uncertain."""

    def send(self, token: str, sender: Sender, message: Message, document: Document | None, draft: Draft) -> None:
        """Send ``message`` from the mailbox, to itself or to the message's recipients.

        Returning means that the mail service has taken it over: submitted, not yet delivered.

        Raises:
            TokenRejected: another access token is needed; nothing was sent.
            TooLarge: the service takes less than this; nothing was sent.
            OutcomeUnknown: it was handed over and no clear answer came. A verified transport never raises it: it
                raises a passing fault, and looks into the mailbox at the next attempt.
            Passing: nothing was sent; try again when the fault says.
            Fault: refused; nothing was sent.
        """
