"""The calls to Microsoft Graph, and whose mailbox a token is for."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import requests

from shared import faults
from shared.mail.graph.refusals import refusal
from shared.outbound import CONNECT_SECONDS, READ_SECONDS, OutboundSession

SEND_SECONDS = 60
"""How long an answer to a call that takes a whole message is waited for."""
REQUEST_LIMIT = 4 * 1024 * 1024
"""Bytes of one request to Graph ("The maximum request length supported is 4MB")."""


@dataclass(frozen=True)
class Mailbox:
    """The mailbox that owns a token, as Graph's ``/me`` tells it."""

    oid: str
    address: str | None
    """``mail``; None where the account has no mail address."""
    user_principal_name: str


class Graph:
    """Microsoft Graph, with somebody's delegated token per call.

    Args:
        graph_url: origin of Graph.
        clock: the time now.
    """

    def __init__(self, graph_url: str, clock: Callable[[], datetime]) -> None:
        self.url = graph_url
        self.clock = clock
        self._session = OutboundSession(lambda: clock().timestamp())

    def me(self, token: str) -> Mailbox:
        """Return whose mailbox ``token`` is for.

        Raises:
            TokenRejected: another access token is needed.
            Passing: Graph cannot be reached or is busy.
            Fault: Graph refuses.
        """
        answer = self.ask("GET", "", token, params={"$select": "id,mail,userPrincipalName"})
        if answer.status_code != requests.codes.ok:
            raise self.refusal(answer)
        try:
            found = answer.json()
            mail = found.get("mail")
            return Mailbox(str(found["id"]).lower(), str(mail) if mail else None, str(found["userPrincipalName"]))
        except (ValueError, KeyError, AttributeError, RecursionError):
            raise faults.MicrosoftUnavailable("answer of /me", retry_after=30) from None

    def ask(
        self,
        method: str,
        path: str,
        token: str,
        *,
        headers: dict[str, str] | None = None,
        seconds: float = READ_SECONDS,
        **given: Any,
    ) -> requests.Response:
        """Make one call below ``/v1.0/me`` that is harmless to repeat, and return whatever Graph answers.

        Raises:
            NoConnection: there was no answer.
        """
        try:
            return self.call(method, path, token, headers=headers, seconds=seconds, **given)
        except requests.RequestException as error:
            raise faults.NoConnection(type(error).__name__, retry_after=30) from None

    def call(
        self,
        method: str,
        path: str,
        token: str,
        *,
        headers: dict[str, str] | None = None,
        seconds: float = READ_SECONDS,
        **given: Any,
    ) -> requests.Response:
        """Make one call below ``/v1.0/me``.

        Raises:
            requests.RequestException: there was no answer.
        """
        return self._session.request(
            method,
            f"{self.url}/v1.0/me{path}",
            # By its own id Microsoft finds a call again (Microsoft Graph, "Best practices").
            headers={"Authorization": f"Bearer {token}", "client-request-id": str(uuid.uuid4()), **(headers or {})},
            timeout=(CONNECT_SECONDS, seconds),
            **given,
        )

    def bare(self, method: str, url: str, **given: Any) -> requests.Response:
        """Make one call to an address that Graph gave, which is a secret itself and takes no token.

        Raises:
            requests.RequestException: there was no answer.
            MicrosoftUnavailable: the address is not as safe as Graph's own.
        """
        if urlsplit(url).scheme not in {"https", urlsplit(self.url).scheme}:
            raise faults.MicrosoftUnavailable("address of an upload", retry_after=30)
        return self._session.request(method, url, timeout=(CONNECT_SECONDS, SEND_SECONDS), **given)

    def refusal(self, answer: requests.Response, size: int = 0) -> faults.Fault:
        """Return the fault that an answer is; see :func:`shared.mail.graph.refusals.refusal`."""
        return refusal(answer, self.clock(), size)
