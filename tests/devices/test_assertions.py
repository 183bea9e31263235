"""Client assertions: one honest one gives one token, and nothing else gives any."""

import base64
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.devices import TokenRefused
from shared.devices.keys import DECOY
from shared.services import Services
from tests.devices.conftest import Build
from tests.devices.printer import CONTOSO, GONE, Printer, by_hand, request_of

STRANGER = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
TYP = {"typ": "client-authentication+jwt"}
ELSEWHERE = "https://elsewhere.example"


@pytest.fixture(scope="module")
def honest(settled: Services) -> Printer:
    """An enrolled printer, whose assertions the tests bend."""
    printer = Printer(settled)
    printer.enrol()
    return printer


def refusal(printer: Printer, assertion: str) -> str:
    """Return the error with which a token is refused."""
    with pytest.raises(TokenRefused) as refused:
        printer.rooms.tokens.give(request_of(assertion))
    return refused.value.error


def public_forms(printer: Printer) -> list[bytes]:
    """The public key in the forms that an attacker would feed to HMAC."""
    public = printer.private.public_key()
    return [
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint),
    ]


def revoked(printer: Printer) -> str:
    """An honest assertion of a printer that was shut out."""
    other = Printer(printer.rooms)
    other.enrol()
    assertion = other.assertion()
    printer.rooms.devices.revoke(CONTOSO, other.id)
    return assertion


def enrolled(printer: Printer) -> Printer:
    """A second printer of the same organisation."""
    other = Printer(printer.rooms)
    other.enrol()
    return other


