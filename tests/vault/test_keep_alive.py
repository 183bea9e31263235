"""Sleeping sign-ins are kept alive, whatever stops a run; who must go is told once, and goes on his day."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from azure.data.tables import TableClient, UpdateMode

from local.microsoft.directory import Account
from shared import faults, texts
from shared.mail import Notices
from shared.vault import Grant, KeepAlive, Renewals
from tests.scans.test_dying import Dies, Life
from tests.vault.conftest import TID, Mortal, Staff, mortal_grants


def run_until_quiet(staff: Staff, most: int = 10) -> None:
    """What the timer does in some minutes."""
    for _ in range(most):
        if staff.rooms.keep_alive.run() == 0:
            return


def next_day(staff: Staff) -> None:
    """Let the next day (UTC) begin."""
    now = staff.clock()
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=1)
    staff.clock.advance(seconds=(tomorrow - now).total_seconds())


@pytest.fixture
def sleepers(staff: Staff) -> Iterator[list[Account]]:
    """Six people who have not scanned for a month."""
    people = staff.hire(6)
    staff.clock.advance(days=31)
    yield people
    run_until_quiet(staff)


# ---------------------------------------------------------------- renewing


def test_what_is_due_is_renewed_once(staff: Staff) -> None:
    """R28: nobody before day 20, everybody by day 31, one call each; and what is renewed is due no more."""
    people = staff.hire(8)
    staff.clock.advance(days=19)
    assert staff.rooms.keep_alive.run() == 0
    staff.clock.advance(days=12)
    assert staff.rooms.keep_alive.run() == len(people)
    assert staff.rooms.keep_alive.run() == 0
    assert [staff.asked(account) for account in people] == [1] * len(people)
    assert all(staff.works(staff.token(account), account) for account in people)


def test_who_scans_is_not_renewed(staff: Staff) -> None:
    """A scan keeps its own sign-in alive: the renewal moves along."""
    [account] = staff.hire(1)
    for _ in range(8):
        staff.clock.advance(days=10)
        staff.token(account)
        assert staff.rooms.keep_alive.run() == 0


def test_a_run_is_bounded(staff: Staff) -> None:
    """R29: a run takes 60 people, and the next one the rest."""
    staff.hire(64)
    staff.clock.advance(days=31)
    assert staff.rooms.keep_alive.run() == 60
    assert staff.rooms.keep_alive.run() == 4
    assert staff.rooms.keep_alive.run() == 0


def test_two_timers_at_once_ask_once(staff: Staff, sleepers: list[Account]) -> None:
    """R30: three timers at the same moment: one call per person."""
    staff.microsoft.switchboard.add("token", "slow_after_applying", seconds=0.1, times=None)
    timers = [staff.worker().keep_alive for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda timer: timer.run(), timers))
    run_until_quiet(staff)
    assert [staff.asked(account) for account in sleepers] == [1] * len(sleepers)


def test_a_timer_does_not_ask_beside_a_delivery(staff: Staff, sleepers: list[Account]) -> None:
    """R30: a delivery that refreshes, or has just refreshed, is the renewal."""
    timer = staff.worker().keep_alive
    staff.microsoft.switchboard.add("token", "slow_after_applying", seconds=0.2, times=None)
    with ThreadPoolExecutor(7) as pool:
        deliveries = [pool.submit(staff.token, account) for account in sleepers]
        pool.submit(timer.run).result()
        tokens = [delivery.result() for delivery in deliveries]
    assert all(staff.works(token, account) for token, account in zip(tokens, sleepers, strict=True))
    assert [staff.asked(account) for account in sleepers] == [1] * len(sleepers)


def test_a_run_may_die_before_any_write(staff: Staff) -> None:
    """R31: the process ends after any number of writes; the next run does the rest, and asks for at most one again."""
    lived, writes = False, 0
    while not lived:
        people = staff.hire(2)
        staff.microsoft.switchboard.forget()
        staff.clock.advance(days=31)
        timer = mortal_keep_alive(staff, writes)
        try:
            timer.run()
            lived = True
        except Dies:
            staff.assert_sound()
        staff.clock.advance(minutes=15)
        run_until_quiet(staff)
        asked = [staff.asked(account) for account in people]
        assert min(asked) == 1
        assert sum(asked) <= len(people) + 1
        assert all(staff.grant(account).refreshed > staff.clock() - timedelta(days=1) for account in people)
        staff.assert_sound()
        for account in staff.people:
            staff.rooms.grants.erase(TID, account.oid)
        writes += 1
    assert writes > 6


def mortal_keep_alive(staff: Staff, writes: int) -> KeepAlive:
    """The timer of a process that has so many writes to live."""
    life, rooms = Life(writes), staff.rooms
    grants = mortal_grants(staff, life)
    renewals = Renewals(Mortal(rooms.storage.table("renewals"), life), staff.clock, lambda: f"{random.random()}")

    def notice(grant: Grant, token: str) -> None:
        assert grant.ends
        Notices(rooms.graph).sign_in_ends(token, grant.ends, grant.locale)

    return KeepAlive(renewals, grants, rooms.organisations, notice, staff.clock)


# ---------------------------------------------------------------- what stands in the way


def test_a_paused_organisation_costs_no_call(staff: Staff, sleepers: list[Account]) -> None:
    """R58: consent is withdrawn: one person's refresh finds it out, and nobody else is asked for, today or later."""
    staff.microsoft.cloud.withdraw_consent("contoso")
    run_until_quiet(staff)
    assert staff.asked() == 1
    assert staff.rooms.organisations.get(TID).consent == "withdrawn"
    for _ in range(3):
        next_day(staff)
        assert staff.rooms.keep_alive.run() == len(sleepers)
        assert staff.rooms.keep_alive.run() == 0
    assert staff.asked() == 1
    assert all(staff.grant(account).usable for account in sleepers)


