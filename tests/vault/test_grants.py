"""Grants: kept sealed, refreshed, ended only by Entra's own word about tokens that are still there."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from azure.data.tables import TableClient, UpdateMode
from msal import SerializableTokenCache

from local.person import Person
from shared import faults
from shared.organisations import RANGES
from shared.services import Services
from shared.vault import PAUSED, Grant, Grants
from tests.identity.test_authorizations import rows
from tests.identity.test_entra import TID
from tests.proof.wire import carried

SCOPES = RANGES["send"].scopes
GRANTED = ["Mail.Send", "User.Read", "openid", "profile", "offline_access"]
ACCOUNT = "contoso/adele"


class WithoutScripts(Person):
    """Somebody who stays on Microsoft's last page, because no door of ours listens: the answer stands in its form."""

    def _form_post(self) -> None:
        return None


class SignedIn:
    """A person whose sign-in is in the vault, made over the real way through the emulated Microsoft."""

    def __init__(self, rooms: Services, microsoft: Any, tls: Any) -> None:
        self.rooms = rooms
        self.microsoft = microsoft
        self._tls = tls
        microsoft.cloud.grant("contoso", rooms.settings.client_id, GRANTED)
        self.oid = microsoft.cloud.account(ACCOUNT).oid
        self.again()

    def again(self) -> None:
        """Sign in anew."""
        callback = f"{self.rooms.settings.public_url}/auth/callback"
        flow = self.rooms.entra.begin(TID, SCOPES, callback, "state", prompt="select_account", login_hint=None)
        with WithoutScripts(self._tls.ca_file) as person:
            person.visit(flow["auth_uri"])
            [form] = person.press("account-contoso-adele").forms
        redeemed = self.rooms.entra.redeem(TID, flow, form.fields)
        self.rooms.grants.store(TID, self.oid, redeemed.cache)

    def token(self) -> str:
        """Get an access token as a delivery does."""
        return self.rooms.grants.access_token(TID, self.oid, SCOPES)

    @property
    def row(self) -> dict[str, Any]:
        """The person's row as it lies in storage."""
        [row] = rows(self.rooms, "grants")
        return row

    @property
    def essence(self) -> dict[str, Any]:
        """The row without what only says that somebody has tried: what stood in the way, and when to look again."""
        tried = {"op", "blocked", "put_off", "due"}
        return {name: value for name, value in self.row.items() if name not in tried}

    def grant(self) -> Grant:
        """What is known of it."""
        grant = self.rooms.grants.get(TID, self.oid)
        assert grant is not None
        return grant

    def cache(self) -> dict[str, Any]:
        """Open MSAL's cache."""
        row = self.row
        place = ("grants", TID, self.oid, "sealed", self.oid, row["epoch"], str(row["generation"]))
        cache: dict[str, Any] = json.loads(self.rooms.sealer.open(TID, row["sealed"], *place))
        return cache

    def let_access_token_expire(self) -> None:
        """Take the access token out of the cache: MSAL looks at the computer's clock, which no test moves."""
        cache = self.cache()
        cache["AccessToken"] = {}
        self.rooms.grants.store(TID, self.oid, json.dumps(cache))

    def requests(self) -> int:
        """Count the requests to the token endpoint so far."""
        return int(self.microsoft.switchboard.count("token"))


@pytest.fixture
def signed_in(rooms: Services, microsoft: Any, tls: Any) -> SignedIn:
    """Adele, signed in."""
    return SignedIn(rooms, microsoft, tls)


def test_many_calls_make_one_token_request(signed_in: SignedIn) -> None:
    """An access token is used while it lasts: the sign-in itself was the only request."""
    tokens = {signed_in.token() for _ in range(5)}
    assert len(tokens) == 1
    assert signed_in.requests() == 1


def test_a_refreshed_token_is_kept(signed_in: SignedIn) -> None:
    """One refresh serves every later call, in this process and in the next."""
    signed_in.let_access_token_expire()
    tokens = {signed_in.token() for _ in range(3)}
    assert len(tokens) == 1
    assert signed_in.requests() == 2
    fresh = Services(signed_in.rooms.settings, clock=signed_in.rooms.clock)
    assert fresh.grants.access_token(TID, signed_in.oid, SCOPES) in tokens
    assert signed_in.requests() == 2


