"""A handoff: from the panel to a browser and back, once, for the one who began it."""

import base64
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest

from shared import faults
from shared.handoffs import Handoff, Handoffs, Started
from shared.storage import Row, Storage
from tests.identity.test_authorizations import outcomes
from tests.vault.processes import start

DEVICE, OTHER = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
TASK = {"user": "adele", "email": "adele.vance@contoso.example"}
RESULT = {"oid": "an-oid", "cache": "canary-refresh-token"}
SERVICE_KEY = secrets.token_bytes(32)


def made(storage: Storage, clock: Any, below: Callable[[int], int] = secrets.randbelow) -> Handoffs:
    """Build the room as one instance of the service has it."""
    return Handoffs(storage.table("handoffs"), start(storage, clock).sealer, SERVICE_KEY, clock, below)


@pytest.fixture
def handoffs(storage: Storage, clock: Any) -> Handoffs:
    """The room."""
    return made(storage, clock)


@pytest.fixture
def started(handoffs: Handoffs) -> Started:
    """A handoff that a panel has begun."""
    return handoffs.start("sign_in", TASK, device_id=DEVICE)


def look(handoffs: Handoffs, started: Started) -> Handoff:
    """Read it without polling."""
    return handoffs.get(started.id)


def done(handoffs: Handoffs, started: Started) -> Handoff:
    """Bring the browser's side to its end."""
    return handoffs.browser_done(started.id, account_hint="a***@contoso.example", result=RESULT)


def test_the_whole_way(handoffs: Handoffs, started: Started) -> None:
    """Pending, confirm, active: the panel's OK carries out what the browser brought, and then it is forgotten."""
    assert handoffs.by_link(started.link, "sign_in").status == "pending"
    assert done(handoffs, started).status == "confirm"
    carried: list[Handoff] = []
    assert handoffs.confirm(started.id, DEVICE, "sign_in", carried.append).status == "active"
    assert [handoff.result for handoff in carried] == [RESULT]
    assert carried[0].task == TASK
    ended = look(handoffs, started)
    assert (ended.status, ended.result, ended.account_hint) == ("active", {}, "a***@contoso.example")


def test_looking_changes_nothing(handoffs: Handoffs, started: Started, storage: Storage) -> None:
    """B03, B15: a hundred looks at the link, as a mail scanner makes them, leave the row as it was."""
    before = storage.table("handoffs").get(started.id, "handoff")
    for _ in range(100):
        assert handoffs.by_link(started.link, "sign_in").status == "pending"
    assert storage.table("handoffs").get(started.id, "handoff") == before


def forged(link: str) -> Iterator[str]:
    """Links that are nearly right."""
    raw = base64.urlsafe_b64decode(link + "==")
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1
        yield base64.urlsafe_b64encode(bytes(changed)).decode().rstrip("=")
    yield from (link[:-1], link + "A", link + "=", link + "==", f"{link[:8]}\n{link[8:]}", f" {link}", link.swapcase())
    yield from (
        "",
        "=",
        "A" * 43,
        "a/b",
        "ü" * 43,
        "\x00",
        "%00",
        "A" * 10_000,
        base64.urlsafe_b64encode(raw[:16]).decode(),
    )


def test_a_forged_link_costs_no_look_up(started: Started, clock: Any) -> None:
    """I03: format and signature are checked first; the storage behind this room does not even exist."""
    nowhere = "DefaultEndpointsProtocol=http;AccountName=x;AccountKey=eA==;TableEndpoint=http://127.0.0.1:9/x;"
    handoffs = made(Storage(nowhere, new_id=lambda: "x"), clock)
    for link in forged(started.link):
        with pytest.raises(faults.LinkUnknown):
            handoffs.by_link(link, "sign_in")


def test_a_link_serves_one_story(handoffs: Handoffs, started: Started) -> None:
    """A first login's link opens no consent, and another service's key signs no link of ours."""
    with pytest.raises(faults.LinkUnknown):
        handoffs.by_link(started.link, "consent")