def test_our_own_credential_stops_a_run_and_touches_nobody(staff: Staff, sleepers: list[Account]) -> None:
    """R25, G15: one call per run, no row changed; and on the same day everybody is renewed when it is mended."""
    before = [staff.row(account) for account in sleepers]
    cloud = staff.microsoft.cloud
    registered = cloud.application(staff.rooms.settings.client_id)
    cloud.register(replace(registered, certificates=()))
    for _ in range(3):
        staff.rooms.keep_alive.run()
    assert staff.asked() == 3
    assert [staff.row(account) for account in sleepers] == before
    cloud.register(registered)
    assert staff.rooms.keep_alive.run() == len(sleepers)


@pytest.mark.parametrize(("kind", "calls"), [("unavailable", 3), ("reset", 3), ("throttled", 1)])
def test_an_outage_ends_a_run_early(staff: Staff, sleepers: list[Account], kind: str, calls: int) -> None:
    """R26, R57: three faults in a row are an outage, a throttle counts at once; who was not asked for stays due."""
    staff.microsoft.switchboard.add("token", kind, times=None, retry_after="60")
    staff.rooms.keep_alive.run()
    assert staff.asked() == calls
    staff.microsoft.switchboard.remove()
    assert staff.rooms.keep_alive.run() == len(sleepers) - calls
    next_day(staff)
    assert staff.rooms.keep_alive.run() == calls


@pytest.mark.parametrize("damage", [b"", b"\x01 not sealed by us at all, but long enough for it", "text"])
def test_one_broken_row_holds_nobody_up(staff: Staff, sleepers: list[Account], damage: Any) -> None:
    """G16, R31: what cannot be opened is put off and kept; everybody behind it is renewed."""
    [first, *others] = sorted(sleepers, key=lambda account: str(staff.grant(account).due))
    with TableClient.from_connection_string(staff.rooms.settings.data_storage, "grants") as client:
        client.update_entity(
            {"PartitionKey": TID, "RowKey": first.oid, "sealed": damage, "epoch": "other"}, mode=UpdateMode.MERGE
        )
    assert staff.rooms.keep_alive.run() == len(sleepers)
    assert staff.rooms.keep_alive.run() == 0
    assert staff.row(first)["sealed"] == damage
    assert [staff.asked(account) for account in others] == [1] * len(others)


