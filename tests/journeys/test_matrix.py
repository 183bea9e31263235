"""Who gets what at every call of the device API: a table that is made from the OpenAPI document, cell by cell.

A new call without its row here fails the first test, and one whose id nobody owns fails the second.
"""

import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from tests.devices.printer import Printer
from tests.documented import PROBLEM, document

CONTOSO = "11111111-1111-4111-8111-111111111111"
FABRIKAM = "22222222-2222-4222-8222-222222222222"
OPEN = {"GET /nonce", "POST /enrolments", "POST /token"}
"""Calls before there is a token; they have columns, too, and these must all be alike."""
ODD = ("x", "'%20or%20PartitionKey%20ne%20'", "%00", "x" * 2000, "%F0%9F")
"""What is no id and must not be told apart from an unknown one (E03)."""
CALLS = {
    f"{method.upper()} {path.removeprefix('/api/v1')}": (method, path, operation)
    for path, found in document()["paths"].items()
    for method, operation in found.items()
}
SIGN_IN = {"user": {"id": "ben", "email": "ben.okoye@contoso.example"}}
SERVICE = {"service": "exchange_online"}
BODIES: dict[str, dict[str, Any]] = {
    "POST /enrolments": {"ticket": "x"},
    "POST /token": {},
    "PUT /device/key": {"jwk": {"kty": "EC", "crv": "P-256", "x": "", "y": ""}, "old_proof": "", "new_proof": ""},
    "POST /consents": {},
    "POST /sign-ins": SIGN_IN,
    "POST /scans": {},
    "POST /email-server/sign-ins": SERVICE,
    "POST /email-server/acknowledge": {"settings_version": "x"},
    "POST /fax-server/sign-ins": SERVICE,
    "POST /fax-server/acknowledge": {"settings_version": "x"},
}
"""What is sent where something must be; a good body where nothing has to be signed or uploaded."""


@dataclass
class House:
    """Two organisations, with three printers and whatever one of them owns."""

    world: Any
    callers: dict[str, str | None] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)
    device: str = ""

    def ask(self, name: str, caller: str, value: str = "") -> requests.Response:
        """One cell of the table."""
        method, path, _ = CALLS[name]
        place = path.replace("{id}", value or self.own.get(path.split("/")[3], "")).replace("{user_id}", "adele")
        token = self.callers[caller]
        return requests.request(
            method,
            self.world.url + place,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            json=BODIES.get(name),
            timeout=30,
            allow_redirects=False,
        )

    def told(self, name: str, caller: str, value: str = "") -> tuple[Any, ...]:
        """One refusal, without what is new in every answer."""
        answer = self.ask(name, caller, value)
        assert answer.headers["Content-Type"] == PROBLEM, (name, caller, answer.status_code, answer.text)
        body = answer.json()
        del body["reference"]
        return answer.status_code, sorted(body.items()), sorted(set(answer.headers) - {"date"})


def made(world: Any) -> House:
    """Everybody who calls, and one of everything that has an id, Adele's scan included."""
    world.consent()
    house = House(world)
    old = Printer(world.rooms)
    old.enrol()
    house.callers |= {"none": None, "expired": old.token()}
    world.clock.advance(minutes=11)
    revoked, neighbour, stranger = Printer(world.rooms), Printer(world.rooms), Printer(world.rooms)
    revoked.enrol()
    neighbour.enrol()
    stranger.enrol(world.rooms.tickets.issue(FABRIKAM, "office", "2nd floor"))
    house.callers |= {
        "revoked": revoked.token(), "foreign device": neighbour.token(), "foreign tenant": stranger.token(),
    }  # fmt: skip
    world.rooms.devices.revoke(CONTOSO, revoked.id)
    printer = world.printer()
    house.callers["own"], house.device = printer.connection.tokens.token()[0], printer.enrolment.device_id
    world.sign_in(printer)
    scan = world.pdf()
    house.own |= {
        "scans": printer.submit(world.manifest(scan), scan).id,
        "consents": printer.consents.start({}).id,
        "sign-ins": printer.sign_ins.start(SIGN_IN).id,
    }
    for server in ("email-server", "fax-server"):
        house.own[server] = house.ask(f"POST /{server}/sign-ins", "own").json()["id"]
    return house


def test_every_call_has_its_row() -> None:
    """A call that was added is in the table by itself; only its body must be said here."""
    assert {name for name, (_, _, operation) in CALLS.items() if "requestBody" in operation} == BODIES.keys()
    assert {name for name, (_, _, operation) in CALLS.items() if "security" not in operation} == OPEN
    assert {name for _, path, _ in CALLS.values() for name in path.split("/") if "{" in name} == {"{id}", "{user_id}"}


def shut_out(house: House, name: str, caller: str) -> None:
    """401, before anything else is looked at: whether what was asked for is there or not."""
    expected = ("device_token_expired", 361) if caller == "expired" else ("device_token_invalid", None)
    status, body, headers = house.told(name, caller)
    assert (status, dict(body)["reason"], dict(body).get("code")) == (401, *expected), (name, caller)
    assert house.told(name, caller, str(uuid.uuid4())) == (status, body, headers), (name, caller)


def foreign(house: House, name: str, caller: str) -> None:
    """The 404 of an id that nobody has; and where there is no id, nothing of its neighbour's."""
    if "{id}" in name:
        unknown = house.told(name, caller, str(uuid.uuid4()))
        assert (unknown[0], dict(unknown[1])["reason"]) == (404, "not_found"), (name, caller)
        for value in ("", *ODD):
            assert house.told(name, caller, value) == unknown, (name, caller, value)
        return
    answer = house.ask(name, caller)
    assert answer.status_code not in {401, 404}, (name, caller)
    assert not [value for value in (house.device, *house.own.values()) if value in answer.text], (name, caller)
    if name == "GET /users/{user_id}":
        # One sign-in serves the group, and nobody beyond it.
        assert (answer.json().get("status") == "ready") == (caller == "foreign device")


def own(house: House, name: str, caller: str) -> None:
    """It is there for whoever it belongs to."""
    status = house.ask(name, caller).status_code
    assert status in {200, 202, 204, 409, 429} if "{id}" in name else status not in {401, 404}, name


def untouched(house: House) -> None:
    """Nobody else's call has changed anything."""
    jobs, handoffs = house.world.rooms.jobs, house.world.rooms.handoffs
    assert jobs.get(house.device, house.own["scans"]).state == "accepted"
    for resource in ("consents", "sign-ins"):
        assert handoffs.get(house.own[resource]).status == "pending"
    for server in ("email-server", "fax-server"):
        found = house.world.rooms.mailbox_sign_ins.look(house.own[server], begun_by=house.device)
        assert found.status == "pending"


CELLS = {"none": shut_out, "expired": shut_out, "revoked": shut_out} | {
    "foreign tenant": foreign,
    "foreign device": foreign,
    "own": own,
}
"""The caller's own comes last: what it asks for changes what is there."""


@pytest.mark.timeout(240)
def test_who_gets_what(world: Any) -> None:
    """D10, D17, E01, E02, E03, B09: at every call, for six callers; foreign and unknown cannot be told apart."""
    house = made(world)
    for caller, check in CELLS.items():
        if caller == "own":
            untouched(house)
        for name in CALLS:
            if name in OPEN:
                assert house.ask(name, caller).status_code == house.ask(name, "none").status_code != 401, name
            else:
                check(house, name, caller)