def test_no_token_lies_readable_in_the_table(signed_in: SignedIn) -> None:
    """G01, G12: neither refresh, access nor ID token, nor anybody's name, is in a stored byte."""
    cache = signed_in.cache()
    secrets = [entry["secret"] for kind in ("RefreshToken", "AccessToken", "IdToken") for entry in cache[kind].values()]
    assert len(secrets) == 3
    stored = b"|".join(value if isinstance(value, bytes) else str(value).encode() for value in signed_in.row.values())
    assert [secret for secret in [*secrets, "adele", "contoso"] if secret.encode() in stored] == []


def test_a_new_sign_in_replaces_the_old_one_whole(signed_in: SignedIn) -> None:
    """What ended the old one is forgotten with it."""
    signed_in.microsoft.cloud.revoke_refresh_tokens(ACCOUNT)
    signed_in.let_access_token_expire()
    with pytest.raises(faults.SignInRevoked):
        signed_in.token()
    assert not signed_in.grant().usable
    signed_in.again()
    assert signed_in.grant().usable
    assert signed_in.token()
    assert {"ended", "ended_at"}.isdisjoint(signed_in.row)


def test_erased_is_gone(signed_in: SignedIn) -> None:
    """I04: nothing stays but a tombstone, then not even that; erasing twice is fine; the next use is refused."""
    signed_in.rooms.grants.erase(TID, signed_in.oid)
    signed_in.rooms.grants.erase(TID, signed_in.oid)
    assert {"sealed", "locale", "ends", "due"}.isdisjoint(signed_in.row)
    assert signed_in.rooms.grants.get(TID, signed_in.oid) is None
    with pytest.raises(faults.SignInRequired):
        signed_in.token()
    signed_in.rooms.grants.forget_erased(TID, signed_in.oid)
    assert rows(signed_in.rooms, "grants") == []
    with pytest.raises(faults.SignInRequired):
        signed_in.token()


@pytest.mark.parametrize(
    ("number", "leaf"),
    [
        (70000, faults.SignInRevoked),
        (50173, faults.SignInRevoked),
        (700082, faults.SignInExpired),
        (70043, faults.SignInExpired),
        (50076, faults.InteractionRequired),
    ],
)
def test_entras_refusal_ends_it(signed_in: SignedIn, number: int, leaf: type[faults.Fault]) -> None:
    """R22: invalid_grant and its kin end the grant with their reason; the next use asks nobody."""
    signed_in.let_access_token_expire()
    signed_in.microsoft.switchboard.add("token", "oauth", number=number)
    with pytest.raises(leaf):
        signed_in.token()
    assert signed_in.grant().ended == leaf.reason
    assert "sealed" not in signed_in.row
    asked = signed_in.requests()
    with pytest.raises(leaf):
        signed_in.token()
    assert signed_in.requests() == asked


NOT_THE_PERSONS: list[tuple[dict[str, Any], type[faults.Fault]]] = [
    ({"kind": "oauth", "number": 53003}, faults.BlockedByPolicy),
    ({"kind": "oauth", "number": 50057}, faults.AccountDisabled),
    ({"kind": "oauth", "number": 65001}, faults.ConsentWithdrawn),
    ({"kind": "oauth", "number": 7000222}, faults.OwnCredentialRefused),
    ({"kind": "oauth", "number": 500133}, faults.OwnCredentialRefused),
    ({"kind": "oauth", "number": 90033}, faults.Passing),
    ({"kind": "server_error"}, faults.Passing),
    ({"kind": "unavailable_after_applying"}, faults.Passing),
    ({"kind": "throttled", "retry_after": "7"}, faults.Throttled),
    ({"kind": "reset"}, faults.NoConnection),
    ({"kind": "reset_after_applying"}, faults.NoConnection),
    ({"kind": "ok_without_applying"}, faults.Passing),
]


