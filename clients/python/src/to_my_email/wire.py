"""The wire between a device and the service: one request with its time-outs, and which addresses may be asked."""

from __future__ import annotations

import io
import ipaddress
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests

from to_my_email.errors import Unreachable

CONNECT_TIMEOUT = 10.0
"""Seconds for a connection, and for each piece (16 KiB) of a body to be taken."""
READ_TIMEOUT = 60.0
"""Seconds for an answer; a long poll gets its own waiting time on top."""


class Body(io.BytesIO):
    """A body that goes out in pieces, so that a slow line has the time-out for each piece and not for the whole.

    (``http.client`` hands ``bytes`` to one ``sendall``, whose time-out is for all of it.)

    Args:
        content: the bytes.
        sent: hears how many bytes have gone out so far, in all; starts anew with each attempt.
    """

    def __init__(self, content: bytes, sent: Callable[[int], None] = lambda _: None) -> None:
        super().__init__(content)
        self._sent = sent

    def read(self, size: int | None = -1, /) -> bytes:
        """Hand out the next piece."""
        piece = super().read(size)
        self._sent(self.tell())
        return piece


def session() -> requests.Session:
    """Return a session that adds no credentials of its own (requests would take some from ``~/.netrc``)."""
    made = requests.Session()
    made.auth = lambda request: request
    return made


def exchange(
    http: requests.Session, method: str, url: str, *, extra_time: float = 0.0, **request: Any
) -> requests.Response:
    """Make one request; redirects are not followed.

    Raises:
        Unreachable: no answer came. What ``requests`` says of it holds the URL, so it is not passed on.
    """
    try:
        return http.request(
            method, url, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT + extra_time), allow_redirects=False, **request
        )
    except (requests.RequestException, OSError):
        silent = Unreachable()
    raise silent


def origin(address: str) -> str:
    """Return a service's address without a slash at its end.

    Raises:
        ValueError: it is neither https nor on the loopback: tickets and tokens would go out in the clear.
    """
    parts = urlsplit(address)
    if not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("the service's address must look like https://scan.example")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("the service's address must begin with https://")
    return address.rstrip("/")


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
