"""Enrolment: whoever proves a key gets a device, under the ticket's organisation and group."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from shared.faults import NotFound, ProofInvalid, TicketInvalid
from shared.services import Services
from tests.devices.printer import GONE, Printer, by_hand, jwk_of

CONTOSO = "11111111-1111-4111-8111-111111111111"
STRANGER = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
P384 = ec.generate_private_key(ec.SECP384R1())


def pem(printer: Printer) -> bytes:
    """The public key as an attacker would feed it to HMAC."""
    return printer.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def test_the_ticket_says_where_it_belongs(rooms: Services, printer: Printer) -> None:
    """Organisation, group and location are the administrator's; the rest is what the printer says of itself."""
    ticket = rooms.tickets.issue(CONTOSO, "warehouse", "Hall 3")
    enrolled = printer.enrol(ticket, model="M", serial="S", name="N", locale="de")
    found = rooms.devices.get(enrolled.id)
    assert found == enrolled
    assert (found.tid, found.group, found.location) == (CONTOSO, "warehouse", "Hall 3")
    assert (found.model, found.serial, found.name, found.locale) == ("M", "S", "N", "de")
    assert found.status == "active"
    assert found.jwk == printer.jwk


def test_an_unknown_device_is_none(settled: Services) -> None:
    """Whatever stands in place of an id reaches no other row (E03)."""
    for strange in ("", "x' or PartitionKey ne '", "a/b", "\u20ac"):
        assert settled.devices.get(strange) is None


Bend = Callable[[Printer], str]
REFUSED: dict[str, Bend] = {
    "signed by another key": lambda p: p.proof(key=STRANGER),
    "another key's proof, whole": lambda p: Printer(p.rooms, STRANGER).proof(),
    "another key's thumbprint": lambda p: p.proof(jkt=Printer(p.rooms, STRANGER).thumbprint),
    "thumbprint in upper case": lambda p: p.proof(jkt=p.thumbprint.swapcase()),
    "thumbprint padded": lambda p: p.proof(jkt=p.thumbprint + "="),
    "no thumbprint": lambda p: p.proof(jkt=GONE),
    "thumbprint is null": lambda p: p.proof(jkt=None),
    "thumbprint is a list": lambda p: p.proof(jkt=[p.thumbprint]),
    "another audience": lambda p: p.proof(aud="https://elsewhere.example"),
    "audience with a path": lambda p: p.proof(aud=p.audience + "/api/v1"),
    "audience with a slash": lambda p: p.proof(aud=p.audience + "/"),
    "audience in a list": lambda p: p.proof(aud=[p.audience]),
    "two audiences": lambda p: p.proof(aud=[p.audience, "https://elsewhere.example"]),
    "no audience": lambda p: p.proof(aud=GONE),
    "no nonce": lambda p: p.proof(nonce=GONE),
    "nonce is null": lambda p: p.proof(nonce=None),
    "nonce is a list": lambda p: p.proof(nonce=[p.rooms.nonces.make()]),
    "made-up nonce": lambda p: p.proof(nonce="A" * 43),
    "no typ": lambda p: p.proof(headers={"typ": GONE}),
    "typ JWT": lambda p: p.proof(headers={"typ": "JWT"}),
    "typ of an assertion": lambda p: p.proof(headers={"typ": "client-authentication+jwt"}),
    "typ is a list": lambda p: p.proof(headers={"typ": ["enrolment-proof+jwt"]}),
    "an assertion in its place": lambda p: p.assertion(),
    "alg none": lambda p: by_hand({"alg": "none", "typ": "enrolment-proof+jwt"}, p.claims(jkt=p.thumbprint)),
    "alg HS256 under the public key": lambda p: by_hand(
        {"alg": "HS256", "typ": "enrolment-proof+jwt"}, p.claims(jkt=p.thumbprint), pem(p)
    ),
    "RS256": lambda p: p.proof(algorithm="RS256", key=RSA),
    "ES384": lambda p: p.proof(algorithm="ES384", key=P384),
    "a header we must understand": lambda p: p.proof(headers={"crit": ["exp"], "exp": 1}),
    "payload is a list": lambda p: by_hand({"alg": "ES256", "typ": "enrolment-proof+jwt"}, [1]),
    "payload nested without end": lambda p: by_hand({"alg": "ES256", "typ": "enrolment-proof+jwt"}, b"[" * 2900),
    "header nested without end": lambda _: by_hand(b"[" * 2900, {}),
    "two parts": lambda p: p.proof().rpartition(".")[0],
    "four parts": lambda p: p.proof() + ".x",
    "not ASCII": lambda _: "ä.ö.ü",
    "empty": lambda _: "",
}


