"""What happened to rows, by what went over the wire, and whether it could have happened one after the other.

Every write of a contended row names the version that it replaces (If-Match) and gets the name of its own (ETag), so the
versions of a row form a chain, and the order of its operations need not be guessed: the checker follows the chain, and
holds against it the times between which each operation was under way, and what the rows say. A history that passes is
linearizable: the chain is an order of all operations that agrees with what each of them saw and with real time.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.proof.wire import Request

_ENTITY = re.compile(r"^/\w+/(?P<table>\w+)\(PartitionKey='(?P<partition>[^']*)',RowKey='(?P<row>[^']*)'\)$")
LEASE = timedelta(seconds=90)
"""Of a claim and of a refresh alike: when it was written follows from when it ends."""
EDGES = {
    "awaiting_upload": {"accepted", "held", "cancelled"},
    "accepted": {"sending", "held", "waiting", "failed", "cancelled"},
    "held": {"accepted", "failed", "cancelled"},
    "sending": {"sending", "sent", "held", "waiting", "uncertain", "failed"},
    "waiting": {"sending", "held", "failed", "cancelled"},
    # By the delivery that was thought dead, which knows better.
    "uncertain": {"sent", "waiting", "failed"},
    "sent": set(),
    "failed": set(),
    "cancelled": set(),
}
"""From which state of a job to which others (shared/scans). Each may be written again as it is."""


@dataclass(frozen=True)
class Written:
    """A write that was done: over which version, as which, between which times, and what the row says since then."""

    before: str | None
    etag: str
    begun: float
    ended: float
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Seen:
    """A read, and the version that it saw."""

    etag: str
    begun: float
    ended: float


Rule = Callable[[Mapping[str, Any], Mapping[str, Any], set[str]], Iterator[str]]
"""Compares a version with its successor; what a third version must not bring back is kept in the set."""


@dataclass
class RowHistory:
    """What happened to one row."""

    writes: list[Written] = field(default_factory=list)
    reads: list[Seen] = field(default_factory=list)


class History:
    """Writes down what is done to rows of the tables ``grants`` and ``jobs``; hangs at :attr:`Wire.answered`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.rows: dict[tuple[str, str, str], RowHistory] = defaultdict(RowHistory)

    def __call__(self, request: Request) -> None:
        """Write a request down."""
        found = _ENTITY.match(unquote(urlsplit(request.path).path))
        if found is None or found["table"] not in {"grants", "jobs"} or request.status >= 300:
            return
        if found["table"] == "jobs" and not found["row"].startswith("job|"):
            return
        etag = (request.answered or {}).get("etag", "")
        row = (found["table"], found["partition"], found["row"])
        with self._lock:
            if request.method == "GET":
                self.rows[row].reads.append(Seen(etag, request.begun, request.ended))
            else:
                values = json.loads(request.body) if request.body else {"deleted": True}
                before = request.headers.get("if-match")
                self.rows[row].writes.append(Written(before, etag, request.begun, request.ended, values))

    @property
    def operations(self) -> int:
        """How many operations were written down."""
        return sum(len(row.writes) + len(row.reads) for row in self.rows.values())

    def anomalies(self) -> list[str]:
        """Return what cannot have happened; empty: all is well."""
        found: list[str] = []
        for (table, _, key), row in self.rows.items():
            what = table if table == "grants" else key.partition("|")[0]
            found += [f"{what}: {each}" for each in (*_order(row), *_rules(row, RULES[table]))]
        return found


def _order(row: RowHistory) -> Iterator[str]:
    """Check that the versions form one chain, in an order that agrees with real time."""
    followed: dict[str, Written] = {}
    for write in row.writes:
        if write.before in {None, "*"}:
            yield "written over whatever was there"
            continue
        assert write.before is not None
        if write.before in followed:
            yield "lost update: two writes replaced the same version"
        followed[write.before] = write
    made = {write.etag: write for write in row.writes}
    for before, write in followed.items():
        if before in made and made[before].begun > write.ended:
            yield "replaced before it was written"
    for read in row.reads:
        if read.etag in made and made[read.etag].begun > read.ended:
            yield "read before it was written"
        if read.etag in followed and followed[read.etag].ended < read.begun:
            yield "stale read: a version that had been replaced before"


def _rules(
    row: RowHistory, rule: Callable[[Mapping[str, Any], Mapping[str, Any], set[str]], Iterator[str]]
) -> Iterator[str]:
    made = {write.etag: write for write in row.writes}
    gone: set[str] = set()
    for write in sorted(row.writes, key=lambda write: _depth(write, made)):
        if write.before in made:
            yield from rule(made[write.before].values, write.values, gone)


def _depth(write: Written, made: Mapping[str, Written]) -> int:
    depth = 0
    while write.before in made and depth <= len(made):
        write, depth = made[str(write.before)], depth + 1
    return depth


def _jobs(old: Mapping[str, Any], new: Mapping[str, Any], _gone: set[str]) -> Iterator[str]:
    """Only along allowed edges; nobody gets a lease that somebody still has; ``updated`` moves forward."""
    if old["state"] != new["state"] and new["state"] not in EDGES[old["state"]]:
        yield f"from {old['state']} to {new['state']}"
    if _moment(new["updated"]) <= _moment(old["updated"]):
        yield "updated did not move forward"
    taken_over = new["state"] == "sending" and new.get("lease") != old.get("lease")
    if taken_over and old["state"] == "sending" and _moment(old["lease_until"]) > _moment(new["lease_until"]) - LEASE:
        yield "two leases at a time"
    if old["state"] == "uncertain" and new["state"] != "uncertain" and old.get("lease") != new.get("lease"):
        yield "uncertain, and somebody else decided"


def _grants(old: Mapping[str, Any], new: Mapping[str, Any], gone: set[str]) -> Iterator[str]:
    """A sign-in ends once and never returns; its tokens are replaced one after the other, by who has the lease."""
    if new["epoch"] in gone:
        yield "resurrected: an earlier sign-in is back"
    if old["epoch"] != new["epoch"]:
        gone.add(old["epoch"])
        return
    if old.get("ended") and not new.get("ended"):
        yield "resurrected: it had ended"
    if new.get("ended") and new.get("sealed"):
        yield "ended, with tokens"
    if new["generation"] not in {old["generation"], old["generation"] + 1}:
        yield "a generation was left out"
    if new["generation"] > old["generation"] and new.get("sealed") == old.get("sealed"):
        yield "a new generation with the old tokens"
    held = old.get("lease") and new.get("lease") and old["lease"] != new["lease"]
    if held and _moment(old["lease_until"]) > _moment(new["lease_until"]) - LEASE:
        yield "two leases at a time"


RULES = {"jobs": _jobs, "grants": _grants}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
