"""DPoP (RFC 9449): a bound token opens nothing without a proof, by its own key, for this very request."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from shared import faults
from shared.devices import AccessToken, Rules, Sent, TokenRefused, dpop
from shared.services import Services
from tests.devices.conftest import Build
from tests.devices.printer import CONTOSO, GONE, Printer, base64url, by_hand, jwk_of, request_of

STRANGER = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
P384 = ec.generate_private_key(ec.SECP384R1())
ENDPOINT = "/api/v1/token"
PATH = "/api/v1/device"


@pytest.fixture
def bound(settled: Services) -> Printer:
    """An enrolled printer: its own in each test, for the limit on requests is another test's."""
    printer = Printer(settled)
    printer.enrol()
    return printer


def give(printer: Printer, *proofs: str) -> AccessToken:
    """Ask for a token with these proofs."""
    return printer.rooms.tokens.give(request_of(printer.assertion()), Sent(proofs, "POST", ENDPOINT))


def bound_token(printer: Printer) -> str:
    """A token that is bound to the printer's key."""
    return give(printer, printer.dpop("POST", ENDPOINT)).value


def use(printer: Printer, token: str, *proofs: str, scheme: str = "DPoP", method: str = "GET", path: str = PATH) -> str:
    """Use a token; return the device's id."""
    return printer.rooms.tokens.device(f"{scheme} {token}", Sent(proofs, method, path)).id


def test_a_proof_binds_the_token(bound: Printer) -> None:
    """RFC 9449 section 5: the type says so; with a proof for each request it opens the door, in any case."""
    given = give(bound, bound.dpop("POST", ENDPOINT))
    assert given.type == "DPoP"
    for scheme in ("DPoP", "dpop"):
        assert use(bound, given.value, bound.dpop("GET", PATH, token=given.value), scheme=scheme) == bound.id


def test_a_bound_token_is_no_bearer_token(bound: Printer) -> None:
    """RFC 9449 section 7.1: stolen from a proxy's log it opens nothing, with or without somebody's proof beside it."""
    token = bound_token(bound)
    for proofs in ([], [bound.dpop("GET", PATH, token=token)]):
        with pytest.raises(faults.DeviceTokenInvalid):
            use(bound, token, *proofs, scheme="Bearer")
    with pytest.raises(faults.InvalidDpopProof):
        use(bound, token)


def test_a_bearer_token_is_no_bound_one(bound: Printer) -> None:
    """RFC 9449 section 7.1: a proof beside a token that is bound to nothing proves nothing."""
    token = bound.token()
    with pytest.raises(faults.DeviceTokenInvalid):
        use(bound, token, bound.dpop("GET", PATH, token=token))


def pem() -> bytes:
    """A public key as an attacker would feed it to HMAC."""
    return STRANGER.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


