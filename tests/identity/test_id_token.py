"""The proof of an ID token: one form is accepted, everything near it is refused."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given
from hypothesis import strategies as st

from local.microsoft.cloud import Cloud
from local.microsoft.keys import KeyRing, SigningKey
from local.microsoft.server import running
from local.microsoft.switchboard import Switchboard
from local.tls import Tls
from shared import faults
from shared.identity.id_token import Account, SigningKeys, canonical, prove

TID = "11111111-1111-4111-8111-111111111111"
OTHER_TID = "22222222-2222-4222-8222-222222222222"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
OID = "abcdefab-0000-4000-8000-0123456789ab"
CLIENT = "aaaaaaaa-0000-4000-8000-000000000001"
NONCE = "a-nonce-of-this-authorization"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Published(KeyRing):
    """Signing keys that a test publishes as it likes: ``before`` and ``after`` the good ones."""

    def __init__(self, work: SigningKey, personal: SigningKey) -> None:
        super().__init__(work, personal)
        self.before: list[Any] = []
        self.after: list[Any] = []
        self.only: Any = None

    def published(self, base: str, tid: str | None) -> Any:
        """Answer the JWKS of an authority."""
        if self.only is not None:
            return self.only
        return [*self.before, *super().published(base, tid), *self.after]


@dataclass
class Authority:
    """The emulated Entra, and how one of its ID tokens is proven and forged."""

    url: str
    ring: Published
    switchboard: Switchboard
    moment: datetime = NOW
    keys: SigningKeys = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no known keys."""
        self.forget()

    def forget(self) -> None:
        """Ask for the keys anew, as a fresh process does."""
        session = requests.Session()
        self.keys = SigningKeys(self.url, lambda url: session.get(url, timeout=5), lambda: self.moment)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of a good ID token, changed; a claim changed to None is left out."""
        now = int(NOW.timestamp())
        good = {
            "ver": "2.0",
            "iss": f"{self.url}/{TID}/v2.0",
            "aud": CLIENT,
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "sub": "pairwise",
            "nonce": NONCE,
            "tid": TID,
            "oid": OID,
            "name": "Adele Vance",
            "preferred_username": "adele@contoso.example",
            "acct": 0,
        }
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def token(
        self, key: Any = None, algorithm: str = "RS256", header: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        """Sign an ID token; without a key, with the one Entra signs with."""
        headers = {"kid": self.ring.work.kid, **(header or {})}
        return jwt.encode(self.claims(**changes), key or self.ring.work.private, algorithm, headers)

    def prove(self, id_token: str, **changes: Any) -> Account:
        """Prove an ID token as the answer to our authorization."""
        asked = {
            "keys": self.keys,
            "authority_url": self.url,
            "tid": TID,
            "client_id": CLIENT,
            "nonce": NONCE,
            "now": self.moment,
        }
        return prove(id_token, **{**asked, **changes})

    def fetches(self) -> int:
        """Count the fetches of keys so far."""
        return self.switchboard.count("jwks")


@pytest.fixture(scope="module")
def served(tls: Tls, signing_keys: KeyRing) -> Iterator[Authority]:
    """One emulated Entra for all vectors."""
    ring = Published(signing_keys.work, signing_keys.personal)
    cloud = Cloud(keys=ring)
    switchboard = Switchboard(cloud)
    with running(cloud, tls, switchboard=switchboard) as url:
        yield Authority(url, ring, switchboard)


@pytest.fixture
def authority(served: Authority) -> Iterator[Authority]:
    """The emulated Entra as it is before anything happened."""
    work = served.ring.work
    served.moment = NOW
    served.switchboard.forget()
    served.forget()
    yield served
    served.ring.__init__(work, served.ring.personal)  # type: ignore[misc]
    served.switchboard.remove()


def test_a_good_token_tells_who_signed_in(authority: Authority) -> None:
    """The one accepted form: identity from tid and oid, names for showing, roles in lower case."""
    account = authority.prove(authority.token(wids=["62E90394-69F5-4237-9190-012177145E10"]))
    assert (account.tid, account.oid) == (TID, OID)
    assert (account.name, account.username) == ("Adele Vance", "adele@contoso.example")
    assert account.wids == {"62e90394-69f5-4237-9190-012177145e10"}
    assert not account.guest


@pytest.mark.parametrize(
    "issuer",
    [
        "https://login.microsoftonline.com/{tenantid}/v2.0",
        f"https://login.microsoftonline.com/{TID}/v2.0",
        f"https://sts.windows.net/{TID}/",
        "{url}/{tenantid}/v2.0",
        f"{{url}}/{OTHER_TID}/v2.0",
        f"{{url}}/{PERSONAL}/v2.0",
        "{url}/common/v2.0",
        f"{{url}}/{TID}/v2.0/",
        f"{{url}}/{TID}",
        f"{{url}}/{TID}/v1.0",
        f"{{url}}.evil.example/{TID}/v2.0",
        f"https://login.microsoftonline.us/{TID}/v2.0",
        f"https://login.partner.microsoftonline.cn/{TID}/v2.0",
        f"{{url}}/x/../{TID}/v2.0",
        "",
    ],
)
def test_only_the_pinned_tenants_own_issuer_counts(authority: Authority, issuer: str) -> None:
    """A03, A14: iss is the very text made of authority and tenant: no template, v1, other tenant, other cloud."""
    with pytest.raises(faults.ResponseNotExpected):
        authority.prove(authority.token(iss=issuer.replace("{url}", authority.url)))


def test_an_issuer_in_capitals_is_another_one(authority: Authority) -> None:
    """A03: iss is compared letter by letter."""
    with pytest.raises(faults.ResponseNotExpected):
        authority.prove(authority.token(iss=f"{authority.url}/{TID}/V2.0"))


@pytest.mark.parametrize(
    "changes",
    [
        {"tid": OTHER_TID},
        {"tid": None},
        {"tid": TID.replace("-", "")},
        {"tid": "{" + TID + "}"},
        {"tid": f"urn:uuid:{TID}"},
        {"tid": f"{TID} "},
        {"tid": TID.replace("1", "\uff11")},
        {"tid": [TID]},
        {"tid": 1},
        {"oid": None},
        {"oid": ""},
        {"oid": "adele@contoso.example"},
        {"oid": OID.replace("-", "")},
        {"oid": OID.replace("0", "\uff10")},
        {"oid": 7},
        {"oid": [OID]},
        {"aud": OTHER_TID},
        {"aud": "00000003-0000-0000-c000-000000000000"},
        {"aud": [CLIENT]},
        {"aud": [CLIENT, OTHER_TID]},
        {"aud": None},
        {"aud": CLIENT.upper()},
        {"nonce": None},
        {"nonce": "of another authorization"},
        {"nonce": ""},
        {"nonce": [NONCE]},
        {"exp": None},
        {"iat": None},
        {"exp": int(NOW.timestamp()) - 301},
        {"exp": "soon"},
        {"exp": float("nan")},
        {"nbf": int(NOW.timestamp()) + 301},
        {"nbf": [1]},
        {"nbf": None, "iat": int(NOW.timestamp()) + 301},
        {"iat": ""},
        {"iat": "soon"},
        {"iat": [1]},
        {"iat": float("inf")},
    ],
    ids=repr,
)
def test_claims_of_another_login_are_refused(authority: Authority, changes: dict[str, Any]) -> None:
    """A01, A10, A17: tenant, object id, audience, nonce and times each stop a token that Entra itself signed."""
    with pytest.raises(faults.ResponseNotExpected):
        authority.prove(authority.token(**changes))


def test_no_nonce_is_not_the_same_as_an_empty_one(authority: Authority) -> None:
    """A10: where we have no nonce, nothing can match it."""
    with pytest.raises(faults.ResponseNotExpected):
        authority.prove(authority.token(nonce=""), nonce="")


def test_identifiers_have_one_form(authority: Authority) -> None:
    """A17: capitals in tid and oid name the same account, which is kept in one form."""
    account = authority.prove(authority.token(tid=TID.upper(), oid=OID.upper()))
    assert (account.tid, account.oid) == (TID, OID)


@given(st.one_of(st.uuids().map(str), st.uuids().map(lambda made: str(made).upper()), st.text(max_size=40)))
@example("1" * 32)
@example("\uff11" * 8 + "-1111-4111-8111-111111111111")
def test_a_canonical_identifier_stays_as_it_is(text: str) -> None:
    """A17: canonical(canonical(x)) = canonical(x), it differs from x by case alone, and the rest is no GUID."""
    try:
        made = canonical(text)
    except ValueError:
        return
    assert canonical(made) == made == text.lower()
    assert len(made) == 36


def test_another_key_under_the_right_kid_is_refused(authority: Authority) -> None:
    """A07: the signature is checked, not only the header."""
    forger = rsa.generate_private_key(65537, 2048)
    with pytest.raises(faults.ResponseNotExpected):
        authority.prove(authority.token(forger))


def _b64(content: Any) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unsigned(authority: Authority, algorithm: str, signature: bytes = b"") -> str:
    header = {"alg": algorithm, "typ": "JWT", "kid": authority.ring.work.kid}
    return f"{_b64(header)}.{_b64(authority.claims())}.{_b64(signature)}"


def _hs256(authority: Authority, secret: bytes) -> str:
    import hmac

    signed = _unsigned(authority, "HS256").rpartition(".")[0]
    return f"{signed}.{_b64(hmac.digest(secret, signed.encode(), 'sha256'))}"


FORGERIES: dict[str, Callable[[Authority], str]] = {
    "none": lambda authority: _unsigned(authority, "none"),
    "None": lambda authority: _unsigned(authority, "None"),
    "RS256 without a signature": lambda authority: _unsigned(authority, "RS256"),
    "no alg": lambda authority: _unsigned(authority, ""),
    "HS256 with the public key in PEM": lambda authority: _hs256(
        authority,
        authority.ring.work.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    ),
    "HS256 with the public key in DER": lambda authority: _hs256(
        authority,
        authority.ring.work.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ),
    "HS256 with an empty key": lambda authority: _hs256(authority, b""),
    "ES256": lambda authority: authority.token(ec.generate_private_key(ec.SECP256R1()), "ES256"),
    "PS256 by the right key": lambda authority: authority.token(algorithm="PS256"),
    "RS512 by the right key": lambda authority: authority.token(algorithm="RS512"),
    "a claim changed afterwards": lambda authority: _swapped(authority.token(), authority.claims(oid=OTHER_TID)),
    "nothing": lambda _: "",
    "two parts": lambda authority: authority.token().rpartition(".")[0],
    "five parts": lambda authority: f"{authority.token()}.a.b",
    "no JSON": lambda authority: f"{_b64(b'x')}.{_b64(b'y')}.{_b64(b'z')}",
    "a list of claims": lambda authority: jwt.api_jws.encode(b"[]", authority.ring.work.private, "RS256"),
    "kid is a number": lambda authority: f"{_b64({'alg': 'RS256', 'kid': 7})}.{_b64(authority.claims())}.AAAA",
    "no kid": lambda authority: jwt.encode(authority.claims(), authority.ring.work.private, "RS256"),
    "an unknown critical header": lambda authority: authority.token(header={"crit": ["x"], "x": 1}),
    "the key of personal accounts": lambda authority: authority.token(
        authority.ring.personal.private, header={"kid": authority.ring.personal.kid}
    ),
}


def _swapped(token: str, claims: dict[str, Any]) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{_b64(claims)}.{signature}"


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_signatures_are_refused(authority: Authority, forgery: str) -> None:
    """A04, A06, A07: RS256 by a key that this tenant's authority publishes, or nothing."""
    with pytest.raises(faults.ResponseNotExpected):
        authority.prove(FORGERIES[forgery](authority))