def test_another_device_finds_nothing(handoffs: Handoffs, started: Started) -> None:
    """B09: poll, confirm and cancel by another device, for another story, or of an unknown id answer alike."""
    done(handoffs, started)
    for wrong in ((started.id, OTHER, "sign_in"), (started.id, DEVICE, "consent"), (OTHER, DEVICE, "sign_in")):
        with pytest.raises(faults.NotFound):
            handoffs.poll(*wrong)
        with pytest.raises(faults.NotFound):
            handoffs.cancel(*wrong)
        with pytest.raises(faults.NotFound):
            handoffs.confirm(*wrong, lambda _: pytest.fail("carried out for a stranger"))
    assert look(handoffs, started).status == "confirm"


def test_a_handoff_begun_in_a_browser_belongs_to_no_device(handoffs: Handoffs) -> None:
    """B09: what a browser began has no device, and no code."""
    begun = handoffs.start("consent", {})
    assert begun.user_code == "-"
    with pytest.raises(faults.NotFound):
        handoffs.poll(begun.id, DEVICE, "consent")


def test_polling_too_fast_slows_down(handoffs: Handoffs, started: Started, clock: Any, storage: Storage) -> None:
    """B10, RFC 8628 section 3.5: each haste adds five seconds, on every instance; patience is answered."""
    other = made(storage, clock)
    assert handoffs.poll(started.id, DEVICE, "sign_in").interval == 5
    for number, instance in enumerate((other, handoffs, other), start=2):
        with pytest.raises(faults.SlowDown) as raised:
            instance.poll(started.id, DEVICE, "sign_in")
        assert raised.value.retry_after == 5 * number
    clock.advance(seconds=15)
    with pytest.raises(faults.SlowDown):
        handoffs.poll(started.id, DEVICE, "sign_in")
    clock.advance(seconds=25)
    assert handoffs.poll(started.id, DEVICE, "sign_in").interval == 25


def test_polling_at_the_interval_is_fine(handoffs: Handoffs, started: Started, clock: Any) -> None:
    """B10: who keeps the interval never hears slow_down, to the end."""
    for _ in range(70):
        assert handoffs.poll(started.id, DEVICE, "sign_in").status in {"pending", "expired"}
        clock.advance(seconds=5)


@pytest.mark.parametrize(("seconds", "fine"), [(4.4, False), (4.5, True)])
def test_half_a_second_is_allowed_for_the_way(
    handoffs: Handoffs, started: Started, clock: Any, seconds: float, fine: bool
) -> None:
    """B10: a poll that was sent in time and came a little early is answered; one that is earlier hears slow_down."""
    handoffs.poll(started.id, DEVICE, "sign_in")
    clock.advance(seconds=seconds)
    with nullcontext() if fine else pytest.raises(faults.SlowDown):
        handoffs.poll(started.id, DEVICE, "sign_in")


def test_cancelled_while_the_browser_signs_in(handoffs: Handoffs, started: Started) -> None:
    """B11: the late browser is refused, what it brought is not kept, and the panel sees a cancelled sign-in."""
    handoffs.cancel(started.id, DEVICE, "sign_in")
    with pytest.raises(faults.SignInDeclined):
        done(handoffs, started)
    ended = look(handoffs, started)
    assert (ended.status, ended.reason, ended.result) == ("denied", "sign_in_declined", {})
    with pytest.raises(faults.WrongState):
        handoffs.confirm(started.id, DEVICE, "sign_in", lambda _: pytest.fail("carried out after cancel"))


def test_cancelled_instead_of_ok(handoffs: Handoffs, started: Started, storage: Storage) -> None:
    """B11: cancelling at the question forgets what the browser brought; again is fine, after OK it is too late."""
    done(handoffs, started)
    handoffs.cancel(started.id, DEVICE, "sign_in")
    handoffs.cancel(started.id, DEVICE, "sign_in")
    row = storage.table("handoffs").get(started.id, "handoff")
    assert row is not None
    assert "result" not in row.values
    active = handoffs.start("sign_in", TASK, device_id=DEVICE)
    done(handoffs, active)
    handoffs.confirm(active.id, DEVICE, "sign_in", lambda _: None)
    with pytest.raises(faults.WrongState):
        handoffs.cancel(active.id, DEVICE, "sign_in")


def test_ok_and_cancel_at_once(handoffs: Handoffs, started: Started) -> None:
    """B11: once an OK is being carried out it cannot be cancelled: never both stored and cancelled."""
    done(handoffs, started)
    refused: list[str] = []

    def carry_out(_: Handoff) -> None:
        with pytest.raises(faults.WrongState) as raised:
            handoffs.cancel(started.id, DEVICE, "sign_in")
        refused.append(raised.value.reason)

    assert handoffs.confirm(started.id, DEVICE, "sign_in", carry_out).status == "active"
    assert refused == ["wrong_state"]


