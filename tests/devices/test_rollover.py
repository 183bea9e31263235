"""A device's next key: announced under both, in force from its first use, and never a way in for anybody else."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared import faults
from shared.devices import Device, TokenRefused
from shared.services import Services
from tests.devices.conftest import Build
from tests.devices.printer import CONTOSO, GONE, Printer, by_hand, jwk_of, request_of
from tests.devices.test_approval import command

STRANGER = ec.generate_private_key(ec.SECP256R1())


def successor(printer: Printer) -> Printer:
    """The same device with a new key, which nobody knows yet."""
    other = Printer(printer.rooms)
    other.id = printer.id
    return other


def announce(printer: Printer, new: Printer, **changes: Any) -> Device:
    """Announce ``new``'s key honestly, but for the changes."""
    device = printer.rooms.devices.owned(CONTOSO, printer.id)
    told = {**printer.rollover(new), **changes}
    return printer.rooms.rollover.announce(device, told.pop("jwk"), **told)


def refused(printer: Printer) -> str:
    """Ask for a token; return the error, or nothing where one was given."""
    try:
        printer.rooms.tokens.give(request_of(printer.assertion()))
    except TokenRefused as error:
        return error.error
    return ""


@pytest.fixture
def old(rooms: Services, printer: Printer) -> Printer:
    """An enrolled printer."""
    printer.enrol()
    return printer


def test_the_old_key_works_until_the_new_one_does(old: Printer) -> None:
    """D13: announced, not announced yet, announced again: the printer gets in all the time."""
    new = successor(old)
    assert refused(new) == "invalid_client"
    announce(old, new)
    assert refused(old) == ""
    announce(old, new)
    assert refused(old) == ""
    assert refused(new) == ""
    assert refused(old) == "invalid_client"
    assert refused(new) == ""


def test_a_token_of_the_old_key_ends_with_it(old: Printer) -> None:
    """D11: whoever has a token by the old key is out with the first use of the new one, not ten minutes later."""
    new, token = successor(old), old.token()
    announce(old, new)
    assert old.rooms.tokens.device(f"Bearer {token}").id == old.id
    fresh = new.token()
    with pytest.raises(faults.DeviceTokenInvalid):
        old.rooms.tokens.device(f"Bearer {token}")
    assert old.rooms.tokens.device(f"Bearer {fresh}").words == old.rooms.devices.owned(CONTOSO, old.id).words


def test_a_lost_answer_is_repeatable(old: Printer) -> None:
    """D13: before the first use and after it, the same announcement gets the same answer and changes nothing."""
    new = successor(old)
    first = announce(old, new)
    assert announce(old, new) == first
    assert first.next_jwk == new.jwk
    new.token()
    in_force = old.rooms.devices.owned(CONTOSO, old.id)
    assert announce(old, new) == in_force
    assert (in_force.jwk, in_force.next_jwk) == (new.jwk, None)


def test_a_printer_that_lost_its_new_key_announces_another(old: Printer) -> None:
    """D13: power fails before the new key is stored: the old one is still good for the next announcement."""
    lost, new = successor(old), successor(old)
    announce(old, lost)
    announce(old, new)
    assert refused(lost) == "invalid_client"
    assert refused(old) == ""
    assert refused(new) == ""


@pytest.mark.parametrize("step", range(5))
def test_power_fails_at_any_step(build: Build, connection: str, old: Printer, clock: Any, step: int) -> None:
    """D13: after each step the printer starts again on another instance, and gets in with the new key or the old."""
    new = successor(old)
    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: announce(old, new),
        old.token,
        new.token,
        new.token,
    ]
    for done in steps[: step + 1]:
        done()
    again = [Printer(build(connection, clock), one.private) for one in (old, new)]
    for printer in again:
        printer.id = old.id
    assert "" in [refused(printer) for printer in again]


Bend = Callable[[Printer, Printer], dict[str, Any]]
REFUSED: dict[str, Bend] = {
    "not signed by the old key": lambda old, new: old.rollover(new, old_key=STRANGER),
    "not signed by the new key": lambda old, new: old.rollover(new, new_key=STRANGER),
    "signed twice by the old key": lambda old, new: old.rollover(new, new_key=old.private),
    "signed twice by the new key": lambda old, new: old.rollover(new, old_key=new.private),
    "another device's": lambda old, new: old.rollover(new, sub="00000000-0000-4000-8000-000000000001"),
    "nobody's": lambda old, new: old.rollover(new, sub=GONE),
    "another key's thumbprint": lambda old, new: old.rollover(new, jkt=old.thumbprint),
    "another audience": lambda old, new: old.rollover(new, aud="https://elsewhere.example"),
    "audience in a list": lambda old, new: old.rollover(new, aud=[old.audience]),
    "no nonce": lambda old, new: old.rollover(new, nonce=GONE),
    "made-up nonce": lambda old, new: old.rollover(new, nonce="A" * 43),
    "typ of an enrolment": lambda old, new: old.rollover(new, typ="enrolment-proof+jwt"),
    "typ of an assertion": lambda old, new: old.rollover(new, typ="client-authentication+jwt"),
    "an assertion in place of the old proof": lambda old, new: {**old.rollover(new), "old_proof": old.assertion()},
    "alg none": lambda old, new: {
        **old.rollover(new),
        "old_proof": by_hand({"alg": "none", "typ": "key-rollover+jwt"}, {"sub": old.id}),
    },
    "HS256 under the public key": lambda old, new: {
        **old.rollover(new),
        "old_proof": by_hand(
            {"alg": "HS256", "typ": "key-rollover+jwt"},
            {"sub": old.id, "jkt": new.thumbprint, "aud": old.audience, "nonce": old.rooms.nonces.make()},
            old.private.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
        ),
    },
    "a private key": lambda old, new: {**old.rollover(new), "jwk": {**new.jwk, "d": "x"}},
    "P-384": lambda old, new: {**old.rollover(new), "jwk": jwk_of(new.private, crv="P-384")},
    "the key in force": lambda old, _: old.rollover(old),
}