Bend = Callable[[Printer], str]
INVALID: dict[str, Bend] = {
    # Who signed it (D06, D12)
    "another key": lambda p: p.assertion(key=STRANGER),
    "another enrolled device's key": lambda p: p.assertion(key=enrolled(p).private),
    "another enrolled device's id": lambda p: p.assertion(iss=enrolled(p).id, sub=enrolled(p).id),
    "a revoked device": revoked,
    "an unknown device": lambda p: p.assertion(iss=str(uuid.UUID(int=1)), sub=str(uuid.UUID(int=1))),
    "alg none": lambda p: by_hand({"alg": "none", **TYP}, p.claims()),
    "alg None": lambda p: by_hand({"alg": "None", **TYP}, p.claims()),
    "no alg": lambda p: by_hand(TYP, p.claims()),
    "alg is a list": lambda p: by_hand({"alg": ["ES256"], **TYP}, p.claims()),
    "HS256 under the public key (PEM)": lambda p: by_hand({"alg": "HS256", **TYP}, p.claims(), public_forms(p)[0]),
    "HS256 under the public key (DER)": lambda p: by_hand({"alg": "HS256", **TYP}, p.claims(), public_forms(p)[1]),
    "HS256 under the public key (point)": lambda p: by_hand({"alg": "HS256", **TYP}, p.claims(), public_forms(p)[2]),
    "HS256 under an empty key": lambda p: by_hand({"alg": "HS256", **TYP}, p.claims(), b"\0"),
    "RS256": lambda p: p.assertion(algorithm="RS256", key=RSA),
    "ES384": lambda p: p.assertion(algorithm="ES384", key=ec.generate_private_key(ec.SECP384R1())),
    "its own key in the header": lambda p: p.assertion(key=STRANGER, headers={"jwk": Printer(p.rooms, STRANGER).jwk}),
    "a key's address in the header": lambda p: p.assertion(key=STRANGER, headers={"jku": ELSEWHERE, "x5u": ELSEWHERE}),
    "signature cut off": lambda p: p.assertion().rpartition(".")[0] + ".",
    "signature of zeros": lambda p: p.assertion().rpartition(".")[0] + "." + "A" * 86,
    "signature of another assertion": lambda p: (
        p.assertion().rpartition(".")[0] + "." + p.assertion().rpartition(".")[2]
    ),
    # For whom (D07)
    "another audience": lambda p: p.assertion(aud=ELSEWHERE),
    "audience is the token endpoint": lambda p: p.assertion(aud=f"{p.audience}/api/v1/token"),
    "audience is the API": lambda p: p.assertion(aud=f"{p.audience}/api/v1"),
    "audience with a slash": lambda p: p.assertion(aud=f"{p.audience}/"),
    "audience in upper case": lambda p: p.assertion(aud=p.audience.upper()),
    "audience in a list": lambda p: p.assertion(aud=[p.audience]),
    "audience among others": lambda p: p.assertion(aud=[ELSEWHERE, p.audience]),
    "no audience": lambda p: p.assertion(aud=GONE),
    "audience is null": lambda p: p.assertion(aud=None),
    # What it is
    "no typ": lambda p: p.assertion(headers={"typ": GONE}),
    "typ JWT": lambda p: p.assertion(headers={"typ": "JWT"}),
    "typ of an access token": lambda p: p.assertion(headers={"typ": "at+jwt"}),
    "an enrolment proof in its place": lambda p: p.proof(iss=p.id, sub=p.id, jti="1", iat=1, exp=2),
    "a header we must understand": lambda p: p.assertion(headers={"crit": ["x"], "x": 1}),
    # Who it says it is
    "no issuer": lambda p: p.assertion(iss=GONE),
    "no subject": lambda p: p.assertion(sub=GONE),
    "issuer is another": lambda p: p.assertion(iss=enrolled(p).id),
    "subject is another": lambda p: p.assertion(sub=enrolled(p).id),
    "id in upper case": lambda p: p.assertion(iss=p.id.upper(), sub=p.id.upper()),
    "id in braces": lambda p: p.assertion(iss=f"{{{p.id}}}", sub=f"{{{p.id}}}"),
    "issuer is a list": lambda p: p.assertion(iss=[p.id]),
    "subject is a number": lambda p: p.assertion(sub=7),
    "subject is no UUID": lambda p: p.assertion(iss="x", sub="x"),
    "subject reaches for another row": lambda p: p.assertion(iss="a|b/../c", sub="a|b/../c"),
    # Its id
    "no jti": lambda p: p.assertion(jti=GONE),
    "jti is empty": lambda p: p.assertion(jti=""),
    "jti is null": lambda p: p.assertion(jti=None),
    "jti is a number": lambda p: p.assertion(jti=7),
    "jti is a list": lambda p: p.assertion(jti=["7"]),
    "jti is too long": lambda p: p.assertion(jti="x" * 129),
    "jti is not ASCII": lambda p: p.assertion(jti="ключ"),
    # Its life
    "no exp": lambda p: p.assertion(exp=GONE),
    "lives five minutes and a second": lambda p: p.assertion(iat=1000, exp=1301),
    "ends before it begins": lambda p: p.assertion(iat=1000, exp=999),
    "exp is text": lambda p: p.assertion(exp="4000000000"),
    "exp is a fraction": lambda p: p.assertion(iat=1000.5, exp=1001.5),
    "exp is true": lambda p: p.assertion(iat=True, exp=True),
    "iat is null": lambda p: p.assertion(iat=None),
    # Junk
    "empty JWS": lambda _: "..",
    "one word": lambda _: "assertion",
    "not ASCII": lambda _: "ä.ö.ü",
    "payload is a list": lambda _: by_hand({"alg": "ES256", **TYP}, []),
    "payload is text": lambda _: by_hand({"alg": "ES256", **TYP}, "sub"),
    "payload is not JSON": lambda _: by_hand({"alg": "ES256", **TYP}, b"{"),
    "payload is not UTF-8": lambda _: by_hand({"alg": "ES256", **TYP}, b'{"sub":"\xff"}'),
    "header is a list": lambda p: by_hand([], p.claims()),
    "payload nested without end": lambda _: by_hand({"alg": "ES256", **TYP}, b"[" * 40_000),
    "header nested without end": lambda p: by_hand(b"[" * 40_000, p.claims()),
    "subject nested without end": lambda _: by_hand(
        {"alg": "ES256", **TYP}, b'{"sub":' + b"[" * 20_000 + b"]" * 20_000
    ),
    "a number without end": lambda _: by_hand({"alg": "ES256", **TYP}, b'{"sub":' + b"9" * 40_000 + b"}"),
    "a NUL": lambda p: p.assertion() + "\0",
}