def test_what_is_not_the_persons_touches_no_row(signed_in: SignedIn) -> None:
    """G15, R17, R23: policy, our credential, a failing or unreachable service leave tokens and state alone."""
    signed_in.let_access_token_expire()
    before = signed_in.essence
    for fault, leaf in NOT_THE_PERSONS:
        signed_in.microsoft.switchboard.add("token", **fault)
        with pytest.raises(leaf):
            signed_in.token()
        assert signed_in.essence == before, fault
    assert signed_in.token()


def test_an_exchanged_certificate_touches_no_row(signed_in: SignedIn) -> None:
    """G15: our certificate is no longer registered: the operator hears of it, no person does, and it heals at once."""
    from dataclasses import replace

    cloud = signed_in.microsoft.cloud
    signed_in.let_access_token_expire()
    before = signed_in.essence
    registered = cloud.application(signed_in.rooms.settings.client_id)
    cloud.register(replace(registered, certificates=()))
    with pytest.raises(faults.OwnCredentialRefused):
        signed_in.token()
    assert signed_in.essence == before
    assert signed_in.grant().usable
    cloud.register(registered)
    assert signed_in.token()


def test_a_mended_cause_is_seen_at_once(signed_in: SignedIn) -> None:
    """MSAL's http_cache would repeat a 400 for a minute: here the administrator mends the policy, and it works."""
    signed_in.let_access_token_expire()
    signed_in.microsoft.cloud.change_account(ACCOUNT, blocked=True)
    with pytest.raises(faults.BlockedByPolicy):
        signed_in.token()
    signed_in.microsoft.cloud.change_account(ACCOUNT, blocked=False)
    assert signed_in.token()


def test_an_old_refusal_does_not_meet_a_new_sign_in(signed_in: SignedIn) -> None:
    """The http_cache again: revoked, signed in anew, refreshed at once, all within its minute."""
    signed_in.microsoft.cloud.revoke_refresh_tokens(ACCOUNT)
    signed_in.let_access_token_expire()
    with pytest.raises(faults.SignInRevoked):
        signed_in.token()
    signed_in.again()
    signed_in.let_access_token_expire()
    assert signed_in.token()


def test_a_refusal_of_old_tokens_does_not_end_new_ones(signed_in: SignedIn) -> None:
    """R19, R22: while Entra refuses the old refresh token, the person signs in anew: that serves, and stays."""
    signed_in.let_access_token_expire()
    signed_in.microsoft.cloud.revoke_refresh_tokens(ACCOUNT)
    signed_in.microsoft.switchboard.add("token", "slow_after_applying", seconds=1.5, account=ACCOUNT)
    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(signed_in.token)
        while signed_in.requests() < 2:
            pass
        signed_in.again()
        assert refused.result(20)
    assert signed_in.grant().usable
    assert signed_in.token()


def test_of_two_refreshes_at_once_both_get_a_token(signed_in: SignedIn) -> None:
    """R16, R18: Entra revokes nothing by use, so workers that refresh together all succeed and one write stays."""
    signed_in.let_access_token_expire()
    signed_in.microsoft.switchboard.add("token", "slow_after_applying", seconds=0.5, times=None)
    with ThreadPoolExecutor(6) as pool:
        tokens = list(pool.map(lambda _: signed_in.token(), range(6)))
    signed_in.microsoft.switchboard.remove()
    asked = signed_in.requests()
    assert signed_in.token() in tokens
    assert signed_in.requests() == asked


def test_a_deleted_grant_does_not_come_back(signed_in: SignedIn) -> None:
    """R19, I04: a refresh that was under way when the grant was erased writes nothing."""
    signed_in.let_access_token_expire()
    signed_in.microsoft.switchboard.add("token", "slow_after_applying", seconds=1.0)
    with ThreadPoolExecutor(1) as pool:
        refreshing = pool.submit(signed_in.token)
        while signed_in.requests() < 2:
            pass
        signed_in.rooms.grants.erase(TID, signed_in.oid)
        with pytest.raises(faults.SignInRequired):
            refreshing.result(20)
    signed_in.rooms.grants.forget_erased(TID, signed_in.oid)
    assert rows(signed_in.rooms, "grants") == []


