"""An upload session: a large attachment in ranges, in order, resumed where it broke.

Microsoft Graph, "Attach large files to Outlook messages" and "attachment: createUploadSession": ranges of at most
4 MB, strictly in order, to an address that needs no token because it is one. So the address is in no log, no fault
and no row: an attempt that ends here leaves it to expire.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from http import HTTPStatus

import requests

from shared import faults
from shared.mail.graph.client import Graph
from shared.mail.graph.refusals import known, retry_after
from shared.mail.transport import Document

RANGE = 12 * 320 * 1024
"""Bytes of one range: a multiple of 320 KiB, as Microsoft's upload sessions have it, below 4 MB however counted."""
TROUBLES = 3
"""How often one upload is taken up again at once before the whole delivery is put off."""
PATIENCE = 10.0
"""Seconds of a Retry-After that are waited for here; a longer one puts the delivery off."""
_EXPECTED = re.compile(r"([0-9]{1,12})-[0-9]{0,12}")
_NOT_HERE = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


class SessionLost(Exception):
    """The session has ended: it expired, or the attachment is complete and the answer that said so was lost."""


class _Broken(Exception):
    """A call of the session went wrong in a way that may pass: the fault, and seconds to wait before the next."""

    def __init__(self, fault: faults.Fault, wait: float = 0.0) -> None:
        super().__init__()
        self.fault, self.wait = fault, wait


def upload(graph: Graph, url: str, document: Document, sleep: Callable[[float], None]) -> None:
    """Upload a document into a session. Returning means that the attachment is complete.

    Raises:
        SessionLost: see there.
        DocumentMismatch: the document is not what was announced; its last range was not sent.
        TooLarge: the mailbox takes less; ``refused`` is the size (bytes).
        Passing: it broke more often than is worth trying at once, or must wait longer.
    """
    position: int | None = 0
    troubles = 0
    while True:
        try:
            if position is None:
                position = _asked(graph, url)
            for start, content in _ranges(document, position):
                if _complete(graph, url, start, content, document.size):
                    return
            raise SessionLost
        except _Broken as broken:
            troubles += 1
            if troubles > TROUBLES or broken.wait > PATIENCE:
                raise broken.fault from None
            if broken.wait:
                sleep(broken.wait)
            position = None


def _ranges(document: Document, position: int) -> Iterator[tuple[int, bytes]]:
    """Yield the ranges from ``position`` on, each with its place. The document is read, and proven, from its start."""
    held, start, size = bytearray(), position, 0
    for chunk in document.chunks():
        skipped = max(0, position - size)
        size += len(chunk)
        if size > document.size:
            raise faults.DocumentMismatch("size")
        rest = memoryview(chunk)[skipped:]
        while rest:
            place = RANGE - len(held)
            held += rest[:place]
            rest = rest[place:]
            # The document holds back its last piece until it is proven, and so the range that the piece ends.
            if len(held) == RANGE:
                yield start, bytes(held)
                held.clear()
                start += RANGE
    if size != document.size:
        raise faults.DocumentMismatch("size")
    if held:
        yield start, bytes(held)


def _complete(graph: Graph, url: str, start: int, content: bytes, size: int) -> bool:
    """Hand over one range. Returns whether the attachment is complete with it."""
    end = start + len(content)
    headers = {"Content-Type": "application/octet-stream", "Content-Range": f"bytes {start}-{end - 1}/{size}"}
    answer = _call(graph, "PUT", url, data=content, headers=headers)
    if answer.status_code == HTTPStatus.CREATED:
        return True
    if answer.status_code != HTTPStatus.OK:
        raise _refused(graph, answer, size)
    if _expected(answer) != end:
        # It lost something, or has more than we know of: it is asked, and obeyed.
        raise _Broken(faults.MicrosoftUnavailable("ranges", retry_after=30))
    return False


def _asked(graph: Graph, url: str) -> int:
    """Ask the session at which byte it goes on."""
    answer = _call(graph, "GET", url)
    if answer.status_code != HTTPStatus.OK:
        raise _refused(graph, answer, 0)
    return _expected(answer)


def _expected(answer: requests.Response) -> int:
    """Return the first byte that the session waits for."""
    try:
        ranges = answer.json()["nextExpectedRanges"]
        found = _EXPECTED.fullmatch(ranges[0]) if ranges else None
    except (ValueError, LookupError, TypeError, RecursionError):
        found = None
    if found is None:
        # Nothing is expected, or nobody can say what: how far it came can be seen in the draft.
        raise SessionLost
    return int(found[1])


def _call(graph: Graph, method: str, url: str, **given: object) -> requests.Response:
    try:
        return graph.bare(method, url, **given)
    except requests.RequestException as error:
        raise _Broken(faults.NoConnection(type(error).__name__, retry_after=30)) from None


def _refused(graph: Graph, answer: requests.Response, size: int) -> Exception:
    """Return what a refusal in a session means: 401 is not about the token here, none was sent."""
    if answer.status_code in _NOT_HERE:
        return SessionLost()
    passing = answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR and known(answer) is None
    if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS or passing:
        fault = graph.refusal(answer)
        wait = retry_after(answer, graph.clock())
        if wait is None and answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            wait = fault.retry_after
        return _Broken(fault, wait or 0.0)
    if answer.status_code in {HTTPStatus.CONFLICT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}:
        return _Broken(faults.MicrosoftUnavailable(f"status {answer.status_code}", retry_after=30))
    if answer.status_code < HTTPStatus.BAD_REQUEST:
        return SessionLost()
    return graph.refusal(answer, size)
