"""The message and how it travels.

Owns: what a mail to oneself says, clean in every header, and the transports with their errors. Today
there is one transport: Microsoft Graph's sendMail. Does not own: tokens (handed in per call) or the
state of a job (``scans``). It may import ``shared.faults`` and ``shared.texts``.
"""

from shared.mail.graph import Graph, Mailbox, TokenRejected
from shared.mail.message import Message, clean, file_name
from shared.mail.notices import Notices
from shared.mail.smtp import Smtp
from shared.mail.transport import Document, Draft, Sender, Transport

__all__ = [
    "Document",
    "Draft",
    "Graph",
    "Mailbox",
    "Message",
    "Notices",
    "Sender",
    "Smtp",
    "TokenRejected",
    "Transport",
    "clean",
    "file_name",
]