@pytest.mark.parametrize("bend", REFUSED.values(), ids=REFUSED.keys())
def test_an_announcement_that_is_not_right_changes_nothing(settled: Services, bend: Bend) -> None:
    """D05, D12, D13: both keys sign, over a fresh nonce, for this device and this key, or nothing happens."""
    old = Printer(settled)
    before = old.enrol()
    new = successor(old)
    with pytest.raises(faults.ProofInvalid):
        announce(old, new, **bend(old, new))
    assert settled.devices.get(old.id) == before


def test_an_announcement_lives_as_long_as_its_nonce(old: Printer, clock: Any) -> None:
    """D09: one that was overheard is worth nothing six minutes later."""
    told = old.rollover(successor(old))
    clock.advance(minutes=6)
    with pytest.raises(faults.ProofInvalid):
        announce(old, successor(old), **told)


def test_a_key_does_not_come_back(old: Printer) -> None:
    """D11: the key before may be a thief's by now; announced under its successor, it is refused."""
    new = successor(old)
    announce(old, new)
    new.token()
    with pytest.raises(faults.ProofInvalid):
        announce(new, old)


def test_a_revoked_printer_rolls_nothing_over(old: Printer) -> None:
    """D10: neither by announcing, nor by using what was announced before."""
    new = successor(old)
    device = announce(old, new)
    old.rooms.devices.revoke(CONTOSO, old.id)
    with pytest.raises(faults.DeviceTokenInvalid):
        old.rooms.rollover.announce(device, **old.rollover(new))
    assert refused(new) == "invalid_client"


def test_a_thief_with_the_old_key_is_refused_and_seen(old: Printer, clock: Any) -> None:
    """D11: the copy of the old key opens nothing after the change, and its use is in the administrator's list."""
    new = successor(old)
    announce(old, new)
    new.token()
    assert "former key" not in "".join(command(old.rooms, "list")[1])
    clock.advance(seconds=2)
    assert refused(old) == "invalid_client"
    seen = old.rooms.devices.owned(CONTOSO, old.id).former_key_used_at
    assert seen is not None
    assert "! its former key was used on" in command(old.rooms, "list")[1][1]
    clock.advance(seconds=60)
    assert refused(old) == "invalid_client"
    assert old.rooms.devices.owned(CONTOSO, old.id).former_key_used_at == seen, "the first time is the one that counts"
    assert refused(new) == ""


def test_what_was_under_way_at_the_change_raises_no_alarm(old: Printer, clock: Any) -> None:
    """D11: an assertion that the printer itself signed with the old key, a moment before, is refused and no theft."""
    new = successor(old)
    announce(old, new)
    late = old.assertion()
    clock.advance(seconds=2)
    new.token()
    with pytest.raises(TokenRefused):
        old.rooms.tokens.give(request_of(late))
    assert old.rooms.devices.owned(CONTOSO, old.id).former_key_used_at is None


def test_a_forged_use_of_the_former_key_raises_no_alarm(old: Printer, clock: Any) -> None:
    """D11: only the key itself raises it: no stranger's signature, and no old assertion with an old nonce."""
    new, earlier = successor(old), old.assertion()
    announce(old, new)
    new.token()
    clock.advance(seconds=2)
    forged = [old.assertion(key=STRANGER), old.assertion(nonce="A" * 43), earlier]
    for assertion in forged:
        with pytest.raises(TokenRefused):
            old.rooms.tokens.give(request_of(assertion))
    assert old.rooms.devices.owned(CONTOSO, old.id).former_key_used_at is None


def test_thief_and_printer_race(build: Build, connection: str, old: Printer, clock: Any) -> None:
    """D11, D13: sixteen rival keys announced and used at once on two instances: in the end one key gets in."""
    rivals = [successor(old) for _ in range(16)]
    instances = [old.rooms, build(connection, clock)]

    def race(number: int) -> None:
        mine = Printer(instances[number % 2], old.private)
        mine.id = old.id
        rivals[number].rooms = mine.rooms
        try:
            announce(mine, rivals[number])
            rivals[number].token()
        except (faults.Fault, TokenRefused):
            return

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(race, range(16)))
    device = old.rooms.devices.owned(CONTOSO, old.id)
    inside = [printer for printer in (old, *rivals) if refused(printer) == ""]
    # One more may be in waiting behind it, announced by the key in force.
    assert device.jwk in [printer.jwk for printer in inside]
    assert len(inside) <= 2
    assert len([printer for printer in (old, *rivals) if refused(printer) == ""]) == 1