Bend = Callable[[Printer, str], str]
INVALID: dict[str, Bend] = {
    "another method": lambda p, t: p.dpop("POST", PATH, token=t),
    "method in lower case": lambda p, t: p.dpop("get", PATH, token=t),
    "no method": lambda p, t: p.dpop("GET", PATH, token=t, htm=GONE),
    "another path": lambda p, t: p.dpop("GET", "/api/v1/scans", token=t),
    "path with a slash": lambda p, t: p.dpop("GET", PATH + "/", token=t),
    "another host": lambda p, t: p.dpop("GET", PATH, token=t, htu=f"https://elsewhere.example{PATH}"),
    "another port": lambda p, t: p.dpop("GET", PATH, token=t, htu=f"{p.audience}1{PATH}"),
    "a host with a name before it": lambda p, t: p.dpop(
        "GET", PATH, token=t, htu=f"{p.audience}{PATH}".replace("://", "://user@")
    ),
    "another scheme": lambda p, t: p.dpop("GET", PATH, token=t, htu=f"{p.audience}{PATH}".replace("http", "ftp", 1)),
    "only the path": lambda p, t: p.dpop("GET", PATH, token=t, htu=PATH),
    "address is a list": lambda p, t: p.dpop("GET", PATH, token=t, htu=[f"{p.audience}{PATH}"]),
    "address is no address": lambda p, t: p.dpop("GET", PATH, token=t, htu="http://[::1"),
    "no address": lambda p, t: p.dpop("GET", PATH, token=t, htu=GONE),
    "another token's hash": lambda p, _: p.dpop("GET", PATH, token="another"),
    "no hash of the token": lambda p, t: p.dpop("GET", PATH, token=t, ath=GONE),
    "no iat": lambda p, t: p.dpop("GET", PATH, token=t, iat=GONE),
    "no jti": lambda p, t: p.dpop("GET", PATH, token=t, jti=GONE),
    "jti is empty": lambda p, t: p.dpop("GET", PATH, token=t, jti=""),
    "jti is a number": lambda p, t: p.dpop("GET", PATH, token=t, jti=7),
    "jti is too long": lambda p, t: p.dpop("GET", PATH, token=t, jti="x" * 129),
    "typ JWT": lambda p, t: p.dpop("GET", PATH, token=t, headers={"typ": "JWT"}),
    "no typ": lambda p, t: p.dpop("GET", PATH, token=t, headers={"typ": GONE}),
    "no key": lambda p, t: p.dpop("GET", PATH, token=t, headers={"jwk": GONE}),
    "key is text": lambda p, t: p.dpop("GET", PATH, token=t, headers={"jwk": "key"}),
    "key with its private half": lambda p, t: p.dpop("GET", PATH, token=t, headers={"jwk": {**p.jwk, "d": "x"}}),
    "a stranger's key, signed by him": lambda p, t: p.dpop(
        "GET", PATH, token=t, key=STRANGER, headers={"jwk": jwk_of(STRANGER)}
    ),
    "the device's key, signed by a stranger": lambda p, t: p.dpop("GET", PATH, token=t, key=STRANGER),
    "a kid in place of the key": lambda p, t: p.dpop(
        "GET", PATH, token=t, key=STRANGER, headers={"jwk": GONE, "kid": p.thumbprint}
    ),
    "a kid that is a path": lambda p, t: p.dpop(
        "GET", PATH, token=t, key=STRANGER, headers={"jwk": jwk_of(STRANGER), "kid": "../../dev/null"}
    ),
    "a key's address": lambda p, t: p.dpop(
        "GET", PATH, token=t, key=STRANGER, headers={"jwk": GONE, "jku": "https://elsewhere.example"}
    ),
    "RS256": lambda p, t: p.dpop("GET", PATH, token=t, algorithm="RS256", key=RSA),
    "ES384": lambda p, t: p.dpop("GET", PATH, token=t, algorithm="ES384", key=P384),
    "alg none": lambda p, _: by_hand({"alg": "none", "typ": "dpop+jwt", "jwk": p.jwk}, {"htm": "GET"}),
    "HS256 under the public key": lambda _, __: by_hand(
        {"alg": "HS256", "typ": "dpop+jwt", "jwk": jwk_of(STRANGER)}, {"htm": "GET"}, pem()
    ),
    "a header we must understand": lambda p, t: p.dpop("GET", PATH, token=t, headers={"crit": ["x"], "x": 1}),
    "an audience of its own": lambda p, t: p.dpop("GET", PATH, token=t, aud=p.audience),
    "an assertion in its place": lambda p, _: p.assertion(),
    "nested without end": lambda _, __: by_hand({"alg": "ES256", "typ": "dpop+jwt"}, b"[" * 2000),
    "very long": lambda p, t: p.dpop("GET", PATH, token=t, more="x" * 9000),
    "junk": lambda _, __: "junk",
    "not ASCII": lambda _, __: "ä.ö.ü",
    "empty": lambda _, __: "",
}