@pytest.mark.parametrize("damage", [{"refreshed": "canary"}, {"epoch": None}, {"ends": "canary"}])
def test_a_row_that_says_nothing_holds_nobody_up(
    staff: Staff, sleepers: list[Account], damage: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """G16, R31: a row whose columns are missing or of another type is passed over, and the log quotes none of it."""
    [first, *others] = sorted(sleepers, key=lambda account: str(staff.grant(account).due))
    table = staff.rooms.storage.table("grants")
    row = table.get(TID, first.oid)
    assert row
    table.replace(row, {**row.values, **damage})
    staff.rooms.keep_alive.run()
    assert [staff.asked(account) for account in others] == [1] * len(others)
    assert "canary" not in caplog.text
    spoiled = table.get(TID, first.oid)
    assert spoiled
    table.replace(spoiled, {**spoiled.values, **{name: row.get(name) for name in damage}})
    run_until_quiet(staff)
    next_day(staff)
    run_until_quiet(staff)
    assert staff.asked(first) == 1


def test_a_bug_holds_nobody_up_and_quotes_nothing(staff: Staff, caplog: pytest.LogCaptureFixture) -> None:
    """G11, R31: an exception that is no fault may quote a token: its kind is logged, the others are looked after."""
    people = staff.hire(3, days=20)
    staff.clock.advance(days=7)
    rooms = staff.rooms

    def broken(grant: Grant, token: str) -> None:
        raise RuntimeError(f"canary {grant.oid} {token}")

    timer = KeepAlive(rooms.renewals, rooms.grants, rooms.organisations, broken, staff.clock)
    assert timer.run() == len(people)
    assert "RuntimeError" in caplog.text
    assert "canary" not in caplog.text


def test_a_run_ends_in_time(staff: Staff, sleepers: list[Account]) -> None:
    """R29: a run that is slow stops taking people after 45 seconds; the next one goes on with the rest."""
    ticks = count()
    rooms = staff.rooms

    def slow() -> datetime:
        return staff.clock() + timedelta(seconds=15 * next(ticks))

    timer = KeepAlive(rooms.renewals, rooms.grants, rooms.organisations, lambda *_: None, slow)
    assert timer.run() == 2
    assert rooms.keep_alive.run() == len(sleepers) - 2


def test_who_is_gone_ends_and_the_others_stay(staff: Staff, sleepers: list[Account]) -> None:
    """R31: revoked, deleted, disabled, blocked: each gets his own fate."""
    cloud = staff.microsoft.cloud
    cloud.revoke_refresh_tokens(sleepers[0].key)
    cloud.change_account(sleepers[1].key, deleted=True)
    cloud.change_account(sleepers[2].key, disabled=True)
    cloud.change_account(sleepers[3].key, blocked=True)
    staff.rooms.keep_alive.run()
    told = [(grant.ended, grant.blocked) for grant in map(staff.grant, sleepers)]
    assert told == [
        ("sign_in_revoked", None),
        (None, "account_disabled"),
        (None, "account_disabled"),
        (None, "blocked_by_policy"),
        (None, None),
        (None, None),
    ]


def test_what_an_administrator_blocks_is_tried_every_day(staff: Staff) -> None:
    """A rule that is lifted is found out without the person: the day after, he is no longer shown as blocked."""
    [account] = staff.hire(1)
    staff.let_tokens_expire()
    staff.microsoft.cloud.change_account(account.key, blocked=True)
    with pytest.raises(faults.BlockedByPolicy):
        staff.token(account)
    for asked in (2, 3):
        next_day(staff)
        run_until_quiet(staff)
        assert staff.asked(account) == asked
        assert staff.grant(account).blocked
    staff.microsoft.cloud.change_account(account.key, blocked=False)
    next_day(staff)
    run_until_quiet(staff)
    assert staff.grant(account).blocked is None
    next_day(staff)
    assert staff.rooms.keep_alive.run() == 0


# ---------------------------------------------------------------- the policy's end


def notices(staff: Staff, account: Account) -> list[Any]:
    """The mails that he got."""
    return list(staff.microsoft.cloud.mailboxes.inbox(account.key))


def test_who_must_go_is_told_once_and_goes_on_his_day(staff: Staff) -> None:
    """One mail 14 days before, in his language, while the sign-in works; then 361, on time even without a timer."""
    [account] = staff.hire(1, days=60, locale="de-AT")
    signed_in = staff.grant(account).signed_in
    while not notices(staff, account):
        assert staff.clock() - signed_in < timedelta(days=48)
        next_day(staff)
        run_until_quiet(staff)
    assert staff.clock() - signed_in >= timedelta(days=46)
    [mail] = notices(staff, account)
    ends = staff.grant(account).ends
    assert ends == signed_in + timedelta(days=60)
    told = texts.say("Sign in again for To My Email before {day}", texts.negotiate("de-AT"), day=f"{ends:%Y-%m-%d}")
    assert mail.subject == told
    assert staff.works(staff.token(account), account)
    while staff.clock() < ends - timedelta(hours=3):
        asked = staff.asked(account)
        staff.clock.advance(hours=12)
        if staff.clock() < ends:
            run_until_quiet(staff)
            assert staff.asked(account) <= asked + 1
    assert len(notices(staff, account)) == 1
    staff.clock.advance(seconds=(ends - staff.clock()).total_seconds())
    with pytest.raises(faults.SignInExpired) as raised:
        staff.token(account)
    assert raised.value.code == 361
    next_day(staff)
    run_until_quiet(staff)
    assert "sealed" not in staff.row(account)
    assert staff.grant(account).ended == "sign_in_expired"
    staff.sign_in(account, days=60)
    assert staff.works(staff.token(account), account)


def test_the_last_days_cost_no_more_than_others(staff: Staff) -> None:
    """R29: on the day of the notice and on the last day, a timer that runs all day asks Entra once at most."""
    [account] = staff.hire(1, days=30)
    for _ in range(30 * 4):
        day = staff.clock().date()
        asked = staff.asked(account)
        while staff.clock().date() == day and staff.grant(account).usable:
            run_until_quiet(staff, most=3)
            staff.clock.advance(hours=6)
        # Once to renew, and once for the notice where the first token is over by then.
        assert staff.asked(account) - asked <= 1
        if not staff.grant(account).usable:
            break
    assert not staff.grant(account).usable
    assert len(notices(staff, account)) == 1


def test_two_timers_tell_once(staff: Staff) -> None:
    """R30: three timers at the same moment: one mail per person."""
    people = staff.hire(4, days=20)
    next_day(staff)
    staff.clock.advance(days=6)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda timer: timer.run(), [staff.worker().keep_alive for _ in range(3)]))
    run_until_quiet(staff)
    assert [len(notices(staff, account)) for account in people] == [1] * len(people)


