"""The whole life of a device over HTTP: docs/devices/call-by-call.md, sent and compared; and whole fleets at once."""

import hashlib
import json
import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from shared.devices import Use
from tests.devices.printer import CONTOSO, Printer, base64url, request_of
from tests.devices.test_limits import fill
from to_my_email import Error

PAGE = Path(__file__).parent.parent.parent / "docs" / "devices" / "call-by-call.md"
BLOCK = re.compile(
    r"^```(?P<kind>http|answer|jws)(?P<more>[^\n]*)\n(?P<text>.*?)^```$|^<!-- happens: (?P<event>[a-z-]+) -->$",
    re.MULTILINE | re.DOTALL,
)
NAME = re.compile(r"<([a-z0-9_]+)>")
DOCUMENT = "%PDF-1.7 a scan of the device makers' page %%EOF"


class Walk:
    """Somebody who does, letter by letter, what the page says."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.keys = {name: Printer(world.rooms) for name in ("device", "new")}
        self.answer: requests.Response | None = None
        self.seen: list[tuple[str, str, int]] = []
        self.values: dict[str, str] = {
            "service": world.url,
            "code": world.rooms.tickets.issue_code(CONTOSO, "office", "2nd floor").lower(),
            "scan_id": str(uuid.uuid4()),
            "document": DOCUMENT,
            "size": str(len(DOCUMENT)),
            "sha256": hashlib.sha256(DOCUMENT.encode()).hexdigest(),
        }
        for prefix, printer in (("", self.keys["device"]), ("new_", self.keys["new"])):
            mine = {"x": printer.jwk["x"], "y": printer.jwk["y"], "thumbprint": printer.thumbprint}
            self.values |= {prefix + name: value for name, value in mine.items()}

    def filled(self, text: str) -> str:
        """The text with every value in its place."""

        def value(match: re.Match[str]) -> str:
            match match[1]:
                case "fresh":
                    return str(uuid.uuid4())
                case "ath":
                    return base64url(hashlib.sha256(self.values["bound_token"].encode()).digest())
                case name:
                    return self.values[name]

        return NAME.sub(value, text)

    def jws(self, more: str, text: str) -> None:
        """Sign what the page shows, by the key it names."""
        name, _, key = more.split()
        decoder = json.JSONDecoder()
        told = self.filled(text)
        header, end = decoder.raw_decode(told)
        claims, _ = decoder.raw_decode(told[end:].lstrip())
        self.values[name] = self.keys[key].sign(
            claims, {member: header[member] for member in header if member != "alg"}
        )

    def http(self, _: str, text: str) -> None:
        """Send the request."""
        head, _, body = self.filled(text).partition("\n\n")
        first, *lines = head.splitlines()
        method, path = first.split()
        headers = dict(line.split(": ", 1) for line in lines)
        multipart = "multipart" in headers.get("Content-Type", "")
        body = body.replace("\n", "\r\n") if multipart else body.strip()
        self.answer = requests.request(
            method, self.world.url + path, headers=headers, data=body.encode() or None, timeout=30
        )
        self.seen.append((method, path.partition("?")[0], self.answer.status_code))

    def compare(self, _: str, text: str) -> None:
        """Compare the answer with the page: status, the headers shown, and the members shown."""
        assert self.answer is not None
        head, _, body = text.partition("\n\n")
        status, *lines = head.splitlines()
        assert self.answer.status_code == int(status), (self.seen[-1], self.answer.text)
        for line in lines:
            name, _, value = line.partition(": ")
            self.same(value, self.answer.headers[name], name)
        self.same(json.loads(body), self.answer.json(), "")

    def same(self, shown: Any, got: Any, where: str) -> None:
        """Compare a value; a name in its place is kept, and an id never changes."""
        if isinstance(shown, str) and (name := NAME.fullmatch(shown)):
            assert isinstance(got, str), where
            assert got, where
            if name[1].endswith("_id") or name[1] == "service":
                assert self.values.setdefault(name[1], got) == got, where
            self.values[name[1]] = got
        elif isinstance(shown, dict):
            for member, value in shown.items():
                self.same(value, got[member], f"{where}.{member}")
        elif isinstance(shown, list):
            assert len(shown) == len(got), where
            for one, other in zip(shown, got, strict=True):
                self.same(one, other, f"{where}[]")
        else:
            assert got == shown, where

    def happens(self, event: str) -> None:
        """Let somebody else do his part."""
        rooms, device_id = self.world.rooms, self.values.get("device_id", "")
        events: dict[str, Callable[[], object]] = {
            "approve": lambda: rooms.devices.approve(CONTOSO, device_id, self.values["words"]),
            "consent": lambda: self.world.person().walk(self.values["consent_link"], "contoso/admin"),
            "sign-in": lambda: self.world.person().walk(self.values["sign_in_link"], "contoso/adele"),
            "deliver": self.world.deliver,
            "revoke": lambda: rooms.devices.revoke(CONTOSO, device_id),
        }
        events[event]()


def operations(world: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """Every operation of the OpenAPI document, by method and path."""
    document = requests.get(f"{world.url}/api/v1/openapi.json", timeout=10).json()
    return {
        (method.upper(), path): operation
        for path, found in document["paths"].items()
        for method, operation in found.items()
    }


def test_the_page_for_makers_is_what_the_service_does(world: Any) -> None:
    """Every request of docs/devices/call-by-call.md is answered as it shows, in order, by a device out of the box.

    And every call and status is one that the OpenAPI document knows; the calls of device identity are all there.
    """
    walk = Walk(world)
    for block in BLOCK.finditer(PAGE.read_text("utf-8")):
        if event := block["event"]:
            walk.happens(event)
        else:
            {"jws": walk.jws, "http": walk.http, "answer": walk.compare}[block["kind"]](block["more"], block["text"])
    assert [mail["subject"] for mail in world.mailbox()] == ["Contract"]
    known = operations(world)
    shown = set()
    for method, path, status in walk.seen:
        if path.startswith("/.well-known"):
            continue
        [operation] = [
            one for one in known if one[0] == method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", one[1]), path)
        ]
        assert str(status) in known[operation]["responses"], (method, path, status)
        shown.add(operation)
    identity = {one for one, operation in known.items() if operation["tags"] == ["Device identity"]}
    assert identity <= shown


def test_a_ticket_raced_by_fifty_devices(world: Any) -> None:
    """D02: over HTTP, a ticket for one enrols one of fifty that come at once, each asking again when told to."""
    ticket = world.rooms.tickets.issue(CONTOSO, "office", "")
    printers = [Printer(world.rooms) for _ in range(50)]

    def enrol(printer: Printer) -> int:
        while True:
            body = {
                "ticket": ticket,
                "jwk": printer.jwk,
                "proof": printer.proof(),
                "model": "M",
                "serial": "S",
                "name": "N",
            }
            status = requests.post(f"{world.url}/api/v1/enrolments", json=body, timeout=30).status_code
            if status != 503:
                return status

    with ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(enrol, printers))
    assert sorted(statuses) == [201] + [403] * 49
    assert len(list(world.rooms.devices.of(CONTOSO))) == 1


def test_a_replaced_or_copied_host_header_changes_no_proof(world: Any) -> None:
    """RFC 9449 section 4.3: a proof for another origin is refused, though the request's Host says that origin."""
    printer = Printer(world.rooms)
    printer.enrol()
    evil = "https://evil.example"
    for host, origin, status in (("evil.example", evil, 400), ("evil.example", printer.audience, 200)):
        proof = printer.dpop("POST", "/api/v1/token", htu=f"{origin}/api/v1/token")
        answer = requests.post(
            f"{world.url}/api/v1/token",
            data=request_of(printer.assertion()),
            headers={"Host": host, "X-Forwarded-Host": host, "DPoP": proof},
            timeout=10,
        )
        assert answer.status_code == status, answer.text
    metadata = requests.get(
        f"{world.url}/.well-known/oauth-authorization-server", headers={"Host": "evil.example"}, timeout=10
    )
    assert metadata.json()["issuer"] == printer.audience
    assert "evil" not in metadata.text


