"""What the program ``to-my-email`` shows: lines for people, JSON for machines."""

from __future__ import annotations

import io
import json
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from to_my_email.answers import Invitation, ScanJob
from to_my_email.errors import Error

_STATES = {
    "awaiting_upload": "Waiting for its bytes",
    "accepted": "Accepted",
    "sending": "Being sent",
    "held": "Held until the person has signed in",
    "waiting": "Waiting; it is tried again by itself",
    "uncertain": "Perhaps sent",
    "sent": "Sent: it is in the mailbox",
    "failed": "Not sent",
    "cancelled": "Cancelled",
}
_WHO = {
    "user": "You must act.",
    "admin": "Your administrator must act.",
    "operator": "The operator of the service must act.",
    "network": "Check the network.",
}
_UNITS = ("bytes", "kB", "MB", "GB")
_STEP = 1000.0
_WIDEST = 100
"""Letters of a line that still reads well."""


class Terminal:
    """Where the program writes.

    Args:
        as_json: one JSON value for each line of output, and nothing else.
        out, err: the streams; progress and questions go to ``err`` so that ``out`` can be read by a program.
    """

    def __init__(self, as_json: bool = False, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.as_json = as_json
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._drawn = False
        self._told = -1

    # Results

    def value(self, value: object) -> None:
        """Write a result for a machine."""
        self._out.write(json.dumps(value, ensure_ascii=self._out.encoding.lower() != "utf-8") + "\n")
        self._out.flush()

    def line(self, text: str = "") -> None:
        """Write a line for a person."""
        if not self.as_json:
            self._end_bar()
            self._write(self._out, text + "\n")

    def text(self, text: str, indent: str = "  ") -> None:
        """Write sentences, wrapped at words where a person reads them on a terminal."""
        self.line(self._wrapped(self._out, text, indent))

    def facts(self, facts: Mapping[str, object]) -> None:
        """Write names and values, aligned; empty ones are left out."""
        shown = {name: value for name, value in facts.items() if value not in {None, ""}}
        width = max((len(name) for name in shown), default=0)
        for name, value in shown.items():
            self.line(f"  {name:<{width}}  {value}")

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Write a table; its last column may run on."""
        lines = [list(head), *(list(row) for row in rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        for line in lines:
            cells = [f"{cell:<{width}}" for cell, width in zip(line[:-1], widths[:-1], strict=True)]
            self.line("  ".join([*cells, line[-1]]).rstrip())

    def job(self, job: ScanJob) -> None:
        """Write how a scan stands."""
        if self.as_json:
            self.value(job.as_json())
            return
        code = f" (code {job.code})" if job.code else ""
        self.line(f"{state(job)}{code}.")
        if job.message:
            self.text(job.message)
        if job.who in _WHO and job.state != "sent":
            self.line(f"  {_WHO[job.who]}")

    # Trouble

    def error(self, error: Error, remark: str = "") -> None:
        """Write what went wrong, whose matter it is, and what to do."""
        if self.as_json:
            self.value({"error": {name: value for name, value in error.as_json().items() if value not in {None, ""}}})
            return
        code = f" (code {error.code})" if error.code else ""
        lines = [f"{(error.title or error.reason).rstrip('.')}{code}.", error.detail, error.remedy, remark]
        if error.retry_after:
            lines.append(f"Try again in {duration(error.retry_after)}.")
        if error.reference:
            lines.append(f"Reference: {error.reference}")
        first, *rest = [line for line in lines if line]
        self._end_bar()
        self._write(self._err, "\n".join([first, *(self._wrapped(self._err, line) for line in rest)]) + "\n")

    def note(self, text: str) -> None:
        """Write a remark beside the result."""
        self._end_bar()
        self._write(self._err, text + "\n")

    # While something happens

    def invitation(self, begun: Invitation) -> None:
        """Show where the person goes: the QR code (on a terminal that can), the address, the code."""
        if self.as_json:
            shown = ("id", "verification_uri", "verification_uri_complete", "user_code", "expires_in", "interval")
            self.value({"event": "code", **{name: getattr(begun, name) for name in shown}})
            return
        if begun.verification_uri_complete and self._out.isatty() and self._can("█▀▄"):
            self.line("Scan this with your phone:")
            self.line()
            self._qr(begun.verification_uri_complete)
            self.line()
        self.line("Open this page and enter the code:")
        self.facts({"Page": begun.verification_uri, "Code": begun.user_code, "Link": begun.verification_uri_complete})
        self.line()
        self.line(f"Waiting for you, for {duration(begun.expires_in)} at most. Ctrl-C gives up.")

    def confirm(self, account: str, what: str) -> bool:
        """Ask whether that is the person; anything but yes is no."""
        self._end_bar()
        if self.as_json:
            self.value({"event": "confirm", "account_hint": account})
        self._write(self._err, f"{what} {account or 'an account'}. OK? [y/N] ")
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    def progress(self, done: int, total: int) -> None:
        """Draw how far a hand-over has come: a bar on a terminal, else a line for each quarter."""
        if self.as_json or not total:
            return
        share = done / total
        if not self._err.isatty():
            if int(share * 4) > self._told:
                self._told = int(share * 4)
                self._write(self._err, f"{size(done)} of {size(total)} handed over\n")
            return
        now = time.monotonic()
        if done < total and now - getattr(self, "_drawn_at", 0.0) < 0.05:  # noqa: PLR2004  (20 times a second is enough)
            return
        self._drawn_at = now
        words = f" {share:4.0%}  {size(done)} of {size(total)}"
        room = max(10, min(40, shutil.get_terminal_size().columns - len(words) - 4))
        full, empty = ("█", "░") if self._can("█░") else ("#", ".")
        filled = int(room * share)
        self._err.write(f"\r{full * filled}{empty * (room - filled)}{words}\x1b[K")
        self._err.flush()
        self._drawn = True

    def _wrapped(self, stream: TextIO, text: str, indent: str = "  ") -> str:
        if not stream.isatty():
            return indent + text
        width = min(shutil.get_terminal_size().columns, _WIDEST)
        return textwrap.fill(
            text, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )

    def _qr(self, address: str) -> None:
        """Draw a QR code, light on dark whatever the terminal's colours: not every phone reads an inverted one."""
        import segno

        drawn = io.StringIO()
        segno.make(address, error="l", micro=False).terminal(drawn, border=4, compact=True)
        for line in drawn.getvalue().splitlines():
            self.line(f"\x1b[97;40m{line}\x1b[0m")

    def _end_bar(self) -> None:
        if self._drawn:
            self._err.write("\n")
            self._err.flush()
            self._drawn = False

    def _can(self, characters: str) -> bool:
        try:
            characters.encode(self._out.encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    @staticmethod
    def _write(stream: TextIO, text: str) -> None:
        encoding = stream.encoding or "utf-8"
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()


def state(job: ScanJob) -> str:
    """Return a job's state in words."""
    return _STATES.get(job.state, job.state)


def size(count: float) -> str:
    """Return a number of bytes as people read it (powers of 1000)."""
    for unit in _UNITS[:-1]:
        if count < _STEP:
            return f"{count:.0f} {unit}" if unit == _UNITS[0] else f"{count:.1f} {unit}"
        count /= _STEP
    return f"{count:.1f} {_UNITS[-1]}"


def duration(seconds: float) -> str:
    """Return a time as people read it."""
    if seconds < 90:  # noqa: PLR2004  (up to there seconds read better)
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes"


def words(value: Any) -> str:
    """Return a value of an answer as text for a line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {words(each)}" for name, each in value.items() if each not in (None, ""))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
