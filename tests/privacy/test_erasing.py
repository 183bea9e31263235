"""The order of an erasure: what is being written meanwhile, what comes afterwards, and who stands beside it."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from shared import faults
from shared.storage import key
from tests.privacy.conftest import ADELE, BEN, CONTOSO, Desk

PENDING = "pending"


def sign_in(desk: Desk, oid: str = ADELE, **more: Any) -> None:
    """Somebody signs in. Nobody asks Entra with these tokens."""
    desk.rooms.grants.store(CONTOSO, oid, '{"tokens": "of a test"}', **more)


def wish(desk: Desk, oid: str = ADELE) -> Any:
    """The row of the wish to be erased."""
    return desk.rooms.storage.table("erasures").get(PENDING, key(CONTOSO, oid))


def test_what_was_announced_and_not_yet_stored_goes_a_little_later(desk: Desk) -> None:
    """I04: the erasure falls between a scan's announcement and its first byte: the timer still finds both."""
    announced = desk.announce()
    desk.rooms.erasure.erase(CONTOSO, ADELE)
    desk.store(announced)
    desk.clock.advance(minutes=16)
    assert desk.rooms.erasure.settle() == 1
    assert desk.documents() == set()
    left = desk.job(announced)
    assert left is not None
    assert (left.state, left.oid, left.manifest.title) == ("cancelled", "", "")
    assert desk.traces() == []


def test_what_begins_afterwards_is_left_alone(desk: Desk) -> None:
    """R19: who comes back within the quarter of an hour scans on, and the timer takes nothing of it away."""
    desk.rooms.erasure.erase(CONTOSO, ADELE)
    desk.clock.advance(minutes=1)
    sign_in(desk)
    later = desk.scan()
    desk.clock.advance(minutes=16)
    assert desk.rooms.erasure.settle() == 1
    kept = desk.job(later)
    assert kept is not None
    assert (kept.state, kept.oid) == ("accepted", ADELE)
    assert desk.traces() == [later.blob]
    assert desk.rooms.grants.get(CONTOSO, ADELE) is not None


def test_the_tombstone_stands_for_a_quarter_of_an_hour(desk: Desk) -> None:
    """R19: a first login from before may still come; until it cannot, it finds itself erased."""
    sign_in(desk)
    before = desk.clock()
    desk.clock.advance(seconds=1)
    desk.rooms.erasure.erase(CONTOSO, ADELE)
    desk.clock.advance(minutes=14)
    assert desk.rooms.erasure.settle() == 0
    with pytest.raises(faults.SignInRequired):
        sign_in(desk, at=before)
    desk.clock.advance(minutes=2)
    assert desk.rooms.erasure.settle() == 1
    assert desk.rooms.storage.table("grants").get(key(CONTOSO), key(ADELE)) is None


def test_a_wish_that_was_cut_off_harms_no_later_sign_in(desk: Desk) -> None:
    """R19: the service died right after the wish; the person signs in anew before the timer goes on with it."""
    sign_in(desk)
    asked = desk.clock()
    desk.rooms.storage.table("erasures").put(
        PENDING, key(CONTOSO, ADELE), {"tid": CONTOSO, "oid": ADELE, "asked": asked}
    )
    desk.clock.advance(minutes=1)
    sign_in(desk)
    for _ in range(2):
        desk.rooms.erasure.settle()
        desk.clock.advance(minutes=16)
    grant = desk.rooms.grants.get(CONTOSO, ADELE)
    assert grant is not None
    assert grant.usable
    assert wish(desk) is None


def test_a_wish_that_was_cut_off_is_carried_out(desk: Desk) -> None:
    """R19: the same without a new sign-in: the timer ends it, although nobody asks again."""
    sign_in(desk)
    job = desk.scan()
    desk.rooms.storage.table("erasures").put(
        PENDING, key(CONTOSO, ADELE), {"tid": CONTOSO, "oid": ADELE, "asked": desk.clock()}
    )
    desk.clock.advance(seconds=1)
    desk.rooms.erasure.settle()
    assert desk.rooms.grants.get(CONTOSO, ADELE) is None
    cancelled = desk.job(job)
    assert cancelled is not None
    assert cancelled.state == "cancelled"


def test_an_older_wish_does_not_answer_for_a_newer_one(desk: Desk) -> None:
    """Two erasures of one person, the later one dying after its wish: it is not taken for carried out."""
    erasure = desk.rooms.erasure
    asked = desk.clock()
    desk.rooms.storage.table("erasures").put(
        PENDING, key(CONTOSO, ADELE), {"tid": CONTOSO, "oid": ADELE, "asked": asked + timedelta(minutes=1)}
    )
    erasure._cut_off(CONTOSO, ADELE, asked)
    assert "cut_off" not in wish(desk).values


def test_a_wish_asked_again_is_not_forgotten(desk: Desk) -> None:
    """The timer finishes an erasure while the person asks for another: the new wish stays."""
    erasure = desk.rooms.erasure
    erasure.erase(CONTOSO, ADELE)
    row = wish(desk)
    desk.clock.advance(minutes=16)
    erasure.erase(CONTOSO, ADELE)
    erasure._settle(row)
    assert wish(desk) is not None
    desk.clock.advance(minutes=16)
    assert erasure.settle() == 1
    assert wish(desk) is None


def test_everybody_of_a_tenant_is_who_left_anything_there(desk: Desk) -> None:
    """I04: one who only signed in and one who only scanned are both of the tenant, and both are erased."""
    sign_in(desk, BEN)
    job = desk.scan()
    assert desk.rooms.erasure.erase_tenant(CONTOSO) == 2
    assert desk.rooms.grants.get(CONTOSO, BEN) is None
    cancelled = desk.job(job)
    assert cancelled is not None
    assert cancelled.oid == ""


def test_one_broken_row_holds_nobody_up(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """G16: a trace that cannot be read puts one erasure off; the others are finished, and the log quotes no row."""
    caplog.set_level(logging.DEBUG)
    for oid in (ADELE, BEN):
        desk.rooms.erasure.erase(CONTOSO, oid)
    desk.rooms.storage.table("traces").put(
        key(CONTOSO, ADELE), key("pin", "x"), {"oid": ADELE, "parts": "canary, no JSON", "since": desk.clock()}
    )
    desk.clock.advance(minutes=16)
    assert desk.rooms.erasure.settle() == 1
    assert (wish(desk) is None, wish(desk, BEN)) == (False, None)
    assert "canary" not in caplog.text