@pytest.mark.parametrize("damage", ["flipped", "empty", "missing", "text", "of another person"])
def test_a_broken_seal_asks_for_a_sign_in_and_deletes_nothing(signed_in: SignedIn, damage: str) -> None:
    """G02, G04, G16: bytes that do not open lead to a new sign-in; the row stays as it is, and no call is made."""
    row = signed_in.row
    if damage == "of another person":
        signed_in.rooms.grants.store(TID, "another", "{}")
        row["sealed"] = next(
            other["sealed"] for other in rows(signed_in.rooms, "grants") if other["RowKey"] != row["RowKey"]
        )
        signed_in.rooms.grants.erase(TID, "another")
        signed_in.rooms.grants.forget_erased(TID, "another")
    elif damage == "missing":
        del row["sealed"]
    else:
        flipped = bytes([*row["sealed"][:-1], row["sealed"][-1] ^ 1])
        row["sealed"] = {"flipped": flipped, "empty": b"", "text": "a text of more than twenty-nine characters"}[damage]
    with TableClient.from_connection_string(signed_in.rooms.settings.data_storage, "grants") as client:
        client.update_entity(row, mode=UpdateMode.REPLACE)
    before, asked = signed_in.row, signed_in.requests()
    with pytest.raises(faults.SignInRequired):
        signed_in.token()
    assert signed_in.row == before
    assert signed_in.requests() == asked
    signed_in.again()
    assert signed_in.token()


def test_without_a_refresh_token_it_is_used_while_it_lasts(signed_in: SignedIn) -> None:
    """R20: a cache without a refresh token serves until its access token is over, and then asks for a sign-in."""
    cache = signed_in.cache()
    cache["RefreshToken"] = {}
    signed_in.rooms.grants.store(TID, signed_in.oid, json.dumps(cache))
    assert signed_in.token()
    signed_in.let_access_token_expire()
    with pytest.raises(faults.SignInRequired):
        signed_in.token()


def test_a_persons_tokens_are_his_alone(signed_in: SignedIn) -> None:
    """E01: tenant and person together are the key; no other pair finds anything."""
    for tid, oid in ((TID, "another"), ("another", signed_in.oid), (signed_in.oid, TID)):
        with pytest.raises(faults.SignInRequired):
            signed_in.rooms.grants.access_token(tid, oid, SCOPES)
        assert signed_in.rooms.grants.get(tid, oid) is None


def test_a_sign_in_from_before_the_erasure_stays_out(signed_in: SignedIn) -> None:
    """R19, I04: tokens that were fetched before somebody was erased are not stored after it; newer ones are."""
    rooms = signed_in.rooms
    before = rooms.clock()
    cache = SerializableTokenCache().serialize()
    rooms.grants.erase(TID, signed_in.oid)
    with pytest.raises(faults.SignInRequired):
        rooms.grants.store(TID, signed_in.oid, cache, at=before - timedelta(seconds=1))
    assert rooms.grants.get(TID, signed_in.oid) is None
    rooms.grants.store(TID, signed_in.oid, cache, at=rooms.clock() + timedelta(seconds=1))
    assert signed_in.grant().usable


@pytest.fixture
def overtaken(signed_in: SignedIn) -> Iterator[Callable[[Callable[[], None]], Grants]]:
    """Grants whose first write is done and then overtaken, while its answer is lost."""
    with ExitStack() as closing:

        def made(overtake: Callable[[], None]) -> Grants:
            wire, bent = closing.enter_context(carried(signed_in.rooms.settings.data_storage))
            faults_left = iter(["applied, overtaken, 503"])
            wire.decide = lambda asked: next(faults_left, "") if asked.name.startswith("table grants PUT") else ""
            wire.overtake = overtake
            told = replace(signed_in.rooms.settings, data_storage=bent)
            return Services(told, clock=signed_in.rooms.clock).grants

        yield made