@pytest.mark.parametrize("bend", INVALID.values(), ids=INVALID.keys())
def test_an_assertion_that_is_not_right_gives_no_token(honest: Printer, bend: Bend) -> None:
    """Each one is ``invalid_client``, and says no more than that (D06, D07, D12, D14; RFC 6749 section 5.2)."""
    assert refusal(honest, bend(honest)) == "invalid_client"


def test_an_honest_one_gives_a_token(honest: Printer) -> None:
    """What the refused ones are bent from is taken, as often as a new one is signed."""
    for _ in range(2):
        token = honest.rooms.tokens.give(request_of(honest.assertion())).value
        assert honest.rooms.tokens.device(f"Bearer {token}").id == honest.id


@given(jti=st.text(st.characters(max_codepoint=127), min_size=1, max_size=128))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_ascii_id_works_once(honest: Printer, jti: str) -> None:
    """An id of slashes, quotes and control characters is one id like another, and only good once (E03, D06)."""
    # A device of its own: the limit on tokens is another test's.
    honest = enrolled(honest)
    assertion = honest.assertion(jti=jti)
    honest.rooms.tokens.give(request_of(assertion))
    assert refusal(honest, assertion) == "invalid_client"


def test_a_replay_is_refused_on_every_instance(build: Build, connection: str, rooms: Services, clock: Any) -> None:
    """The id was used, whichever instance hears it again, and as long as its nonce lives (D06)."""
    printer = Printer(rooms)
    printer.enrol()
    assertion = printer.assertion()
    rooms.tokens.give(request_of(assertion))
    for seconds in (0, 100, 150):
        clock.advance(seconds=seconds)
        printer.rooms = build(connection, clock)
        assert refusal(printer, assertion) == "invalid_client"


def test_the_same_id_again_in_another_assertion_is_a_replay(honest: Printer) -> None:
    """A new signature does not make an old id new (D06)."""
    jti = str(uuid.uuid4())
    honest.rooms.tokens.give(request_of(honest.assertion(jti=jti)))
    assert refusal(honest, honest.assertion(jti=jti)) == "invalid_client"


def test_ids_of_two_devices_do_not_meet(honest: Printer) -> None:
    """Nobody can use up another device's id."""
    other, jti = enrolled(honest), str(uuid.uuid4())
    for printer in (other, honest):
        assert honest.rooms.tokens.give(request_of(printer.assertion(jti=jti))).value


def test_a_replay_in_parallel_gives_one_token(honest: Printer) -> None:
    """Thirty-two times at once: one token (D06)."""
    assertion = honest.assertion()

    def ask(_: int) -> str:
        try:
            honest.rooms.tokens.give(request_of(assertion))
        except TokenRefused as refused:
            return refused.error
        return "given"

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(ask, range(32)))
    assert sorted(answers) == ["given", *["invalid_client"] * 31]


@pytest.mark.parametrize("year", [0, 946684800, 4102444800, 10**15])
def test_a_clock_that_is_years_wrong_does_not_matter(honest: Printer, year: int) -> None:
    """In 1970, 2000, 2100 or beyond by the device's clock: with a fresh nonce it gets its token (D08)."""
    assertion = honest.assertion(iat=year, nbf=year, exp=year + 300)
    assert honest.rooms.tokens.give(request_of(assertion)).value


def test_without_iat_the_nonce_is_enough(honest: Printer) -> None:
    """RFC 7523 section 3 leaves iat to the client."""
    assert honest.rooms.tokens.give(request_of(honest.assertion(iat=GONE))).value


@pytest.mark.parametrize("nonce", [GONE, None, "", "A" * 43, 7, ["x"]])
def test_without_a_fresh_nonce_it_is_told_to_fetch_one(honest: Printer, nonce: object) -> None:
    """A right clock does not replace the nonce, and the error names the remedy (D08)."""
    assert refusal(honest, honest.assertion(nonce=nonce)) == "use_nonce"