@pytest.mark.parametrize("header", ["jku", "x5u", "jwk", "x5c"])
def test_the_token_does_not_say_where_its_key_is(authority: Authority, header: str) -> None:
    """A05: a key named or carried by the header counts for nothing, and nobody fetches it."""
    forger = SigningKey.generate()
    own = forger.published("attacker")
    value: Any = {"jku": f"{authority.url}/x/discovery/v2.0/keys", "x5u": f"{authority.url}/x", "jwk": own}.get(
        header, [own["n"]]
    )
    with pytest.raises(faults.ResponseNotExpected):
        authority.prove(authority.token(forger.private, header={header: value}))
    assert [entry.path for entry in authority.switchboard.journal()] == [f"/{TID}/discovery/v2.0/keys"]


def _useless(kid: str) -> list[Any]:
    point = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}
    return [
        {"kty": "AKP", "alg": "ML-DSA-65", "kid": kid, "pub": "AAAA", "use": "sig"},
        {**point, "kid": kid},
        {"kty": "oct", "k": "AAAA", "kid": kid},
        {"kty": "RSA", "kid": kid, "use": "sig"},
        {"kty": "RSA", "kid": kid, "use": "sig", "n": 7, "e": "AQAB"},
        {"kty": "RSA", "kid": kid, "use": "sig", "n": "!", "e": "AQAB"},
        {"kty": "RSA", "use": "sig", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "kid": kid, "use": "enc", "n": "AQAB", "e": "AQAB"},
        {},
        None,
        "key",
        [],
    ]


