"""Mails of ours to a person, sent by himself to himself, as everything is."""

from __future__ import annotations

from datetime import datetime

from shared import faults, texts
from shared.mail.graph import Graph, GraphSend
from shared.mail.message import Message
from shared.mail.transport import Draft, Sender, TokenRejected


class Notices:
    """Writes and sends notices.

    Args:
        graph: says whose mailbox it is, and sends.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._transport = GraphSend(graph)

    def sign_in_ends(self, token: str, ends: datetime, locale: str) -> None:
        """Tell a person that his sign-in will end.

        Raises:
            Fault: as :meth:`shared.mail.Transport.send`; OutcomeUnknown among them.
        """
        try:
            self._send(token, ends, texts.negotiate(locale))
        except TokenRejected:
            raise faults.MicrosoftUnavailable("a fresh token was rejected") from None

    def _send(self, token: str, ends: datetime, language: str) -> None:
        mailbox = self._graph.me(token)
        if mailbox.address is None:
            raise faults.NoMailbox("no mail address")
        day = f"{ends:%Y-%m-%d}"
        message = Message(
            job="notice-sign-in-ends",
            subject=texts.say("Sign in again for To My Email before {day}", language, day=day),
            text="\n\n".join(
                (
                    texts.say(
                        "By a rule of your organisation, your sign-in for To My Email ends on {day}.", language, day=day
                    ),
                    texts.say(
                        "Until then your scans arrive as usual. Choose To My Email at the printer and sign in again "
                        "before that day, and nothing changes for you.",
                        language,
                    ),
                )
            ),
        )
        sender = Sender(mailbox.oid, mailbox.address)
        self._transport.send(token, sender, message, None, Draft("", look=False, remember=lambda _: None))