def test_a_browser_that_brings_nothing_leaves_nothing(handoffs: Handoffs, started: Started, storage: Storage) -> None:
    """Where the browser's side has nothing for the panel's OK, nothing is sealed for it."""
    done = handoffs.browser_done(started.id, account_hint="a")
    assert (done.status, dict(done.result)) == ("confirm", {})
    assert "result" not in next(row.values for row in storage.table("handoffs").query(started.id))


def test_of_many_browsers_one_is_done(handoffs: Handoffs, started: Started) -> None:
    """B18: parallel ends of one handoff have exactly one winner."""
    assert outcomes(lambda: done(handoffs, started)).count("won") == 1


def test_ok_before_the_browser_is_done(handoffs: Handoffs, started: Started) -> None:
    """An OK needs something to confirm."""
    with pytest.raises(faults.WrongState):
        handoffs.confirm(started.id, DEVICE, "sign_in", lambda _: pytest.fail("carried out too early"))
    assert look(handoffs, started).status == "pending"


def test_a_repeated_ok_is_the_same_ok(handoffs: Handoffs, started: Started) -> None:
    """The panel may lose the answer: the second OK answers the same and carries nothing out again."""
    done(handoffs, started)
    carried: list[str] = []
    for _ in range(3):
        assert handoffs.confirm(started.id, DEVICE, "sign_in", lambda each: carried.append(each.id)).status == "active"
    assert carried == [started.id]


def test_an_ok_that_stopped_half_way_can_be_repeated(handoffs: Handoffs, started: Started) -> None:
    """R17: the storage fails while it is carried out: the next OK carries it out."""
    done(handoffs, started)

    def fail(_: Handoff) -> None:
        raise faults.StorageUnavailable

    with pytest.raises(faults.StorageUnavailable):
        handoffs.confirm(started.id, DEVICE, "sign_in", fail)
    carried: list[Handoff] = []
    assert handoffs.confirm(started.id, DEVICE, "sign_in", carried.append).status == "active"
    assert carried[0].result == RESULT


def test_an_ok_that_is_refused_ends_it(handoffs: Handoffs, started: Started) -> None:
    """B01: pinned to another account meanwhile: the panel hears why, and what the browser brought is forgotten."""
    done(handoffs, started)

    def refuse(_: Handoff) -> None:
        raise faults.WrongAccount

    with pytest.raises(faults.WrongAccount):
        handoffs.confirm(started.id, DEVICE, "sign_in", refuse)
    ended = look(handoffs, started)
    assert (ended.status, ended.reason, ended.result) == ("denied", "wrong_account", {})


def test_five_minutes_for_the_browser_and_five_for_the_ok(handoffs: Handoffs, started: Started, clock: Any) -> None:
    """Time ends a handoff at either side; the OK's time begins when the browser is done."""
    clock.advance(minutes=4, seconds=50)
    done(handoffs, started)
    clock.advance(minutes=4, seconds=50)
    assert look(handoffs, started).status == "confirm"
    clock.advance(seconds=15)
    assert (look(handoffs, started).status, look(handoffs, started).reason) == ("expired", "sign_in_timed_out")
    with pytest.raises(faults.WrongState):
        handoffs.confirm(started.id, DEVICE, "sign_in", lambda _: pytest.fail("carried out too late"))


def test_a_late_browser(handoffs: Handoffs, started: Started, clock: Any) -> None:
    """After five minutes the browser's side is refused."""
    clock.advance(minutes=5)
    with pytest.raises(faults.SignInTimedOut):
        done(handoffs, started)


def test_a_refusal_is_told_once(handoffs: Handoffs, started: Started) -> None:
    """The first refusal stays; what passes by itself ends nothing."""
    with pytest.raises(faults.NoConnection), handoffs.refusing(started.id):
        raise faults.NoConnection
    assert look(handoffs, started).status == "pending"
    for fault in (faults.GuestNotAllowed, faults.WrongAccount):
        with pytest.raises(fault), handoffs.refusing(started.id):
            raise fault
    assert (look(handoffs, started).status, look(handoffs, started).reason) == ("denied", "guest_not_allowed")