def test_keys_we_cannot_use_cost_us_none_of_the_good_ones(authority: Authority) -> None:
    """A08: unknown kinds, half keys and nonsense stand around the good key, some under its own kid."""
    authority.ring.before = _useless(authority.ring.work.kid)
    authority.ring.after = _useless(authority.ring.work.kid) + _useless("another")
    assert authority.prove(authority.token()).oid == OID


def test_a_set_without_a_usable_key_proves_nothing(authority: Authority) -> None:
    """A08: where only unusable keys are published, nobody can be proven, and that is Microsoft's to mend."""
    authority.ring.only = _useless(authority.ring.work.kid)
    with pytest.raises(faults.MicrosoftUnavailable):
        authority.prove(authority.token())


def test_a_flood_of_unknown_keys_asks_once_in_five_minutes(authority: Authority) -> None:
    """A09: however many tokens name unknown keys, the authority hears of it once per window; the good key stays."""
    rest = authority.token().partition(".")[2]
    for number in range(1000):
        with pytest.raises(faults.ResponseNotExpected):
            authority.prove(f"{_b64({'alg': 'RS256', 'kid': f'unknown{number}'})}.{rest}")
    assert authority.fetches() == 1
    authority.moment += timedelta(seconds=301)
    for number in range(1000):
        with pytest.raises(faults.ResponseNotExpected):
            authority.prove(f"{_b64({'alg': 'RS256', 'kid': f'again{number}'})}.{rest}")
    assert authority.fetches() == 2
    assert authority.prove(authority.token()).oid == OID
    assert authority.fetches() == 2


