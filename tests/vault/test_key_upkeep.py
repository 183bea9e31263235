"""The timer and the command: keys get successors, and go when nothing lies under them."""

import io
from typing import Any

import pytest

from functions.keys_command import run
from shared import faults
from shared.services import Services
from shared.vault.sealing import key_id_of
from tests.vault.processes import ALPHA, BETA

ADELE = "33333333-3333-4333-8333-333333333333"


def store(rooms: Services, tid: str = ALPHA) -> None:
    """Somebody signs in: his grant is sealed. Nobody asks Entra with these tokens."""
    rooms.grants.store(tid, ADELE, '{"tokens": "of a test"}')


def under(rooms: Services, tid: str = ALPHA) -> bytes:
    """The id of the key under which the grant lies."""
    [key_id] = rooms.grants.rows.key_ids(tid)
    return key_id


def states(rooms: Services, tid: str = ALPHA) -> list[str]:
    """The states of a tenant's keys, the oldest first."""
    return [key.state for key in rooms.key_upkeep.states() if key.tid == tid]


def test_an_old_key_gets_a_successor_and_goes_when_nothing_lies_under_it(rooms: Services, clock: Any) -> None:
    """After 90 days a new key; two days later the grants lie under it and the old one is destroyed."""
    store(rooms)
    first = under(rooms)
    clock.advance(days=89)
    rooms.key_upkeep.run()
    assert states(rooms) == ["active"]
    clock.advance(days=1)
    rooms.key_upkeep.run()
    assert states(rooms) == ["retired", "active"]
    clock.advance(hours=47)
    rooms.key_upkeep.run()
    assert (states(rooms), under(rooms)) == (["retired", "active"], first)
    clock.advance(hours=1)
    rooms.key_upkeep.run()
    assert states(rooms) == ["destroyed", "active"]
    assert under(rooms) != first


def test_a_grant_that_does_not_open_keeps_its_key(rooms: Services, clock: Any) -> None:
    """What cannot be sealed again is not lost either: nothing is destroyed under it (G16)."""
    store(rooms)
    table = rooms.storage.table("grants")
    [row] = table.every()
    damaged = row["sealed"][:-1] + bytes([row["sealed"][-1] ^ 1])
    table.replace(row, {**row.values, "sealed": damaged})
    rooms.key_upkeep.rotate(ALPHA)
    clock.advance(days=3)
    rooms.key_upkeep.run()
    assert states(rooms) == ["retired", "active"]
    [row] = table.every()
    assert row["sealed"] == damaged


def test_a_tenant_that_fails_does_not_stop_the_others(rooms: Services, clock: Any) -> None:
    """The timer looks after everybody, and fails in the end so that somebody hears of it."""
    store(rooms, ALPHA)
    store(rooms, BETA)
    table = rooms.storage.table("keys")
    [row] = table.query(ALPHA)
    table.replace(row, {**row.values, "mac": bytes(32)})
    clock.advance(days=91)
    with pytest.raises(faults.ServiceMisconfigured):
        rooms.key_upkeep.run()
    assert states(rooms, BETA) == ["retired", "active"]


def test_an_erased_tenant_stays_erased(rooms: Services, clock: Any) -> None:
    """No timer makes a key for it."""
    store(rooms)
    rooms.key_upkeep.erase(ALPHA)
    clock.advance(days=91)
    rooms.key_upkeep.run()
    assert states(rooms) == ["destroyed", "destroyed"]


def command(rooms: Services, *line: str) -> tuple[int, str]:
    """Give one command; its exit status and what it wrote."""
    out = io.StringIO()
    return run(line, rooms, out), out.getvalue()


def test_the_command_rotates_and_seals_again(rooms: Services) -> None:
    """``rotate`` leaves grants where they are, ``rotate --now`` seals them at once; others are not touched."""
    store(rooms)
    store(rooms, BETA)
    first, others = under(rooms), under(rooms, BETA)
    assert command(rooms, "rotate", "--tenant", ALPHA) == (0, "1 data keys rotated\n")
    assert under(rooms) == first
    assert command(rooms, "rotate", "--tenant", ALPHA.upper(), "--now")[0] == 0
    assert under(rooms) not in {first, others}
    assert under(rooms, BETA) == others
    assert command(rooms, "rotate") == (0, "2 data keys rotated\n")
    assert command(rooms, "rewrap") == (0, "0 data keys wrapped anew\n")
    assert command(rooms, "upkeep") == (0, "done\n")


def test_the_command_lists_no_key(rooms: Services) -> None:
    """``list`` shows tenants, versions, states and what wraps them, and not one byte of a key."""
    store(rooms)
    status, text = command(rooms, "list")
    assert status == 0
    assert ALPHA in text
    assert "active" in text
    assert "local:" in text
    key_id, data_key = rooms.data_keys.sealing_key(ALPHA)
    assert data_key.hex() not in text
    assert key_id.hex() not in text


def test_the_command_destroys_one_tenant(rooms: Services) -> None:
    """``destroy`` takes exactly one tenant, by its full id; a typing error destroys nothing."""
    store(rooms)
    store(rooms, BETA)
    for line in (["destroy"], ["destroy", "--tenant", ALPHA[:-1]], ["destroy", "--tenant", "service"], []):
        assert command(rooms, *line)[0] == 2
    assert command(rooms, "destroy", "--tenant", ALPHA) == (0, "1 data keys destroyed\n")
    assert (states(rooms)[0], states(rooms, BETA)) == ("destroyed", ["active"])


def test_a_new_sign_in_after_an_erasure_counts(rooms: Services) -> None:
    """The tenant may come back: the first login that is begun then has a key, and so has the grant it ends in."""
    store(rooms)
    first = under(rooms)
    rooms.key_upkeep.erase(ALPHA)
    started = rooms.handoffs.start("sign_in", {"tid": ALPHA}, device_id="a printer")
    assert rooms.handoffs.get(started.id).task["tid"] == ALPHA
    store(rooms)
    assert under(rooms) != first
    assert key_id_of(rooms.sealer.seal(ALPHA, b"x", "anywhere")) == under(rooms)
