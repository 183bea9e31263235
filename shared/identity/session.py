"""How Entra is reached: the HTTP session under MSAL, and what MSAL and requests raise, as faults."""

from __future__ import annotations

from typing import Any

import requests

from shared import faults
from shared.outbound import OutboundSession

WAIT, LONGEST_WAIT = 30.0, 3600.0
"""Seconds to wait where Entra does not say, and at most."""
_TOO_MANY, _SERVER_ERROR = 429, 500


class Session(OutboundSession):
    """Says what passes by itself, with Entra's own Retry-After, which MSAL swallows.

    An answer that is no JSON never reaches MSAL: it would write the whole of it, tokens included, into the log.
    """

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Ask as ``requests.Session.request`` does; returns what is JSON and no fault of Microsoft's.

        Raises:
            Throttled, MicrosoftUnavailable: it passes by itself.
            requests.RequestException: nobody answered; :class:`speaking` says so as a fault.
        """
        answer = super().request(*args, **kwargs)
        if answer.status_code == _TOO_MANY or answer.status_code >= _SERVER_ERROR:
            kind = faults.Throttled if answer.status_code == _TOO_MANY else faults.MicrosoftUnavailable
            raise kind(f"login service, status {answer.status_code}", retry_after=_seconds(answer))
        try:
            answer.json()
        except ValueError:
            raise faults.MicrosoftUnavailable("login service, no JSON", retry_after=WAIT) from None
        return answer


def _seconds(answer: requests.Response) -> float:
    """Return how long to wait; Entra writes Retry-After as a number."""
    said = answer.headers.get("Retry-After", "")
    return min(float(said), LONGEST_WAIT) if said.isascii() and said.isdigit() else WAIT


class speaking:  # noqa: N801  (reads as a word at its place)
    """Turn what MSAL and requests raise into faults."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if error is None or isinstance(error, faults.Fault):
            return
        if isinstance(error, requests.RequestException):
            # Only the type: the text of a requests error quotes addresses and queries.
            raise faults.NoConnection(type(error).__name__, retry_after=WAIT) from None