def test_tenants_have_keys_of_their_own(authority: Authority) -> None:
    """A04: a flood at one tenant does not stop another's keys from being fetched."""
    authority.prove(authority.token())
    other = authority.token(iss=f"{authority.url}/{OTHER_TID}/v2.0", tid=OTHER_TID)
    assert authority.prove(other, tid=OTHER_TID).tid == OTHER_TID
    assert authority.fetches() == 2


@pytest.mark.parametrize("kind", ["server_error", "reset"])
def test_the_last_good_keys_stay_while_the_authority_fails(authority: Authority, kind: str) -> None:
    """R33: a day later the fetch fails, and the keys that were good still are."""
    authority.prove(authority.token())
    authority.moment += timedelta(hours=25)
    authority.switchboard.add("jwks", kind, times=None)
    later = int(authority.moment.timestamp())
    assert authority.prove(authority.token(iat=later, nbf=later, exp=later + 3600)).oid == OID
    assert authority.fetches() == 2


@pytest.mark.parametrize("kind", ["server_error", "throttled", "reset"])
def test_without_any_key_a_failing_authority_is_no_fault_of_the_person(authority: Authority, kind: str) -> None:
    """R33: nothing can be proven now, that passes, and it passes soon after the authority is back."""
    authority.switchboard.add("jwks", kind)
    with pytest.raises(faults.Passing):
        authority.prove(authority.token())
    authority.moment += timedelta(seconds=31)
    assert authority.prove(authority.token()).oid == OID


def test_a_failing_authority_is_not_flooded(authority: Authority) -> None:
    """A09, R33: while it fails, it is asked at most every thirty seconds."""
    authority.switchboard.add("jwks", "server_error", times=None)
    token = authority.token()
    for _ in range(20):
        with pytest.raises(faults.Passing):
            authority.prove(token)
    assert authority.fetches() == 1


@pytest.mark.parametrize("keep_old", [True, False])
def test_a_new_signing_key_is_found(authority: Authority, keep_old: bool) -> None:
    """R34: after a roll the first token by the new key brings one fetch and is accepted."""
    authority.prove(authority.token())
    authority.moment += timedelta(minutes=6)
    authority.ring.roll(keep_old=keep_old)
    assert authority.prove(authority.token()).oid == OID
    assert authority.fetches() == 2


def test_a_withdrawn_key_is_forgotten(authority: Authority) -> None:
    """R34: after an emergency roll, the fetch that finds the new key also loses the old one."""
    old = authority.token()
    authority.prove(old)
    authority.moment += timedelta(minutes=6)
    authority.ring.roll(keep_old=False)
    authority.prove(authority.token())
    with pytest.raises(faults.ResponseNotExpected):
        authority.prove(old)