def test_a_nonce_of_six_minutes_ago_is_not_fresh(rooms: Services, printer: Printer, clock: Any) -> None:
    """An assertion lives no longer than its nonce (D09)."""
    printer.enrol()
    assertion = printer.assertion()
    clock.advance(minutes=6)
    assert refusal(printer, assertion) == "use_nonce"
    assert rooms.tokens.give(request_of(printer.assertion())).value


def test_a_refused_nonce_uses_up_no_id(honest: Printer) -> None:
    """The same id with a fresh nonce works: nothing was stored for the first try."""
    jti = str(uuid.uuid4())
    assert refusal(honest, honest.assertion(jti=jti, nonce="stale")) == "use_nonce"
    assert honest.rooms.tokens.give(request_of(honest.assertion(jti=jti))).value


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, "unsupported_grant_type"),
        ({"client_assertion_type": ""}, "invalid_request"),
        ({"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, "invalid_request"),
        ({"client_assertion": ""}, "invalid_request"),
    ],
)
def test_another_kind_of_request_is_refused_in_rfc_6749s_words(
    honest: Printer, change: dict[str, str], error: str
) -> None:
    """RFC 6749 section 5.2 has a word for each."""
    with pytest.raises(TokenRefused) as refused:
        honest.rooms.tokens.give({**request_of(honest.assertion()), **change})
    assert refused.value.error == error


def test_unknown_foreign_and_revoked_devices_hear_the_same(honest: Printer) -> None:
    """From the refusal nobody learns whether a device exists (D14)."""
    heard = set()
    for name in ("an unknown device", "another key", "a revoked device", "another enrolled device's id"):
        with pytest.raises(TokenRefused) as refused:
            honest.rooms.tokens.give(request_of(INVALID[name](honest)))
        heard.add((refused.value.error, refused.value.description))
    assert len(heard) == 1


def test_every_refusal_costs_the_same(rooms: Services, printer: Printer, caplog: pytest.LogCaptureFixture) -> None:
    """D14: one row is read for an unknown, a revoked and a wrongly signed device: none returns earlier than another."""
    printer.enrol()
    gone = Printer(rooms)
    gone.enrol()
    rooms.devices.revoke(CONTOSO, gone.id)
    nobody = str(uuid.UUID(int=1))
    asked = {
        "unknown": printer.assertion(iss=nobody, sub=nobody),
        "another key": printer.assertion(key=STRANGER),
        "revoked": gone.assertion(key=STRANGER),
        "revoked, with its own key": gone.assertion(),
    }
    with caplog.at_level("INFO", logger="azure.core.pipeline.policies.http_logging_policy"):
        for assertion in asked.values():
            refusal(printer, assertion)
    calls = [
        record.getMessage().split("'")[1].partition("(")[0]
        for record in caplog.records
        if "Request URL" in record.getMessage()
    ]
    assert len(calls) == len(asked)
    assert len({call.rpartition("/")[2] for call in calls}) == 1


@pytest.mark.parametrize("kid", ["../../dev/null", "' or 1 eq 1", "https://elsewhere.example/key", ""])
def test_a_kid_leads_nowhere(rooms: Services, printer: Printer, kid: str) -> None:
    """A05, D12: the key is the device's own, whatever the header says: it lets no stranger in, and keeps nobody out."""
    printer.enrol()
    assert refusal(printer, printer.assertion(key=STRANGER, headers={"kid": kid})) == "invalid_client"
    assert rooms.tokens.give(request_of(printer.assertion(headers={"kid": kid})))


def test_whoever_holds_the_decoy_is_nobody(honest: Printer) -> None:
    """D14: the key that is looked at where there is none is a published one, and lets nobody in."""
    scalar = int.from_bytes(base64.urlsafe_b64decode("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE="))
    published = ec.derive_private_key(scalar, ec.SECP256R1())
    assert Printer(honest.rooms, published).jwk == DECOY
    nobody = str(uuid.UUID(int=1))
    for assertion in (
        honest.assertion(key=published),
        honest.assertion(key=published, iss=nobody, sub=nobody),
        honest.assertion(key=published, iss=str(uuid.UUID(int=0)), sub=str(uuid.UUID(int=0))),
    ):
        assert refusal(honest, assertion) == "invalid_client"