def test_what_is_forgotten_is_gone_for_everybody(handoffs: Handoffs, started: Started, storage: Storage) -> None:
    """B15, I04: browser, device and code find nothing of it, and none of them brings it back."""
    done(handoffs, started)
    late = handoffs.start("sign_in", TASK, device_id=DEVICE)
    for each in (started, late):
        assert handoffs.forget(each.id)
        assert not handoffs.forget(each.id)
        with pytest.raises(faults.LinkUnknown):
            handoffs.by_link(each.link, "sign_in")
        with pytest.raises(faults.LinkUnknown):
            look(handoffs, each)
        with pytest.raises(faults.LinkUnknown):
            handoffs.link_of(each.user_code, "203.0.113.7")
        with pytest.raises(faults.SignInTimedOut):
            done(handoffs, each)
        with pytest.raises(faults.NotFound):
            handoffs.confirm(each.id, DEVICE, "sign_in", lambda _: pytest.fail("carried out for nothing"))
        with pytest.raises(faults.NotFound):
            handoffs.confirm_in_browser(each.id)
        assert storage.table("handoffs").get(each.id, "handoff") is None


def test_an_end_stays_as_it_was_told_first(handoffs: Handoffs, started: Started, clock: Any) -> None:
    """B11: what was refused is not cancelled afterwards, what is active does not expire, and neither ends anew."""
    with pytest.raises(faults.GuestNotAllowed), handoffs.refusing(started.id):
        raise faults.GuestNotAllowed
    handoffs.cancel(started.id, DEVICE, "sign_in")
    assert look(handoffs, started).reason == "guest_not_allowed"

    active = handoffs.start("consent", {})
    with pytest.raises(faults.WrongState):
        handoffs.confirm_in_browser(active.id)
    done(handoffs, active)
    assert handoffs.confirm_in_browser(active.id).status == "active"
    clock.advance(minutes=30)
    ended = handoffs.confirm_in_browser(active.id)
    assert (ended.status, ended.reason) == ("active", None)
    assert (look(handoffs, active).status, look(handoffs, active).reason) == ("active", None)


def test_nothing_readable_lies_in_the_table(handoffs: Handoffs, started: Started, storage: Storage) -> None:
    """G01, G12: neither task, result, code nor link can be read from storage."""
    done(handoffs, started)
    table = storage.table("handoffs")
    stored = b"".join(
        value if isinstance(value, bytes) else f"{row.partition}{value}".encode()
        for row in table.expired(look(handoffs, started).expires.replace(year=2100))
        for value in row.values.values()
    )
    code = started.user_code
    for secret in (RESULT["cache"], TASK["email"], started.link, code, code.replace("-", "")):
        assert secret.encode() not in stored


# ------------------------------------------------------------- the code


@pytest.fixture
def window(clock: Any) -> Any:
    """The clock at the beginning of a window for guesses, so that none ends within a test."""
    clock.advance(seconds=300 - clock().timestamp() % 300)
    return clock


def test_a_code_leads_to_its_link(handoffs: Handoffs, started: Started) -> None:
    """B08: typed in any case and with any dashes."""
    assert handoffs.link_of(started.user_code.lower().replace("-", " "), "203.0.113.7") == ("sign_in", started.link)


def test_a_code_serves_while_it_is_needed(handoffs: Handoffs, started: Started, clock: Any) -> None:
    """B07: once the browser is done, or the time is over, the code is unknown."""
    done(handoffs, started)
    late = handoffs.start("sign_in", TASK, device_id=DEVICE)
    with pytest.raises(faults.LinkUnknown):
        handoffs.link_of(started.user_code, "203.0.113.7")
    clock.advance(minutes=5)
    with pytest.raises(faults.LinkUnknown):
        handoffs.link_of(late.user_code, "203.0.113.7")


