"""Reading a mail up to its final dot (RFC 5321 section 4.5.2), from printers that end lines as they like.

Lines may be of any length: some printers write a whole scan as one line of base64. Bare LF ends lines only in a
mail whose first line ended so. In every other mail nothing but CR LF . CR LF is its end, else one mail could hide
a second one in itself ("SMTP smuggling").
"""

from __future__ import annotations

import asyncio
from typing import IO

from to_my_email_gateway import replies
from to_my_email_gateway.replies import Reply


async def read_mail(reader: asyncio.StreamReader, mail: IO[bytes], limit: int) -> Reply | None:
    """Write a mail to ``mail``; returns why it was not kept, once it has been read to its end, or None.

    Args:
        reader: of the connection.
        mail: where it goes, without the dots that SMTP adds.
        limit: bytes.

    Raises:
        asyncio.IncompleteReadError: the connection ended before the mail did.
    """
    size, refused, bare = 0, None, None
    ended = b"\r\n"  # the last two bytes before this piece
    while True:
        try:
            piece = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as longer:
            piece = await reader.readexactly(longer.consumed)
        starts = ended == b"\r\n" or (bool(bare) and ended.endswith(b"\n"))
        if starts and (piece == b".\r\n" or (bare and piece == b".\n")):
            return refused
        if bare is None and piece.endswith(b"\n"):
            bare = not (ended + piece).endswith(b"\r\n")
        ended = (ended + piece)[-2:]
        size += len(piece)
        if size > limit:
            refused = replies.too_large(limit)
        if refused is None:
            try:
                mail.write(piece[1:] if starts and piece.startswith(b".") else piece)
            except OSError:
                refused = replies.FULL_DISK