@pytest.mark.parametrize("bend", INVALID.values(), ids=INVALID.keys())
def test_a_proof_that_is_not_right_opens_nothing(bound: Printer, bend: Bend) -> None:
    """D06, D12, A05, A06: method, address, token, key, kind and signature are all looked at (section 4.3)."""
    token = bound_token(bound)
    with pytest.raises(faults.InvalidDpopProof):
        use(bound, token, bend(bound, token))


AT_THE_ENDPOINT = sorted(set(INVALID) - {"another token's hash", "no hash of the token"})


@pytest.mark.parametrize("name", AT_THE_ENDPOINT)
def test_a_proof_that_is_not_right_gives_no_token(bound: Printer, name: str) -> None:
    """RFC 9449 section 5: at the token endpoint it is ``invalid_dpop_proof``, and the assertion is not used up."""
    assertion = bound.assertion()
    with pytest.raises(TokenRefused) as refused:
        bound.rooms.tokens.give(request_of(assertion), Sent([INVALID[name](bound, "")], "GET", PATH))
    assert refused.value.error == "invalid_dpop_proof"
    good = Sent([bound.dpop("POST", ENDPOINT)], "POST", ENDPOINT)
    assert bound.rooms.tokens.give(request_of(assertion), good).type == "DPoP"


def test_two_proofs_are_none(bound: Printer) -> None:
    """RFC 9449 section 4.3: there is not more than one header, at either place."""
    token = bound_token(bound)
    with pytest.raises(faults.InvalidDpopProof):
        use(bound, token, *(bound.dpop("GET", PATH, token=token) for _ in range(2)))
    with pytest.raises(TokenRefused):
        give(bound, *(bound.dpop("POST", ENDPOINT) for _ in range(2)))


@pytest.mark.parametrize(
    "spelled",
    [
        lambda origin: f"{origin}{PATH}?wait=20&since=x#top",
        lambda origin: f"{origin.upper().replace('HTTP', 'http', 1)}{PATH}",
        lambda origin: f"{origin}/api/v1/%64evice",
    ],
    ids=["query and fragment", "host in capitals", "an escaped letter"],
)
def test_one_address_has_several_spellings(bound: Printer, spelled: Callable[[str], str]) -> None:
    """RFC 9449 section 4.3: without query and fragment, and normalised."""
    token = bound_token(bound)
    assert use(bound, token, bound.dpop("GET", PATH, token=token, htu=spelled(bound.audience))) == bound.id


@pytest.mark.parametrize("nonce", [GONE, None, "", "A" * 43, 7])
def test_without_a_fresh_nonce_it_is_told_to_take_one(bound: Printer, nonce: object) -> None:
    """D08: RFC 9449 sections 8 and 9: the error names the remedy, at both places."""
    token = bound_token(bound)
    with pytest.raises(faults.UseDpopNonce):
        use(bound, token, bound.dpop("GET", PATH, token=token, nonce=nonce))
    with pytest.raises(TokenRefused) as refused:
        give(bound, bound.dpop("POST", ENDPOINT, nonce=nonce))
    assert refused.value.error == "use_dpop_nonce"


def test_a_proof_lives_as_long_as_its_nonce(rooms: Services, printer: Printer, clock: Any) -> None:
    """D08, D09: six minutes later it is stale, whatever its iat says."""
    printer.enrol()
    token = bound_token(printer)
    proof = printer.dpop("GET", PATH, token=token, iat=int(clock().timestamp()) + 360)
    clock.advance(minutes=6)
    with pytest.raises(faults.UseDpopNonce):
        use(printer, token, proof)
    assert use(printer, token, printer.dpop("GET", PATH, token=token, iat=4102444800)) == printer.id