def test_every_route_takes_a_bound_token_only_with_its_proof(world: Any) -> None:
    """D06, D17: at each route a bound token without a proof is 401 with the challenge, and no route forgets to look."""
    printer = Printer(world.rooms)
    printer.enrol()
    answer = requests.post(
        f"{world.url}/api/v1/token",
        data=request_of(printer.assertion()),
        headers={"DPoP": printer.dpop("POST", "/api/v1/token")},
        timeout=10,
    )
    token = answer.json()["access_token"]
    for (method, path), operation in operations(world).items():
        if "security" not in operation:
            continue
        place = path.replace("{id}", str(uuid.uuid4())).replace("{user_id}", "adele")
        for headers in (
            {"Authorization": f"DPoP {token}"},
            {"Authorization": f"Bearer {token}"},
            {"Authorization": f"DPoP {token}", "DPoP": printer.dpop("TRACE", place, token=token)},
        ):
            refused = requests.request(method, world.url + place, headers=headers, json={}, timeout=10)
            assert refused.status_code == 401, (method, path)
            assert 'algs="ES256"' in refused.headers["WWW-Authenticate"]
        proof = printer.dpop(method, place, token=token)
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
        assert requests.request(method, world.url + place, headers=headers, json={}, timeout=10).status_code != 401
    stale = printer.dpop("GET", "/api/v1/device", token=token, nonce="x")
    told = requests.get(
        f"{world.url}/api/v1/device", headers={"Authorization": f"DPoP {token}", "DPoP": stale}, timeout=10
    )
    assert (told.status_code, told.json()["reason"]) == (401, "use_dpop_nonce")
    assert 'DPoP error="use_dpop_nonce"' in told.headers["WWW-Authenticate"]
    again = printer.dpop("GET", "/api/v1/device", token=token, nonce=told.headers["DPoP-Nonce"])
    headers = {"Authorization": f"DPoP {token}", "DPoP": again}
    assert requests.get(f"{world.url}/api/v1/device", headers=headers, timeout=10).status_code == 200


