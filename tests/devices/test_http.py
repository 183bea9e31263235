"""Device identity over HTTP: what RFC 6749, 6750 and 9457 ask of the answers."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local import app as local_app
from shared.services import Services
from tests.devices.printer import CONTOSO, Printer, base64url, request_of
from tests.devices.test_assertions import INVALID

CERTIFICATE = base64.b64encode(b"a certificate of somebody's").decode()
BASIC = "Basic " + base64.b64encode(b"client:secret").decode()


@pytest.fixture(scope="module")
def api(settled: Services) -> Iterator[str]:
    """The device API's address."""
    with local_app.running(settled, queue=False) as port:
        yield f"http://127.0.0.1:{port}/api/v1"


@pytest.fixture
def enrolled(settled: Services) -> Printer:
    """An enrolled printer."""
    printer = Printer(settled)
    printer.enrol()
    return printer


def ask(api: str, form: Any, **headers: str) -> requests.Response:
    """Ask for a token."""
    return requests.post(f"{api}/token", data=form, headers=headers, timeout=10)


def bearer(printer: Printer) -> str:
    """The Authorization header of an honest device."""
    return f"Bearer {printer.rooms.tokens.give(request_of(printer.assertion())).value}"


def enrolment(printer: Printer, **changes: Any) -> dict[str, Any]:
    """The body of an enrolment."""
    ticket = printer.rooms.tickets.issue("11111111-1111-4111-8111-111111111111", "office", "2nd floor")
    body = {"ticket": ticket, "jwk": printer.jwk, "proof": printer.proof()}
    return {**body, "model": "M", "serial": "S", "name": "N", **changes}


def test_nobody_keeps_a_nonce_or_a_token(api: str, enrolled: Printer) -> None:
    """Neither the browser nor a proxy stores them (RFC 6749 section 5.1), nor a refusal."""
    assert requests.get(f"{api}/nonce", timeout=10).headers["Cache-Control"] == "no-store"
    given = ask(api, request_of(enrolled.assertion()))
    refused = ask(api, request_of("junk"))
    assert (given.status_code, refused.status_code) == (200, 401)
    for answer in (given, refused):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Pragma"] == "no-cache"
        assert answer.headers["Content-Type"] == "application/json"


def test_a_printer_enrols_and_reads_its_own_record(api: str, settled: Services) -> None:
    """From the ticket to the record by HTTP alone: the words are the same at both ends (D04)."""
    printer = Printer(settled)
    answer = requests.post(f"{api}/enrolments", json=enrolment(printer), timeout=10)
    assert answer.status_code == 201
    enrolled = answer.json()
    printer.id = enrolled["device_id"]
    given = ask(api, request_of(printer.assertion())).json()
    assert given.keys() == {"access_token", "token_type", "expires_in"}
    assert (given["token_type"], given["expires_in"]) == ("Bearer", 600)
    bearer_ = {"Authorization": f"Bearer {given['access_token']}"}
    record = requests.get(f"{api}/device", headers=bearer_, timeout=10).json()
    assert record["device_id"] == printer.id
    assert record["words"] == enrolled["words"]


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 400, "invalid_request"),
        (request_of("junk"), 401, "invalid_client"),
    ],
)
def test_refusals_at_the_token_endpoint_are_rfc_6749s(api: str, form: dict[str, str], status: int, error: str) -> None:
    """``error`` and ``error_description`` and nothing else (section 5.2)."""
    answer = ask(api, form or {"x": "y"})
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json().keys() == {"error", "error_description"}


def test_a_missing_nonce_has_an_error_of_its_own(api: str, enrolled: Printer) -> None:
    """The device learns that it must fetch one (D08)."""
    answer = ask(api, request_of(enrolled.assertion(nonce="stale")))
    assert (answer.status_code, answer.json()["error"]) == (400, "use_nonce")


def test_unknown_foreign_and_revoked_are_told_apart_by_nothing(api: str, enrolled: Printer) -> None:
    """Status, headers and body are the same, byte for byte (D14)."""
    answers = {
        (answer.status_code, answer.content, tuple(sorted(set(answer.headers) - {"date"})))
        for name in ("an unknown device", "another key", "a revoked device", "typ JWT", "payload is a list")
        for answer in [ask(api, request_of(INVALID[name](enrolled)))]
    }
    assert len(answers) == 1


def test_a_password_opens_nothing(api: str, enrolled: Printer) -> None:
    """Basic authentication gives no token, and no way into the API."""
    answer = ask(api, {"grant_type": "client_credentials"}, Authorization=BASIC)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert requests.get(f"{api}/device", headers={"Authorization": BASIC}, timeout=10).status_code == 401


@pytest.mark.parametrize("authorization", [None, "Bearer junk", BASIC])
def test_who_may_not_come_in_is_told_how(api: str, authorization: str | None) -> None:
    """A 401 says which scheme opens the door (RFC 9110 section 11.6.1, RFC 6750 section 3), and is a problem."""
    headers = {"Authorization": authorization} if authorization else {}
    answer = requests.get(f"{api}/device", headers=headers, timeout=10)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["reason"] == "device_token_invalid"


def test_a_client_certificate_in_a_header_says_nothing(api: str, enrolled: Printer) -> None:
    """Anybody can send X-ARR-ClientCert: it neither opens a door nor closes one (D16)."""
    spoofed = {"X-ARR-ClientCert": CERTIFICATE, "X-Client-Cert": CERTIFICATE, "X-Forwarded-Client-Cert": CERTIFICATE}
    for headers, status in (({}, 401), ({"Authorization": bearer(enrolled)}, 200)):
        for extra in ({}, spoofed):
            answer = requests.get(f"{api}/device", headers={**headers, **extra}, timeout=10)
            assert answer.status_code == status
    assert ask(api, {"grant_type": "client_credentials"}, **spoofed).status_code == 400


def test_a_revoked_device_hears_it_at_its_next_request(api: str, enrolled: Printer) -> None:
    """The token it holds is worth nothing from then on (D10)."""
    headers = {"Authorization": bearer(enrolled)}
    assert requests.get(f"{api}/device", headers=headers, timeout=10).status_code == 200
    enrolled.rooms.devices.revoke(CONTOSO, enrolled.id)
    assert requests.get(f"{api}/device", headers=headers, timeout=10).status_code == 401


def test_a_private_key_that_was_sent_is_not_enrolled(api: str, settled: Services) -> None:
    """A device that gives its private key away hears so, instead of a 201 (D12)."""
    printer = Printer(settled)
    private = base64url(printer.private.private_numbers().private_value.to_bytes(32))
    answer = requests.post(f"{api}/enrolments", json=enrolment(printer, jwk={**printer.jwk, "d": private}), timeout=10)
    assert (answer.status_code, answer.json()["reason"]) == (400, "proof_invalid")
    assert private not in answer.text


@pytest.mark.parametrize(
    "change",
    [
        {"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}},
        {"jwk": None},
        {"jwk": "key"},
        {"proof": 7},
        {"ticket": None},
        {"name": ""},
        {"tid": "22222222-2222-4222-8222-222222222222"},
        {"status": "active"},
        {"model": "\ud800"},
    ],
)
def test_an_enrolment_of_another_shape_is_refused_by_field(api: str, settled: Services, change: dict[str, Any]) -> None:
    """Closed schema: the organisation comes from the ticket, never from the body (H09)."""
    printer = Printer(settled)
    answer = requests.post(f"{api}/enrolments", json=enrolment(printer, **change), timeout=10)
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_request")
    assert any(next(iter(change)) in error["field"] for error in answer.json()["errors"])
