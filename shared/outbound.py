"""Calls that leave us: every one with a time-out, none follows a redirect or keeps a cookie."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests

CONNECT_SECONDS = 5
READ_SECONDS = 20


class OutboundSession(requests.Session):
    """A session that threads and people can share: it remembers connections and nothing else.

    A redirect could lead anywhere (threat C16), and a cookie would carry something of one person's answer into the
    next person's request.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request as ``requests`` does, within :data:`READ_SECONDS` unless the caller says otherwise."""
        kwargs.setdefault("timeout", (CONNECT_SECONDS, READ_SECONDS))
        kwargs["allow_redirects"] = False
        return super().request(*args, **kwargs)