@pytest.mark.parametrize("bend", REFUSED.values(), ids=REFUSED.keys())
def test_a_proof_that_proves_nothing_is_refused(settled: Services, bend: Bend) -> None:
    """Only the new key's own signature over a nonce, its thumbprint and our origin enrols it (D05, D12)."""
    printer = Printer(settled)
    ticket = settled.tickets.issue(CONTOSO, "office", "")
    with pytest.raises(ProofInvalid):
        printer.enrol(ticket, proof=bend(printer))
    assert printer.enrol(ticket).status == "active", "a refusal must not use the ticket up"


def test_a_stale_proof_is_refused(rooms: Services, printer: Printer, clock: Any) -> None:
    """A proof is good as long as its nonce, whatever times the printer writes into it (D05, D09)."""
    proof = printer.proof(iat=4_000_000_000, exp=4_000_000_001)
    clock.advance(minutes=6)
    with pytest.raises(ProofInvalid):
        printer.enrol(proof=proof)


@pytest.mark.parametrize("year", [946684800, 4102444800])
def test_the_printers_clock_does_not_matter(settled: Services, year: int) -> None:
    """In 2000 or in 2100 by its own clock: the nonce says when it was (D08)."""
    printer = Printer(settled)
    assert printer.enrol(proof=printer.proof(iat=year, nbf=year, exp=year + 60)).status == "active"


def test_a_key_that_is_no_key_is_refused_before_the_ticket(settled: Services) -> None:
    """A wrong key costs no ticket (D12)."""
    printer = Printer(settled)
    ticket = settled.tickets.issue(CONTOSO, "office", "")
    with pytest.raises(ProofInvalid):
        printer.enrol(ticket, jwk=jwk_of(printer.private, crv="P-384"))
    assert printer.enrol(ticket)


def test_a_key_may_belong_to_two_organisations(rooms: Services, printer: Printer) -> None:
    """Under another ticket the same key is another device: nobody finds out by it where it is enrolled."""
    fabrikam = rooms.tickets.issue("22222222-2222-4222-8222-222222222222", "office", "")
    first, second = printer.enrol(), printer.enrol(fabrikam)
    assert first.id != second.id
    assert rooms.devices.get(first.id) == first


def test_a_revoked_printer_does_not_come_back_by_its_old_ticket(rooms: Services, printer: Printer) -> None:
    """What an administrator shut out needs a new ticket; then it is a new device (D10, D15)."""
    ticket = rooms.tickets.issue(CONTOSO, "office", "", count=5)
    first = printer.enrol(ticket)
    rooms.devices.revoke(CONTOSO, first.id)
    with pytest.raises(TicketInvalid):
        printer.enrol(ticket)
    assert rooms.devices.get(first.id) == replace(first, status="revoked")
    assert printer.enrol().id != first.id


def test_revoking_twice_is_fine_and_revoking_nobody_is_said(rooms: Services, printer: Printer) -> None:
    """The second press changes nothing; of an unknown device it is said that there is none."""
    device = printer.enrol()
    for _ in range(2):
        rooms.devices.revoke(CONTOSO, device.id)
    assert rooms.devices.get(device.id) == replace(device, status="revoked")
    with pytest.raises(NotFound):
        rooms.devices.revoke(CONTOSO, "00000000-0000-0000-0000-000000000001")


def test_an_enrolment_that_was_cut_off_is_taken_up_again(rooms: Services, printer: Printer) -> None:
    """D02, D13: killed after the ticket was used, or after the indexes were written: the same request ends it."""
    ticket = rooms.tickets.issue(CONTOSO, "office", "")
    rooms.tickets.use(rooms.tickets.find(ticket, printer.thumbprint, ""), printer.thumbprint)
    enrolled = printer.enrol(ticket)
    assert [device.id for device in rooms.devices.of(CONTOSO)] == [enrolled.id]
    rooms.storage.table("devices").delete(enrolled.id, "device")
    assert list(rooms.devices.of(CONTOSO)) == [], "an index alone is no device"
    assert printer.enrol(ticket).id == enrolled.id
    assert [device.id for device in rooms.devices.of(CONTOSO)] == [enrolled.id]


def test_a_successor_that_was_cut_off_replaces_when_it_asks_again(rooms: Services, printer: Printer) -> None:
    """D15: killed after it was written, before the old one was revoked: its lost answer asked for again revokes it."""
    ticket = rooms.tickets.issue(CONTOSO, "office", "", replaces=True)
    old = Printer(rooms).enrol()
    printer.enrol(ticket)
    rooms.storage.table("devices").change(old.id, "device", lambda _: {"status": "active"})
    printer.enrol(ticket)
    assert rooms.devices.owned(CONTOSO, old.id).status == "revoked"


def test_devices_come_in_pages(rooms: Services) -> None:
    """A console shows a page at a time; none is missing, none is there twice."""
    ids = sorted(Printer(rooms).enrol().id for _ in range(5))
    first = [device.id for device in rooms.devices.of(CONTOSO, limit=2)]
    rest = [device.id for device in rooms.devices.of(CONTOSO, after=first[-1])]
    assert first + rest == ids
