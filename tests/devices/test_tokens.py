"""Access tokens of the device API: ours, young, whole, and of a device that may come in."""

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from shared import faults
from shared.services import Services
from tests.devices.conftest import Build
from tests.devices.printer import CONTOSO, Printer, base64url, by_hand, request_of


@pytest.fixture(scope="module")
def enrolled(settled: Services) -> Printer:
    """An enrolled printer."""
    printer = Printer(settled)
    printer.enrol()
    return printer


def token_of(printer: Printer) -> str:
    """An honest token."""
    return printer.rooms.tokens.give(request_of(printer.assertion())).value


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token."""
    header, claims, _ = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    return json.loads(header), json.loads(claims)


def test_a_token_says_what_rfc_9068_asks(enrolled: Printer) -> None:
    """Issuer, audience, subject, ten minutes, its type in the header, and nothing about a person."""
    header, claims = parts(token_of(enrolled))
    assert header == {"alg": "HS256", "typ": "at+jwt"}
    assert claims["iss"] == enrolled.audience
    assert claims["aud"] == f"{enrolled.audience}/api/v1"
    assert claims["sub"] == enrolled.id
    assert claims["exp"] - claims["iat"] == 600
    assert claims.keys() == {"iss", "aud", "sub", "client_id", "jti", "tid", "iat", "exp", "key"}


def signed_by_us(printer: Printer, header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Sign with the service's own key what the service never signs: even that must not do."""
    key = hmac.digest(printer.rooms.settings.service_key, b"device token", "sha256")
    return by_hand(header, claims, key)


def changed(printer: Printer, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token of ours with another header or other claims."""
    honest_header, honest_claims = parts(token_of(printer))
    return signed_by_us(printer, honest_header | (header or {}), honest_claims | claims)


def without(printer: Printer, claim: str) -> str:
    """A token of ours without a claim."""
    header, claims = parts(token_of(printer))
    del claims[claim]
    return signed_by_us(printer, header, claims)


def none_of(printer: Printer) -> tuple[dict[str, Any], dict[str, Any]]:
    """An honest token's header and claims, with alg none."""
    header, claims = parts(token_of(printer))
    return {**header, "alg": "none"}, claims


def swapped(printer: Printer) -> str:
    """One token's signature under another one's claims."""
    other = Printer(printer.rooms)
    other.enrol()
    header, _, signature = token_of(printer).split(".")
    claims = base64url(json.dumps(parts(token_of(other))[1]).encode())
    return f"{header}.{claims}.{signature}"


Bend = Callable[[Printer], str]
INVALID: dict[str, Bend] = {
    "other audience": lambda p: changed(p, aud=p.audience),
    "audience elsewhere": lambda p: changed(p, aud="https://elsewhere.example/api/v1"),
    "audience in a list": lambda p: changed(p, aud=[f"{p.audience}/api/v1"]),
    "other issuer": lambda p: changed(p, iss="https://elsewhere.example"),
    "typ JWT": lambda p: changed(p, {"typ": "JWT"}),
    "typ of an assertion": lambda p: changed(p, {"typ": "client-authentication+jwt"}),
    "alg none": lambda p: by_hand(*none_of(p)),
    "other device's tenant": lambda p: changed(p, tid="22222222-2222-4222-8222-222222222222"),
    "unknown device": lambda p: changed(p, sub="00000000-0000-0000-0000-000000000001"),
    "subject is a list": lambda p: changed(p, sub=[p.id]),
    "exp is text": lambda p: changed(p, exp="4000000000"),
    "exp is null": lambda p: changed(p, exp=None),
    "no exp": lambda p: without(p, "exp"),
    "no sub": lambda p: without(p, "sub"),
    "no aud": lambda p: without(p, "aud"),
    "no iss": lambda p: without(p, "iss"),
    "no tid": lambda p: without(p, "tid"),
    "under a foreign key": lambda p: jwt.encode(parts(token_of(p))[1], b"x" * 32, headers={"typ": "at+jwt"}),
    "claims swapped": swapped,
    "an assertion in its place": lambda p: p.assertion(),
    "a token under the device's key": lambda p: p.sign(parts(token_of(p))[1], {"typ": "at+jwt"}),
    "signature cut off": lambda p: token_of(p).rpartition(".")[0] + ".",
    "nested without end": lambda _: by_hand({"alg": "HS256", "typ": "at+jwt"}, b"[" * 40_000),
    "junk": lambda _: "junk",
    "not ASCII": lambda _: "ä.ö.ü",
}


@pytest.mark.parametrize("bend", INVALID.values(), ids=INVALID.keys())
def test_a_token_that_is_not_ours_opens_nothing(enrolled: Printer, bend: Bend) -> None:
    """Signature, kind, audience, issuer, device and tenant are all looked at (A06, D17)."""
    with pytest.raises(faults.DeviceTokenInvalid):
        enrolled.rooms.tokens.device(f"Bearer {bend(enrolled)}")


@pytest.mark.parametrize("scheme", ["", "Basic ", "DPoP ", "Token ", "bearer", "Bearer", "Bearer  "])
def test_another_scheme_opens_nothing(enrolled: Printer, scheme: str) -> None:
    """Only a bearer token counts; no header, an empty one and Basic do not."""
    with pytest.raises(faults.DeviceTokenInvalid):
        enrolled.rooms.tokens.device(f"{scheme}{token_of(enrolled)}")
    for nothing in (None, "", scheme):
        with pytest.raises(faults.DeviceTokenInvalid):
            enrolled.rooms.tokens.device(nothing)


def test_the_scheme_is_written_in_any_case(enrolled: Printer) -> None:
    """RFC 9110 section 11.1: the name of a scheme has no case."""
    assert enrolled.rooms.tokens.device(f"bEARER {token_of(enrolled)}").id == enrolled.id


def test_a_token_lasts_ten_minutes_and_says_when_it_is_too_old(rooms: Services, printer: Printer, clock: Any) -> None:
    """Then the panel's code is 361, and the device asks for another."""
    printer.enrol()
    token = token_of(printer)
    clock.advance(seconds=595)
    assert rooms.tokens.device(f"Bearer {token}").id == printer.id
    clock.advance(seconds=5)
    with pytest.raises(faults.DeviceTokenExpired) as expired:
        rooms.tokens.device(f"Bearer {token}")
    assert (expired.value.code, expired.value.reason, expired.value.status) == (361, "device_token_expired", 401)


def test_a_revoked_device_is_shut_out_at_once_everywhere(
    build: Build, connection: str, rooms: Services, printer: Printer, clock: Any
) -> None:
    """Revoked on one instance, refused by the very next request on every other, and given no new token (D10)."""
    printer.enrol()
    elsewhere = build(connection, clock)
    token = token_of(printer)
    assert elsewhere.tokens.device(f"Bearer {token}").id == printer.id
    rooms.devices.revoke(CONTOSO, printer.id)
    for instance in (elsewhere, rooms, build(connection, clock)):
        with pytest.raises(faults.DeviceTokenInvalid):
            instance.tokens.device(f"Bearer {token}")


def test_a_pending_device_waits(rooms: Services, printer: Printer) -> None:
    """It may have a token, and every call with it says that an administrator must approve it."""
    printer.enrol()
    rooms.storage.table("devices").change(printer.id, "device", lambda _: {"status": "pending"})
    with pytest.raises(faults.DevicePending):
        rooms.tokens.device(f"Bearer {token_of(printer)}")