def test_a_proof_is_good_once_on_every_instance(
    build: Build, connection: str, rooms: Services, printer: Printer, clock: Any
) -> None:
    """D06: replayed in parallel over two instances one request comes in; later none, at neither place."""
    printer.enrol()
    token = bound_token(printer)
    proof = printer.dpop("GET", PATH, token=token)
    instances = [rooms, build(connection, clock)]

    def replay(number: int) -> bool:
        try:
            instances[number % 2].tokens.device(f"DPoP {token}", Sent([proof], "GET", PATH))
        except faults.InvalidDpopProof:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(replay, range(32))) == 1
    again = printer.dpop("POST", ENDPOINT)
    give(printer, again)
    with pytest.raises(TokenRefused):
        give(printer, again)


def test_a_token_is_bound_to_the_key_of_the_assertion(settled: Services, bound: Printer) -> None:
    """RFC 9449 section 5: nobody has a token bound to a key that did not ask for it."""
    other = Printer(settled)
    other.enrol()
    with pytest.raises(TokenRefused) as refused:
        give(bound, other.dpop("POST", ENDPOINT))
    assert refused.value.error == "invalid_dpop_proof"
    token = bound_token(bound)
    with pytest.raises(faults.InvalidDpopProof):
        use(bound, token, other.dpop("GET", PATH, token=token))


def test_a_group_can_require_it(rooms: Services, printer: Printer) -> None:
    """Where the administrator says so, no token is given without a proof; other groups are as before."""
    printer.enrol()
    elsewhere = Printer(rooms)
    elsewhere.enrol(rooms.tickets.issue(CONTOSO, "warehouse", ""))
    rooms.groups.rule(CONTOSO, "office", Rules(require_dpop=True))
    with pytest.raises(TokenRefused) as refused:
        give(printer)
    assert refused.value.error == "invalid_dpop_proof"
    assert give(printer, printer.dpop("POST", ENDPOINT)).type == "DPoP"
    assert give(elsewhere).type == "Bearer"


def test_a_rolled_over_key_takes_its_bound_tokens_along(rooms: Services, printer: Printer) -> None:
    """D11: a bound token of the key before opens nothing, though its holder can still sign proofs."""
    printer.enrol()
    token = bound_token(printer)
    new = Printer(rooms)
    new.id = printer.id
    rooms.rollover.announce(rooms.devices.owned(CONTOSO, printer.id), **printer.rollover(new))
    bound_token(new)
    with pytest.raises(faults.DeviceTokenInvalid):
        use(printer, token, printer.dpop("GET", PATH, token=token))


def test_a_thumbprint_in_the_token_is_not_believed_from_outside(bound: Printer) -> None:
    """RFC 9449 section 6: cnf is under our signature."""
    header, claims, signature = bound_token(bound).split(".")
    forged = f"{header}.{base64url(b'{}')}{claims[-4:]}.{signature}"
    with pytest.raises(faults.DeviceTokenInvalid):
        use(bound, forged, bound.dpop("GET", PATH, token=forged))


@pytest.mark.parametrize(
    ("htu", "origin", "same"),
    [
        ("https://scan.example.com/x", "https://scan.example.com", True),
        ("https://scan.example.com:443/x", "https://scan.example.com", True),
        ("HTTPS://SCAN.example.com/x?a=b#c", "https://scan.example.com", True),
        ("https://scan.example.com:444/x", "https://scan.example.com", False),
        ("https://scan.example.com:886/x", "https://scan.example.com", False),
        ("http://scan.example.com/x", "https://scan.example.com", False),
        ("http://scan.example.com:80/x", "http://scan.example.com", True),
        ("https://scan.example.com/x", "https://scan.example.com:443", True),
        ("https://user@scan.example.com/x", "https://scan.example.com", False),
        ("https://scan.example.com/x/", "https://scan.example.com", False),
        ("https://scan.example.com:port/x", "https://scan.example.com", False),
    ],
)
def test_an_address_is_compared_as_the_standard_has_it(htu: str, origin: str, same: bool) -> None:
    """RFC 9449 section 4.3 and RFC 3986 section 6.2: scheme and host in any case, the scheme's own port or none."""
    assert dpop._same_address(htu, origin, "/x") is same
