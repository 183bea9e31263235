"""Keeping sleeping sign-ins alive, and telling people before one ends.

Runs every minute and takes what is due, at most :data:`AT_MOST` people, so that nobody's day brings a storm
(R29). It may be cut off anywhere and run twice at once: each person stands alone, and the lease in his grant
lets one refresh through (R30, R31).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from shared import faults
from shared.vault.grant import NOTICE, Grant
from shared.vault.grants import Grants
from shared.vault.renewals import Renewals

AT_MOST = 60
"""People per run; 86,400 a day."""
RUN_SECONDS = 45
"""A run stops taking more after this; the next one goes on."""
TROUBLES = 3
"""So many faults of Microsoft's in a row are an outage, and end a run; who was not asked for loses no day by it."""

log = logging.getLogger(__name__)

Notice = Callable[[Grant, str], None]


class Consents(Protocol):
    """Under which consent grants stand."""

    def scopes(self, grant: Grant) -> Sequence[str]:
        """Return the scopes that a grant is renewed with.

        Raises:
            Fault: it is not renewed now.
        """

    def withdraw(self, tid: str) -> object:
        """Hear that Entra says that a tenant's consent is gone."""


class KeepAlive:
    """Renews what is due.

    Args:
        renewals: knows what is due.
        grants: renews.
        consents: says which scopes, and whether the organisation is paused.
        notice: sends a person the mail that his sign-in will end; gets his grant and an access token.
        clock: the time now.
    """

    def __init__(
        self,
        renewals: Renewals,
        grants: Grants,
        consents: Consents,
        notice: Notice,
        clock: Callable[[], datetime],
    ) -> None:
        self._renewals = renewals
        self._grants = grants
        self._consents = consents
        self._notice = notice
        self._clock = clock

    def run(self) -> int:
        """Look after up to :data:`AT_MOST` people that are due; returns how many.

        Raises:
            StorageUnavailable: the next run goes on.
        """
        until = self._clock() + timedelta(seconds=RUN_SECONDS)
        count = troubles = 0
        for due in list(self._renewals.due(AT_MOST)):
            if self._clock() >= until or troubles >= TROUBLES:
                break
            try:
                grant = self._grants.get(due.tid, due.oid)
            except (KeyError, TypeError, ValueError) as error:
                log.error("a grant in tenant %s cannot be read: %s", due.tid, type(error).__name__)  # noqa: TRY400
                continue
            if grant is None or grant.due != due.place:
                self._renewals.clear(due)
                continue
            count += 1
            try:
                self._look_after(grant)
            except faults.OwnCredentialRefused as fault:
                # It would be the same for everybody. The next run asks again, and nobody has lost a day.
                log.error("nothing is renewed: %s", fault)  # noqa: TRY400  (a fault says all there is)
                break
            except Exception as error:  # noqa: BLE001  (whatever is wrong with one must not stop those behind him)
                self._put_off(grant, error)
                # Retry-After counts for all of them.
                troubles += TROUBLES if isinstance(error, faults.Throttled) else isinstance(error, faults.Passing)
            else:
                troubles = 0
        if count >= AT_MOST:
            log.warning("renewals fill their run: %d, and more may be due", count)
        return count

    def _look_after(self, grant: Grant) -> None:
        if not grant.usable:
            self._grants.end(grant, faults.SignInExpired)
            return
        scopes = self._consents.scopes(grant)
        self._grants.renew(grant, scopes)
        if grant.ends is not None and self._clock() >= grant.ends - NOTICE and not grant.notified:
            self._tell(grant, self._grants.access_token(grant.tid, grant.oid, scopes))

    def _put_off(self, grant: Grant, error: Exception) -> None:
        if isinstance(error, faults.Fault):
            log.warning("a renewal in tenant %s: %s", grant.tid, error)
        else:
            # The message of an exception may quote anything.
            log.error("a renewal in tenant %s: %s", grant.tid, type(error).__name__)
        if isinstance(error, faults.ConsentWithdrawn):
            self._consents.withdraw(grant.tid)
        self._grants.postpone(grant)

    def _tell(self, grant: Grant, token: str) -> None:
        """Tell the person once. Rather once too few than twice: it is written down before it is sent."""
        if not self._grants.notified(grant, told=True):
            return
        try:
            self._notice(grant, token)
        except faults.Unknown:
            return
        except faults.Fault:
            self._grants.notified(grant, told=False)
            raise
