"""Whether Graph answers, and whether there is a mailbox: asked without sending anything."""

from __future__ import annotations

from http import HTTPStatus

from shared.mail.graph.client import Graph
from shared.mail.graph.refusals import codes

UNSENDABLE = b"*"
"""Where MIME in base64 belongs, and is neither (Microsoft Graph, "user: sendMail": 400 for such a body)."""
UNREADABLE = "ErrorMimeContentInvalidBase64String"
"""What that is answered with where there is a mailbox; whether it is looked for first is not documented."""


def require_answer(graph: Graph) -> None:
    """Let Graph refuse a request that proves nothing.

    Raises:
        Passing: it does not answer, or has a trouble of its own.
    """
    answer = graph.ask("GET", "", "")
    if answer.status_code != HTTPStatus.UNAUTHORIZED:
        raise graph.refusal(answer)


def shows_mailbox(graph: Graph, token: str, *, readable: bool) -> bool:
    """Ask for the mailbox of a token; False: Graph does not deny that there is one, which proves nothing.

    Args:
        graph: makes the call.
        token: for Graph.
        readable: it may read mail: then the mailbox itself is looked at. Else only a mail can be offered, and one is
            that cannot be sent.

    Raises:
        NoMailbox: there is none.
        Fault, TokenRejected: what else Graph said.
    """
    if readable:
        answer = graph.ask("GET", "/mailFolders/drafts", token, params={"$select": "id"})
        if answer.status_code == HTTPStatus.OK:
            return True
    else:
        headers = {"Content-Type": "text/plain"}
        answer = graph.ask("POST", "/sendMail", token, headers=headers, data=UNSENDABLE)
        if answer.status_code == HTTPStatus.BAD_REQUEST and UNREADABLE in codes(answer):
            return False
    raise graph.refusal(answer)
