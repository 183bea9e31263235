"""The message and how it travels.

Owns: what a mail to oneself says, clean in every header, and the transports with their errors and
the choice between them. Does not own: tokens (handed in per call) or the state of a job (``scans``). It may import
``shared.faults``, ``shared.texts``, ``shared.outbound`` and, for ranges and policies, ``shared.organisations``.
"""

from typing import TYPE_CHECKING

from shared.exports import exported

if TYPE_CHECKING:
    from shared.mail.graph import Graph, GraphDraft, GraphSend, Mailbox
    from shared.mail.mailboxes import Mailboxes
    from shared.mail.message import Message, clean, file_name
    from shared.mail.notices import Notices
    from shared.mail.smtp import Heard, Smtp
    from shared.mail.transport import Document, Draft, Sender, TokenRejected, Transport
    from shared.mail.transports import Transports

__all__ = [
    "Document",
    "Draft",
    "Graph",
    "GraphDraft",
    "GraphSend",
    "Heard",
    "Mailbox",
    "Mailboxes",
    "Message",
    "Notices",
    "Sender",
    "Smtp",
    "TokenRejected",
    "Transport",
    "Transports",
    "clean",
    "file_name",
]

__getattr__ = exported(
    __name__,
    {
        "Graph": "graph",
        "GraphDraft": "graph",
        "GraphSend": "graph",
        "Mailbox": "graph",
        "Mailboxes": "mailboxes",
        "Message": "message",
        "clean": "message",
        "file_name": "message",
        "Notices": "notices",
        "Heard": "smtp",
        "Smtp": "smtp",
        "Document": "transport",
        "Draft": "transport",
        "Sender": "transport",
        "TokenRejected": "transport",
        "Transport": "transport",
        "Transports": "transports",
    },
)
