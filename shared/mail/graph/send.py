"""sendMail: one request, the whole mail in it. Nobody can be asked afterwards what became of it.

Only 202 counts as sent: an oversize request has been answered 200 and not sent.
"""

from __future__ import annotations

import requests

from shared import faults
from shared.mail.graph.body import LARGEST_DOCUMENT, attachment_fields, body_of, message_fields
from shared.mail.graph.client import REQUEST_LIMIT, SEND_SECONDS, Graph
from shared.mail.graph.refusals import known
from shared.mail.message import Message
from shared.mail.transport import Document, Draft, Sender
from shared.organisations.ranges import SEND_MAIL

_ACCEPTED, _UNAVAILABLE = 202, 503


class GraphSend:
    """The transport that needs Mail.Send alone.

    Args:
        graph: makes the calls.
    """

    slug = "graph"
    scopes: tuple[str, ...] = SEND_MAIL
    slots = 4
    """Microsoft Graph, "Throttling limits": four requests at a time per app and mailbox."""
    verified = False

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def send(self, token: str, sender: Sender, message: Message, document: Document | None, draft: Draft) -> None:  # noqa: ARG002
        """Send as :meth:`shared.mail.transport.Transport.send` says; ``draft`` is left alone."""
        attachments = [] if document is None else [attachment_fields(message)]
        fields = {"message": {**message_fields(message, sender), "attachments": attachments}}
        body = body_of(fields, document)
        if len(body) > REQUEST_LIMIT:
            raise faults.TooLarge("request", limit=LARGEST_DOCUMENT)
        try:
            answer = self._graph.call(
                "POST",
                "/sendMail",
                token,
                headers={"Content-Type": "application/json"},
                seconds=SEND_SECONDS,
                data=body,
            )
        except requests.RequestException as error:
            # Before its last piece is handed over nothing can have been sent, whatever broke; after it nobody knows,
            # even where it was TLS that broke.
            if not body.ended:
                raise faults.NoConnection(type(error).__name__, retry_after=30) from None
            raise faults.OutcomeUnknown(type(error).__name__) from None
        if answer.status_code == _ACCEPTED:
            return
        status = answer.status_code
        clear = status < requests.codes.server_error or status == _UNAVAILABLE or known(answer) is not None
        if status < requests.codes.bad_request or not clear:
            # 200 although not sent and 504 although sent have both been seen: nobody knows.
            raise faults.OutcomeUnknown(f"status {status}")
        raise self._graph.refusal(answer, 0 if document is None else document.size)
