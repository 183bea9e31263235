"""The device's one error."""

from collections.abc import Mapping
from typing import Any

import requests

UNREACHABLE = "unreachable"
"""The reason the device gives itself when no answer came: panel code 360, nobody's doing but the network's."""

_SERVER_ERROR = 500


class Problem(Exception):
    """The service said no, or said nothing.

    Carries the members of an RFC 9457 problem: ``status`` (HTTP, 0 when no answer came), ``reason``
    (a stable slug), ``code`` (360, 361, 370 or None), ``who`` must act (user, admin, operator,
    network, none), ``title``, ``detail`` and ``remedy`` in the language asked for, and
    ``retry_after`` in seconds.
    """

    def __init__(self, status: int, members: Mapping[str, Any], retry_after: float | None = None) -> None:
        self.status = status
        self.reason = str(members.get("reason") or "")
        self.code: int | None = members.get("code")
        self.who = str(members.get("who") or "none")
        self.title = str(members.get("title") or "")
        self.detail = str(members.get("detail") or "")
        self.remedy = str(members.get("remedy") or "")
        self.retry_after: float | None = members.get("retry_after", retry_after)
        super().__init__(f"{status} {self.reason}: {self.title} {self.detail}".rstrip())

    @classmethod
    def from_response(cls, response: requests.Response) -> "Problem":
        """Read a refusal: a problem document, an OAuth 2.0 error (RFC 6749 section 5.2), or neither."""
        header = response.headers.get("Retry-After", "")
        retry_after = int(header) if header.isdecimal() else None
        try:
            members = response.json()
        except requests.JSONDecodeError:
            members = None
        if not isinstance(members, dict):
            members = {}
        if "error" in members:
            members = {"reason": members["error"], "detail": members.get("error_description"), "who": "operator"}
        if "reason" not in members:
            # Something on the way answered, or the service fell over: for the person it is "no service".
            down = response.status_code >= _SERVER_ERROR
            members = {**members, "reason": UNREACHABLE if down else "unexpected_answer", "who": "operator"}
            members["code"] = 360 if down else None
        return cls(response.status_code, members, retry_after)

    @classmethod
    def unreachable(cls) -> "Problem":
        """Make the problem of an answer that never came."""
        return cls(0, {"reason": UNREACHABLE, "code": 360, "who": "network"})

    def as_json(self) -> dict[str, Any]:
        """Return the members for the panel."""
        names = ("status", "reason", "code", "who", "title", "detail", "remedy", "retry_after")
        return {name: getattr(self, name) for name in names}
