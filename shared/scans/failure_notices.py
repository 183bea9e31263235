"""Mails to a person about scans of his that never came: sent by himself to himself, as everything is.

A row says what there is to tell (table ``jobs``, partition ``lists``); a timer gathers them, one mail for each person
and run. It is at most once: the row goes before the mail does, and a notice that fails is dropped. There is no notice
about a notice, and nobody gets more than :data:`MAILS_A_DAY`.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import faults, texts
from shared.faults import N_
from shared.mail import Draft, Message, TokenRejected, clean
from shared.privacy.traces import LISTS
from shared.scans.hold_index import batches
from shared.scans.job import Job
from shared.storage import AlreadyThere, Row, Table, Value, key

if TYPE_CHECKING:
    from shared.mail import Mailboxes, Transport
    from shared.organisations import Organisations
    from shared.vault import Grants

NOTICE, TOLD = "notice", "told"
MAILS_A_DAY = 3
"""To one person, counted by the day in UTC. What would be the fourth is dropped."""
LINES = 20
"""Scans that one mail names; of more it tells the number."""
AT_MOST = 500
"""Rows that one run reads."""
TOO_OLD = timedelta(days=1)
"""A notice that nobody could send for so long is no news any more."""

log = logging.getLogger(__name__)


class FailureNotices:
    """Writes and sends notices.

    Args:
        table: the table ``jobs``.
        grants: give tokens; whose sign-in does not work gets no notice.
        organisations: decide whether there are notices at all.
        mailboxes: tell whose mailbox a token is for.
        transport: sends.
        clock: the time now.
    """

    def __init__(
        self,
        table: Table,
        grants: Grants,
        organisations: Organisations,
        mailboxes: Mailboxes,
        transport: Transport,
        clock: Callable[[], datetime],
    ) -> None:
        self._table = table
        self._grants = grants
        self._organisations = organisations
        self._mailboxes = mailboxes
        self._transport = transport
        self._clock = clock

    def failed(self, job: Job, reason: str) -> None:
        """A scan failed for good: it will be told, where the organisation wants that."""
        self._write(job.tid, job.oid, [(job, reason)])

    def lapsed(self, tid: str, oid: str, jobs: Sequence[Job]) -> None:
        """Scans were held in vain, and their person has signed in now: it will be told."""
        self._write(tid, oid, [(job, faults.HoldExpired.reason) for job in jobs])

    def run(self) -> int:
        """Send what there is to tell; returns how many mails were sent."""
        rows = list(self._table.query(LISTS, after=key(NOTICE, ""), before=key(NOTICE, "~"), limit=AT_MOST))
        sent = 0
        for (tid, oid), of_one in itertools.groupby(rows, lambda row: (row["tid"], row["oid"])):
            told = list(of_one)
            try:
                sent += self._tell(tid, oid, told)
            except (faults.Fault, TokenRejected) as fault:
                log.warning("a notice in tenant %s is dropped: %s", tid, type(fault).__name__)
        return sent

    def forget_person(self, tid: str, oid: str) -> None:
        """Delete what there was to tell somebody, and how much he was told."""
        for kind in (NOTICE, TOLD):
            found = self._table.query(LISTS, after=key(kind, tid, oid, ""), before=key(kind, tid, oid, "~"))
            self._forget(found)

    def expire(self) -> None:
        """Delete how much people were told on days that are over."""
        old = self._clock() - 2 * TOO_OLD
        found = self._table.query(LISTS, after=key(TOLD, ""), before=key(TOLD, "~"))
        self._forget(row for row in found if row["made"] < old)

    def _forget(self, rows: Iterable[Row]) -> None:
        for some in batches([row.row for row in rows]):
            self._table.delete_together(LISTS, some)

    def _write(self, tid: str, oid: str, jobs: Iterable[tuple[Job, str]]) -> None:
        if not self._organisations.recent(tid).policy.failure_notices:
            return
        for job, reason in jobs:
            now = self._clock()
            values: dict[str, Value | None] = {
                "tid": tid,
                "oid": oid,
                "reason": reason,
                "locale": job.manifest.locale,
                "printer": job.printer,
                "location": job.location,
                "scanned": job.created,
                "made": now,
            }
            # A job fails once, and its row is found under its name: the same is never told twice.
            self._table.put(LISTS, key(NOTICE, tid, oid, job.device_id, job.manifest.id), values)

    def _tell(self, tid: str, oid: str, rows: Sequence[Row]) -> bool:
        mine = self._claim(tid, oid, rows)
        self._forget(rows)
        news = [row for row in rows if self._clock() - row["made"] < TOO_OLD]
        grant = self._grants.get(tid, oid)
        if not mine or not news or grant is None or not grant.usable:
            return False
        token = self._grants.access_token(tid, oid, self._transport.scopes)
        sender = self._mailboxes.of(tid, oid, token)
        message = compose_notice(news, texts.negotiate(grant.locale, news[-1]["locale"]))
        self._transport.send(token, sender, message, None, Draft("", look=False, remember=lambda _: None))
        return True

    def _claim(self, tid: str, oid: str, rows: Sequence[Row]) -> bool:
        """Say whether this run may tell these rows: nobody has, and the person was not told too much today."""
        now = self._clock()
        today, newest = f"{now:%Y-%m-%d}", max(row["made"] for row in rows)
        place = key(TOLD, tid, oid, "mails")
        with suppress(AlreadyThere):
            self._table.insert(LISTS, place, {"day": today, "mails": 0, "made": now})
        mine = False

        def claim(row: Row) -> dict[str, Value | None] | None:
            nonlocal mine
            mails = row["mails"] if row["day"] == today else 0
            last = row.get("last")
            mine = mails < MAILS_A_DAY and (last is None or last < newest)
            return {"day": today, "mails": mails + 1, "made": now, "last": newest} if mine else None

        self._table.change(LISTS, place, claim)
        return mine


def compose_notice(rows: Sequence[Row], language: str) -> Message:
    """Return the mail that tells of failed scans: which, why, and what to do."""
    held = all(row["reason"] == faults.HoldExpired.reason for row in rows)
    blocks = []
    for reason, of_one in itertools.groupby(sorted(rows, key=lambda row: (row["reason"], row["scanned"])), _reason):
        scans = list(of_one)
        told = texts.describe(faults.BY_REASON[reason](limit=""), language)
        lines = [_line(row, language) for row in scans[:LINES]]
        if len(scans) > LINES:
            lines.append(texts.say(N_("and {number} more"), language, number=len(scans) - LINES))
        # How large it may be is not in the row.
        why = f"{told.title}." if reason == faults.TooLarge.reason else f"{told.title}. {told.detail}"
        blocks.append("\n".join([*(f"- {line}" for line in lines), f"{why} {told.remedy}".strip()]))
    subject = N_("Scans of yours were deleted") if held else N_("A scan of yours was not sent")
    opening = (
        texts.say(N_("{number} scans were deleted before you signed in:"), language, number=len(rows))
        if held
        else texts.say(N_("What you scanned here was not sent, and is not stored any more:"), language)
    )
    closing = texts.say(N_("This mail was sent by yourself, from your own mailbox, through To My Email."), language)
    return Message(
        job="notice-failed", subject=texts.say(subject, language), text="\n\n".join([opening, *blocks, closing])
    )


def _reason(row: Row) -> str:
    return str(row["reason"])


def _line(row: Row, language: str) -> str:
    printer, place = clean(row["printer"], 80), clean(row["location"], 80)
    return f"{texts.moment(row['scanned'], language)}, {f'{printer} ({place})' if place else printer}"