@pytest.mark.parametrize(
    ("changes", "guest"),
    [
        ({"acct": 1}, True),
        ({"idp": f"https://sts.windows.net/{OTHER_TID}/"}, True),
        ({"idp": "live.com"}, True),
        ({"idp": ["live.com"]}, True),
        ({"preferred_username": "gina_fabrikam.example#EXT#@contoso.onmicrosoft.com"}, True),
        ({"preferred_username": "gina_fabrikam.example#ext#@contoso.onmicrosoft.com"}, True),
        ({"idp": f"https://sts.windows.net/{TID}/"}, False),
        ({}, False),
    ],
)
def test_a_guest_is_known_as_one(authority: Authority, changes: dict[str, Any], guest: bool) -> None:
    """A11: account type, identity provider or name betray a guest; the own tenant's provider does not."""
    assert authority.prove(authority.token(**changes)).guest is guest


@pytest.mark.parametrize("wids", ["62e90394-69f5-4237-9190-012177145e10", {"a": 1}, 7, None])
def test_roles_come_as_a_list_or_not_at_all(authority: Authority, wids: Any) -> None:
    """A16: a role claim of another shape gives no role."""
    assert authority.prove(authority.token(wids=wids)).wids == frozenset()


def test_a_digest_of_the_nonce_is_compared(authority: Authority) -> None:
    """A10: a token for a nonce's SHA-256, which is what MSAL sends, does not pass for the nonce itself."""
    digest = hashlib.sha256(NONCE.encode()).hexdigest()
    with pytest.raises(faults.ResponseNotExpected):
        authority.prove(authority.token(nonce=digest))
    assert authority.prove(authority.token(nonce=digest), nonce=digest).oid == OID


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({"exp": int(NOW.timestamp()) - 299}, True),
        ({"exp": int(NOW.timestamp()) - 300}, False),
        ({"nbf": int(NOW.timestamp()) + 300}, True),
        ({"nbf": int(NOW.timestamp()) + 301}, False),
    ],
)
def test_the_times_have_five_minutes_of_leeway(authority: Authority, changes: dict[str, Any], good: bool) -> None:
    """A10: to the very second: our clock and Microsoft's may differ by so much, and no token is good for longer."""
    if good:
        assert authority.prove(authority.token(**changes)).oid == OID
    else:
        with pytest.raises(faults.ResponseNotExpected):
            authority.prove(authority.token(**changes))


def test_when_somebody_proved_himself_is_told(authority: Authority) -> None:
    """``auth_time`` is what a fresh sign-in is believed by; without it nothing is fresh."""
    proven = int(NOW.timestamp()) - 60
    assert authority.prove(authority.token(auth_time=proven)).authenticated == datetime.fromtimestamp(proven, UTC)
    assert authority.prove(authority.token()).authenticated is None


def test_where_no_nonce_can_be_asked_for_none_is_needed(authority: Authority) -> None:
    """A device code's token comes in answer to a code that nobody else has."""
    assert authority.prove(authority.token(nonce=None), nonce=None).oid == OID


def test_where_every_organisation_may_answer_the_token_names_its_own(authority: Authority) -> None:
    """A02, A13: the tenant is the token's, with that tenant's issuer and keys; no personal account is one."""
    token = authority.token(tid=OTHER_TID, iss=f"{authority.url}/{OTHER_TID}/v2.0")
    assert authority.prove(token, tid=None).tid == OTHER_TID
    with pytest.raises(faults.ResponseNotExpected):
        authority.prove(authority.token(tid=OTHER_TID), tid=None)
    for forged in (rsa.generate_private_key(65537, 2048), authority.ring.personal.private):
        with pytest.raises(faults.ResponseNotExpected):
            authority.prove(authority.token(forged), tid=None)
    with pytest.raises(faults.PersonalAccountNotAllowed):
        authority.prove(authority.token(tid=PERSONAL, iss=f"{authority.url}/{PERSONAL}/v2.0"), tid=None)


def test_a_key_that_is_known_is_not_asked_for_again(authority: Authority) -> None:
    """A09: the window is for unknown keys; the known ones are good for a day."""
    for _ in range(3):
        authority.prove(authority.token(exp=int(NOW.timestamp()) + 9000))
        authority.moment += timedelta(minutes=20)
    assert authority.fetches() == 1


def test_a_key_for_encryption_signs_nothing(authority: Authority) -> None:
    """A08: ``use`` says what a key is for."""
    other = SigningKey.generate()
    authority.ring.after = [{**other.published(authority.url), "use": "enc"}]
    with pytest.raises(faults.ResponseNotExpected):
        authority.prove(authority.token(other.private, header={"kid": other.kid}))