def test_a_sign_in_that_ended_under_a_lost_answer_stays_ended(signed_in: SignedIn, overtaken: Any) -> None:
    """R12, R18: it was stored, and somebody went on from it; it is not stored once more over what became of it."""
    grants = overtaken(lambda: signed_in.rooms.grants.end(signed_in.grant(), faults.SignInRevoked))
    grants.store(TID, signed_in.oid, SerializableTokenCache().serialize(), locale="be")
    assert signed_in.grant().locale == "be"
    assert signed_in.grant().ended == faults.SignInRevoked.reason


def test_a_sign_in_replaced_under_a_lost_answer_is_another_one_when_it_comes(
    signed_in: SignedIn, overtaken: Any
) -> None:
    """R12, R19: of two at once the last one counts, by a name of its own: what refers to the first finds nothing."""
    seen: list[str] = []

    def another() -> None:
        seen.append(signed_in.row["epoch"])
        signed_in.rooms.grants.store(TID, signed_in.oid, SerializableTokenCache().serialize(), locale="de")
        seen.append(signed_in.row["epoch"])

    overtaken(another).store(TID, signed_in.oid, SerializableTokenCache().serialize(), locale="be")
    assert signed_in.grant().locale == "be"
    assert signed_in.row["epoch"] not in seen


def test_a_paused_mailbox_is_not_asked_about_either(signed_in: SignedIn) -> None:
    """R40: while Microsoft wants us to wait, whoever asks for its word hears how long, and Entra hears nothing."""
    clock = signed_in.rooms.clock
    signed_in.rooms.grants.pause(TID, signed_in.oid, clock() + timedelta(seconds=90))
    asked = signed_in.requests()
    with pytest.raises(faults.Throttled, match=PAUSED) as raised:
        signed_in.rooms.grants.ask(TID, signed_in.oid, SCOPES)
    assert 80 < (raised.value.retry_after or 0) <= 90
    assert signed_in.requests() == asked


def test_nothing_is_sealed_for_a_tenant_that_was_erased(signed_in: SignedIn) -> None:
    """I04: a sign-in that was under way when its tenant's keys were destroyed is refused; none is made for it."""
    signed_in.rooms.data_keys.erase(TID)
    with pytest.raises(faults.SignInRequired):
        signed_in.rooms.grants.store(TID, signed_in.oid, SerializableTokenCache().serialize())


def test_a_tenants_grants_page_and_leave_the_erased_out(signed_in: SignedIn) -> None:
    """I04: every list goes on where the last one stopped, and nobody who was erased is in one."""
    grants = signed_in.rooms.grants
    for oid in ("11110000-0000-4000-8000-000000000001", "11110000-0000-4000-8000-000000000002"):
        grants.store(TID, oid, SerializableTokenCache().serialize())
    listed = [grant.oid for grant in grants.of_tenant(TID)]
    assert len(listed) == 3
    assert [grant.oid for grant in grants.of_tenant(TID, limit=2)] == listed[:2]
    assert [grant.oid for grant in grants.of_tenant(TID, after=listed[1])] == listed[2:]
    grants.erase(TID, listed[1])
    assert [grant.oid for grant in grants.of_tenant(TID)] == [listed[0], listed[2]]


def test_what_is_over_is_not_ended_again(signed_in: SignedIn) -> None:
    """R18: the first reason stays, and whoever comes for somebody who is gone changes nothing."""
    grants, grant = signed_in.rooms.grants, signed_in.grant()
    grants.end(grant, faults.SignInExpired)
    ended = signed_in.row
    grants.end(grant, faults.SignInRevoked)
    assert signed_in.row == ended
    grants.erase(TID, signed_in.oid)
    grants.forget_erased(TID, signed_in.oid)
    assert rows(signed_in.rooms, "grants") == []
    grants.end(grant, faults.SignInRevoked)
    assert not grants.notified(grant, told=True)
    grants.postpone(grant)
    assert rows(signed_in.rooms, "grants") == []