def test_telling_may_die_before_any_write(staff: Staff) -> None:
    """R31: whatever write a run dies before, nobody is told twice; only death between note and mail costs the mail."""
    told, lived, writes = [], False, 0
    while not lived:
        [account] = staff.hire(1, days=20)
        staff.clock.advance(days=7)
        try:
            mortal_keep_alive(staff, writes).run()
            lived = True
        except Dies:
            staff.assert_sound()
        staff.clock.advance(minutes=15)
        run_until_quiet(staff)
        told.append(len(notices(staff, account)))
        staff.rooms.grants.erase(TID, account.oid)
        # A left-over of this death would be one more write of a later life.
        staff.clock.advance(days=60)
        run_until_quiet(staff)
        writes += 1
    # One write lies between the note and the mail: the entry of the day before is deleted.
    assert sorted(told) == [0] + [1] * (len(told) - 1)
    assert len(told) > 5


def test_a_mail_that_could_not_be_sent_is_sent_later(staff: Staff) -> None:
    """A throttled mailbox is told the next day; a mail whose fate is unknown is not sent again."""
    later, unknown = staff.hire(2, days=20)
    staff.clock.advance(days=7)
    staff.microsoft.switchboard.add("sendMail", "throttled", account=later.key, retry_after="60")
    staff.microsoft.switchboard.add("sendMail", "gateway_timeout_after_applying", account=unknown.key)
    run_until_quiet(staff)
    assert notices(staff, later) == []
    for _ in range(2):
        next_day(staff)
        run_until_quiet(staff)
    assert len(notices(staff, later)) == 1
    assert len(notices(staff, unknown)) == 1