def test_a_code_is_not_given_out_twice_in_a_day(storage: Storage, clock: Any) -> None:
    """B07: when chance brings an old code again, another one is made; after a day and the expiry it may return."""
    from shared.expiry import expire

    letters = iter([0] * 8 + [0] * 8 + [1] * 8 + [0] * 8 + [2] * 8 + [0] * 8)
    handoffs = made(storage, clock, lambda limit: next(letters) if limit == 20 else secrets.randbelow(limit))

    def given() -> str:
        return handoffs.start("sign_in", TASK, device_id=DEVICE).user_code

    assert [given(), given()] == ["BBBB-BBBB", "CCCC-CCCC"]
    clock.advance(hours=23)
    expire(storage, clock())
    assert given() == "DDDD-DDDD"
    clock.advance(hours=2)
    expire(storage, clock())
    assert given() == "BBBB-BBBB"


def test_sixty_four_guesses_at_once(window: Any, handoffs: Handoffs, started: Started) -> None:
    """B06, I01: no more guesses are looked at than the network has, even if all come together."""
    right = started.user_code
    wrong = "".join("B" if letter != "B" else "C" for letter in right.replace("-", ""))

    def guess(number: int) -> str:
        try:
            return handoffs.link_of(right if number == 63 else wrong, f"203.0.113.{number}")[1]
        except faults.Fault as fault:
            return fault.reason

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(guess, range(64)))
    assert answers.count("link_unknown") <= 20
    assert set(answers) <= {"link_unknown", "too_many_requests", "storage_unavailable", started.link}
    for _ in range(21):
        with pytest.raises((faults.LinkUnknown, faults.TooManyRequests)):
            handoffs.link_of(wrong, "203.0.113.9")
    with pytest.raises(faults.TooManyRequests):
        handoffs.link_of(right, "203.0.113.9")


@pytest.mark.parametrize(
    ("near", "far"),
    [("203.0.113.200", "203.0.114.1"), ("2001:db8:1:ffff::1", "2001:db8:2::1"), ("junk", "203.0.113.1")],
)
def test_a_network_is_limited_and_its_neighbour_is_not(
    window: Any, handoffs: Handoffs, started: Started, near: str, far: str
) -> None:
    """B06: twenty wrong codes from a /24 or /48; then even the right one is refused there, for the window."""
    same = {"203.0.113.200": "203.0.113.1", "2001:db8:1:ffff::1": "2001:db8:1::5", "junk": "other junk"}[near]
    for _ in range(20):
        with pytest.raises(faults.LinkUnknown):
            handoffs.link_of("BBBBBBBB", same)
    with pytest.raises(faults.TooManyRequests) as raised:
        handoffs.link_of(started.user_code, near)
    assert raised.value.retry_after == 300
    assert handoffs.link_of(started.user_code, far)[1] == started.link


def test_the_right_code_costs_nothing(handoffs: Handoffs, started: Started) -> None:
    """B06: an office behind one address may type as many right codes as it likes."""
    for _ in range(30):
        assert handoffs.link_of(started.user_code, "203.0.113.7")[1] == started.link


def test_all_networks_together_are_limited(handoffs: Handoffs, started: Started, window: Any, storage: Storage) -> None:
    """B06: five hundred wrong codes from anywhere close the door for everybody, until the window is over."""
    assert _guess(handoffs, "10.0.0.1") == "link_unknown"
    [everybody] = [row for row in _counters(storage) if row.partition.endswith("|all")]
    storage.table("handoffs").replace(everybody, {**everybody.values, "wrong": 497})
    reasons = [_guess(handoffs, f"10.0.{number}.1") for number in range(1, 8)]
    assert reasons == ["link_unknown"] * 3 + ["too_many_requests"] * 4
    window.advance(minutes=5)
    assert _guess(handoffs, "10.0.0.1") == "link_unknown"


def _counters(storage: Storage) -> list[Row]:
    return [row for row in storage.table("handoffs").expired(datetime(2100, 1, 1, tzinfo=UTC)) if row.row == "guesses"]


def _guess(handoffs: Handoffs, address: str) -> str:
    try:
        handoffs.link_of("BBBBBBBB", address)
    except faults.Fault as fault:
        return fault.reason
    return "right"


def test_guesses_that_cannot_be_counted_are_not_looked_at(started: Started, clock: Any) -> None:
    """B06: without storage nothing is answered: it fails closed."""
    nowhere = "DefaultEndpointsProtocol=http;AccountName=x;AccountKey=eA==;TableEndpoint=http://127.0.0.1:9/x;"
    with pytest.raises(faults.StorageUnavailable):
        made(Storage(nowhere, new_id=lambda: "x"), clock).link_of(started.user_code, "203.0.113.7")
