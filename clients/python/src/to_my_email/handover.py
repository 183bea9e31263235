"""Bringing one spooled scan to the service, by the way that its size asks for.

Small documents go in one request; larger ones straight to storage in blocks, under an address that the
service signs for minutes (Azure Storage: Put Block, Put Block List). The device remembers which blocks
storage took, since the address lets it list nothing; an expired one is renewed by announcing again.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import requests

from to_my_email.answers import ScanJob
from to_my_email.api import Api
from to_my_email.connection import Pauses
from to_my_email.errors import Refused, Temporary, UnexpectedAnswer, Unreachable
from to_my_email.spool import Entry
from to_my_email.wire import Body, exchange, is_loopback, session

INLINE_LARGEST = 4_000_000
"""Bytes up to which a document goes in one request; the API takes 10 MB."""
BLOCK = 4 << 20
"""Bytes of a block: what a cut costs at most."""
RENEWALS = 5
"""How often in a row an address is renewed without a single block going through."""
AGAIN = {"not_uploaded", "document_mismatch"}
"""What a commit may say of bytes that went astray on the way; they are uploaded once more, once."""

HandedOver = Callable[[int], None]


class _Expired(Exception):
    """Storage no longer takes the address."""


class _Restart(Exception):
    """Storage has forgotten the blocks."""


class Handover:
    """Hands scans over. One for each client; safe for use from several threads.

    Args:
        api: the calls.
        inline_largest: bytes up to which a document goes in one request.
        block: bytes of a block.
    """

    def __init__(self, api: Api, *, inline_largest: int = INLINE_LARGEST, block: int = BLOCK) -> None:
        self._api = api
        self._inline_largest = inline_largest
        self._block = block
        self._storage = session()

    def close(self) -> None:
        """Close the sockets."""
        self._storage.close()

    def run(self, entry: Entry, *, patience: float, progress: HandedOver) -> ScanJob:
        """Bring a held scan to the service and return the job; it may be asked for again at any time.

        Args:
            entry: a complete scan, held by the caller.
            patience: seconds to spend waiting between attempts, of each step.
            progress: hears how many of the document's bytes have gone out.

        Raises:
            Error: by the tree in ``errors``.
        """
        if entry.size <= self._inline_largest:
            document = entry.document.read_bytes()
            return self._api.submit(
                entry.manifest, document, sent=lambda sent: progress(min(sent, entry.size)), patience=patience
            )
        try:
            return self._through_storage(entry, patience, progress)
        except Refused as refusal:
            if refusal.reason not in AGAIN:
                raise
        entry.forget_blocks()
        return self._through_storage(entry, patience, progress)

    def _through_storage(self, entry: Entry, patience: float, progress: HandedOver) -> ScanJob:
        pauses, fruitless = self._api.connection.pauses(patience), 0
        while True:
            job = self._api.announce({**entry.manifest, "upload": {"blocks": True}}, patience=patience)
            if job.upload is None:
                return job  # the service has it already: an answer was lost
            target = _Target(job.upload, self._api.service)
            before = len(entry.blocks(target.address))
            try:
                self._upload(entry, target, pauses, progress)
            except _Expired:
                fruitless = 0 if len(entry.blocks(target.address)) > before else fruitless + 1
                if fruitless < RENEWALS:
                    continue
            except _Restart:
                entry.forget_blocks()
                fruitless += 1
                if fruitless < RENEWALS:
                    continue
            else:
                return self._api.commit(entry.id, patience=patience)
            raise Temporary(
                "upload_refused", code=360, who="operator", title="The storage does not take the scan at the moment"
            )

    def _upload(self, entry: Entry, target: _Target, pauses: Pauses, progress: HandedOver) -> None:
        count = -(-entry.size // self._block)
        done = {number for number in entry.blocks(target.address) if number < count}
        sent = sum(self._length(entry, number) for number in done)
        progress(sent)
        with entry.document.open("rb") as document:
            for number in range(count):
                if number in done:
                    continue
                document.seek(number * self._block)
                piece = document.read(self._block)
                before = sent
                body = Body(piece, lambda part, before=before: progress(before + part))  # type: ignore[misc]
                self._put(target, {"comp": "block", "blockid": _block_id(number)}, body, {}, pauses)
                done.add(number)
                entry.remember(target.address, done)
                sent += len(piece)
        listed = "".join(f"<Latest>{escape(_block_id(number))}</Latest>" for number in range(count))
        body = Body(f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'.encode())
        kind = entry.manifest["document"]["type"]
        headers = {"x-ms-blob-content-type": kind, "Content-Type": "application/xml", **target.conditions}
        self._put(target, {"comp": "blocklist"}, body, headers, pauses)

    def _length(self, entry: Entry, number: int) -> int:
        return min(self._block, entry.size - number * self._block)

    def _put(
        self, target: _Target, query: Mapping[str, str], body: Body, headers: Mapping[str, str], pauses: Pauses
    ) -> None:
        while True:
            body.seek(0)
            try:
                answer = exchange(self._storage, "PUT", target.url, params=query, data=body, headers=dict(headers))
                if _taken(answer, query["comp"]):
                    return
            except Unreachable as fault:
                pauses.after(fault)


class _Target:
    """Where the bytes go: ``url`` is signed and never shown; ``address`` is the same without signature."""

    def __init__(self, upload: Mapping[str, Any], service: str) -> None:
        self.url = str(upload.get("url") or "")
        parts = urlsplit(self.url)
        # The document goes there: in the clear only where the service itself is on this machine.
        in_clear = parts.scheme == "http" and service.startswith("http://") and is_loopback(parts.hostname or "")
        if not parts.hostname or not (parts.scheme == "https" or in_clear):
            raise UnexpectedAnswer
        self.address = f"{parts.scheme}://{parts.netloc}{parts.path}"
        told = upload.get("headers")
        given = told if isinstance(told, Mapping) else {}
        self.conditions = {name: str(value) for name, value in given.items() if name.lower() == "if-none-match"}


def _taken(answer: requests.Response, what: str) -> bool:
    """Read what storage says (Microsoft, "Blob service error codes"); False is to ask again at once.

    Raises:
        _Expired: the address is no longer good.
        _Restart: blocks are missing that storage had.
        Unreachable: it is busy, or has a fault of its own.
    """
    status = answer.status_code
    if status == HTTPStatus.CREATED:
        return True
    error = answer.headers.get("x-ms-error-code", "")
    if what == "blocklist" and status in {HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED}:
        return True  # it is there: the answer to an earlier attempt was lost. Commit looks at it.
    if error in {"InvalidBlockList", "InvalidBlobOrBlock", "InvalidBlockId"}:
        raise _Restart
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
        raise _Expired
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.REQUEST_TIMEOUT,
    }:
        busy = Unreachable()
        header = answer.headers.get("Retry-After", "")
        busy.retry_after = float(header) if header.isdecimal() else None
        raise busy
    raise UnexpectedAnswer(status)


def _block_id(number: int) -> str:
    """Return a block's id: all of one length, as storage wants them."""
    return base64.b64encode(f"{number:08d}".encode()).decode()