def test_who_signs_in_again_is_not_told_of_the_old_end(staff: Staff) -> None:
    """A new sign-in while the timer works: the notice is of the sign-in that was read, and no longer holds."""
    [account] = staff.hire(1, days=20)
    staff.clock.advance(days=7)
    old = staff.grant(account)
    staff.sign_in(account, days=20)
    assert staff.rooms.grants.notified(old, told=True) is False
    staff.rooms.grants.end(old, faults.SignInExpired)
    assert staff.grant(account).usable
    assert not staff.grant(account).notified


def test_the_administrators_list(staff: Staff) -> None:
    """Who ends when, who is blocked, who is idle since when: one query per tenant."""
    ending, blocked, idle, ended = staff.hire(4)
    staff.sign_in(ending, days=90)
    since = staff.grant(idle).refreshed
    staff.let_tokens_expire()
    staff.microsoft.cloud.change_account(blocked.key, blocked=True)
    with pytest.raises(faults.BlockedByPolicy):
        staff.token(blocked)
    staff.revoke(ended)
    with pytest.raises(faults.SignInRevoked):
        staff.token(ended)
    found = {grant.oid: grant for grant in staff.rooms.grants.of_tenant(TID)}
    assert len(found) == 4
    assert found[ending.oid].ends == found[ending.oid].signed_in + timedelta(days=90)
    assert found[blocked.oid].blocked == "blocked_by_policy"
    assert found[blocked.oid].usable
    assert found[idle.oid].refreshed == since
    assert found[ended.oid].ended == "sign_in_revoked"
    assert list(staff.rooms.grants.of_tenant("another")) == []


# ---------------------------------------------------------------- 400 days


def test_nobody_is_lost_in_230_days_with_an_outage_of_59(staff: Staff) -> None:
    """R28: people who signed in over a month and never scan; Entra is gone for 59 days. Nobody idles past day 90.

    The emulated Microsoft ends refresh tokens after 90 idle days. bench/renewals.py does this with 1,000 people
    and 400 days: at seven requests to storage for a renewal that is more than a suite can wait for.
    """
    people: list[Account] = []
    for day in range(230):
        if day < 30 and day % 3 == 1:
            people += staff.hire(1)
        if day == 75:
            staff.microsoft.switchboard.add("token", "unavailable", times=None)
        if day == 75 + 59:
            staff.microsoft.switchboard.remove()
        run_until_quiet(staff, most=2)
        next_day(staff)
    run_until_quiet(staff)
    assert all(staff.grant(account).usable for account in people)
    assert all(staff.clock() - staff.grant(account).refreshed < timedelta(days=31) for account in people)
    assert all(staff.works(staff.token(account), account) for account in people)


def test_the_emulated_microsoft_would_have_ended_them(staff: Staff) -> None:
    """The test above can fail: without a timer, the same people are at their end after 90 days, with 361."""
    [account] = staff.hire(1)
    staff.clock.advance(days=91)
    staff.rooms.keep_alive.run()
    assert staff.grant(account).ended == "sign_in_expired"
    with pytest.raises(faults.SignInExpired) as raised:
        staff.token(account)
    assert raised.value.code == 361
