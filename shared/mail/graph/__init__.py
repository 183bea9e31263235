"""Microsoft Graph as a way out: whose mailbox a token is for, sendMail, and drafts that can be looked up.

``client`` makes the calls, ``refusals`` says what an answer means, ``body`` streams a message, ``send`` and ``draft``
are the transports; ``messages`` and ``upload`` are the calls that drafts are made of; ``presence`` looks and sends
nothing. Sources: Microsoft Graph, "user:
sendMail", "message: send", "Attach large files to Outlook messages", "Obtain immutable identifiers for Outlook
resources", "Microsoft Graph error responses and resource types", "Microsoft Graph throttling guidance".
"""

from shared.mail.graph.client import Graph, Mailbox
from shared.mail.graph.draft import GraphDraft
from shared.mail.graph.send import GraphSend
from shared.mail.transport import TokenRejected

__all__ = ["Graph", "GraphDraft", "GraphSend", "Mailbox", "TokenRejected"]