# ------------------------------------------------------------- limits


def test_who_scans_or_signs_in_too_often_hears_when_to_come_again(world: Any) -> None:
    """E06, I02: at the door of scans and of first logins: 429 with Retry-After; the neighbour is not slowed."""
    world.consent()
    printer, neighbour = world.printer(), world.printer()
    world.sign_in(printer)
    world.clock.advance(seconds=300 - world.clock().timestamp() % 300)
    document = world.pdf()
    printer.submit(world.manifest(document), document)
    sign_in = {"user": {"id": "ben", "email": "ben.okoye@contoso.example"}}
    printer.sign_ins.start(sign_in)
    for use in (Use.SCANS, Use.SIGN_INS):
        fill(world.rooms, use, 0, "device")
    for call in (lambda: printer.submit(world.manifest(document), document), lambda: printer.sign_ins.start(sign_in)):
        with pytest.raises(Error, match="too_many_requests") as refused:
            call()
        assert 0 < (refused.value.retry_after or 0) <= 300
    assert neighbour.submit(world.manifest(document), document).state == "accepted"
    assert neighbour.sign_ins.start(sign_in).status == "pending"


def test_codes_are_counted_by_where_they_come_from(world: Any) -> None:
    """B06, D01: what a caller writes into X-Forwarded-For himself gives him no second counter."""
    world.clock.advance(seconds=300 - world.clock().timestamp() % 300)
    code = world.rooms.tickets.issue_code(CONTOSO, "office", "", count=5)

    def enrol(ticket: str, forwarded: str) -> str:
        printer = Printer(world.rooms)
        body = {
            "ticket": ticket,
            "jwk": printer.jwk,
            "proof": printer.proof(),
            "model": "M",
            "serial": "S",
            "name": "N",
        }
        answer = requests.post(
            f"{world.url}/api/v1/enrolments", json=body, headers={"X-Forwarded-For": forwarded}, timeout=30
        )
        told = answer.json()
        return str(told.get("reason") or told["status"])

    wrong = "BBBBBBBB" if not code.startswith("B") else "CCCCCCCC"
    heard = [enrol(wrong, f"198.51.{number}.1, 203.0.113.{number}:{40000 + number}") for number in range(22)]
    assert heard == ["ticket_invalid"] * 20 + ["too_many_requests"] * 2
    assert enrol(code, "198.51.100.1, 203.0.113.9:50123") == "too_many_requests"
    assert enrol(code, "203.0.113.9, 198.51.100.1:50123") == "pending"
