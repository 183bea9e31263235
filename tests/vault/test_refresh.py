"""Many workers need the same people's tokens: one call to Entra, nothing lost, nothing resurrected."""

import random
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from local.microsoft.directory import Account
from shared import faults
from shared.vault import Grants
from tests.scans.test_dying import Dies, Life
from tests.vault.conftest import TID, Staff, mortal_grants

ROTATIONS = ("entra", "grace", "strict")


@pytest.fixture(params=ROTATIONS)
def rotation(request: pytest.FixtureRequest, staff: Staff) -> str:
    """Each behaviour that an identity provider may have."""
    staff.microsoft.cloud.refresh_tokens.rotation = request.param
    return str(request.param)


@pytest.fixture
def adele(staff: Staff) -> Account:
    """Somebody whose access token has just expired."""
    [account] = staff.hire(1)
    staff.let_tokens_expire()
    return account


@contextmanager
def refreshing(staff: Staff, account: Account, seconds: float = 1.0) -> Iterator[Future[str]]:
    """A worker that has asked Entra and waits for the answer, which was decided before the block begins."""
    asked = staff.asked(account)
    staff.microsoft.switchboard.add("token", "slow_after_applying", seconds=seconds, account=account.key)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(staff.token, account, staff.worker())
        staff.until(lambda: staff.asked(account) > asked)
        # Noted before it is worked on: one more request goes through the same event loop behind it.
        staff.works("none", account)
        yield future


def let_lease_end(staff: Staff) -> None:
    """Let the lease of whoever is refreshing run out."""
    staff.clock.advance(seconds=91)


# ---------------------------------------------------------------- many workers


@pytest.fixture
def crowd(request: pytest.FixtureRequest) -> int:
    """How many workers want tokens at once."""
    return 512 if request.config.getoption("--proof") else 64


def test_an_expiry_costs_one_call_whoever_comes(staff: Staff, rotation: str, crowd: int) -> None:
    """R16: 64 workers (512 by ``make proof``) in 8 instances on 20 people: one call per person and expiry, one token.

    And Graph takes it.
    """
    people = staff.hire(20)
    workers = [staff.worker() for _ in range(8)]
    for expiry in (1, 2):
        staff.let_tokens_expire()
        staff.microsoft.switchboard.add("token", "slow_after_applying", seconds=0.2, times=len(people))

        def work(number: int, expiry: int = expiry) -> dict[str, str]:
            wanted = random.Random(f"{expiry} {number}").sample(people, 7)
            return {account.key: staff.token(account, workers[number % len(workers)]) for account in wanted}

        with ThreadPoolExecutor(crowd) as pool:
            brought = list(pool.map(work, range(crowd)))
        for account in people:
            [token] = {tokens[account.key] for tokens in brought if account.key in tokens}
            assert staff.works(token, account)
            assert staff.asked(account) == expiry
            assert staff.grant(account).version[1] == expiry
            assert staff.held(account).generation == staff.microsoft.cloud.state.newest[staff.held(account).family]


def test_processes_share_an_expiry_too(staff: Staff, rotation: str) -> None:
    """R16: three processes, which share no memory, want the same people's tokens at once: one call for each."""
    people = staff.hire(3)
    staff.let_tokens_expire()
    staff.microsoft.switchboard.add("token", "slow_after_applying", seconds=0.3, times=None)
    with staff.process() as first, staff.process() as second, staff.process() as third:
        for account in people:
            for worker in (first, second, third):
                worker.need(account)
        for account in people:
            [token] = {worker.got().get("token", "") for worker in (first, second, third)}
            assert staff.works(token, account)
            assert staff.asked(account) == 1


def test_an_access_token_is_used_while_it_lasts(staff: Staff) -> None:
    """Nobody is asked for a token that is there, and a fresh one is kept for other instances."""
    [account] = staff.hire(1)
    assert staff.token(account) == staff.token(account, staff.worker())
    assert staff.asked() == 0


def test_a_year_of_refreshes_does_not_fill_the_row(staff: Staff, adele: Account) -> None:
    """A row holds 64 KiB: what a refresh brings replaces what was there, and lies not beside it."""
    staff.token(adele)
    size = len(staff.row(adele)["sealed"])
    for _ in range(12):
        staff.let_tokens_expire()
        staff.token(adele)
    assert abs(len(staff.row(adele)["sealed"]) - size) < 100
    assert len(staff.cache(adele)) < 16384


# ---------------------------------------------------------------- what happens in between


def test_a_new_sign_in_wins_over_a_refresh_under_way(staff: Staff, adele: Account, rotation: str) -> None:
    """R19: the answer for the old tokens is dropped, whether it comes late or not; the waiting worker gets the new."""
    with refreshing(staff, adele) as old:
        staff.sign_in(adele)
        before = staff.row(adele)
        assert staff.works(old.result(), adele)
    assert staff.row(adele) == before
    staff.let_tokens_expire()
    assert staff.works(staff.token(adele), adele)


def test_a_refusal_of_old_tokens_does_not_end_a_new_sign_in(staff: Staff, adele: Account) -> None:
    """R22: Entra refuses the old refresh token while the person signs in anew: the new sign-in stays, and serves."""
    staff.microsoft.cloud.revoke_refresh_tokens(adele.key)
    with refreshing(staff, adele) as old:
        staff.sign_in(adele)
        assert staff.works(old.result(), adele)
    assert staff.grant(adele).usable


def test_a_deleted_grant_stays_deleted(staff: Staff, adele: Account) -> None:
    """R19: a refresh that was under way when the grant was erased writes nothing, and its worker hears so."""
    with refreshing(staff, adele) as old:
        staff.rooms.grants.erase(TID, adele.oid)
        assert isinstance(old.exception(), faults.SignInRequired)
    assert staff.rooms.grants.get(TID, adele.oid) is None


def test_an_ended_grant_stays_ended(staff: Staff, adele: Account) -> None:
    """R19: a refresh that was under way when the grant was ended brings no tokens back into the row."""
    with refreshing(staff, adele) as old:
        staff.rooms.grants.end(staff.grant(adele), faults.SignInExpired)
        assert isinstance(old.exception(), faults.SignInExpired)
    assert "sealed" not in staff.row(adele)


def test_a_paused_worker_does_not_overwrite_newer_tokens(staff: Staff, adele: Account, rotation: str) -> None:
    """R18: its lease ran out and another one refreshed: the row keeps the newer tokens, and both workers have them.

    With strict rotation the second use of the refresh token ends it: that one sign-in is lost, as docs/vault.md says.
    """
    with refreshing(staff, adele, 1.5) as paused:
        let_lease_end(staff)
        if rotation == "strict":
            with pytest.raises(faults.SignInRevoked):
                staff.token(adele)
            assert isinstance(paused.exception(), faults.SignInRevoked)
            assert "sealed" not in staff.row(adele)
            return
        newer = staff.token(adele)
        before = staff.row(adele)
        assert paused.result() == newer
    assert staff.row(adele) == before
    held = staff.held(adele)
    assert held.generation == staff.microsoft.cloud.state.newest[held.family]


def test_a_stopped_process_does_not_overwrite_newer_tokens(staff: Staff, adele: Account) -> None:
    """R18: the same with SIGSTOP and SIGCONT, as a host does that freezes an instance."""
    with staff.process() as stopped:
        staff.microsoft.switchboard.add("token", "slow_after_applying", seconds=0.2)
        stopped.need(adele)
        staff.until(lambda: staff.asked(adele) == 1)
        stopped.process.send_signal(signal.SIGSTOP)
        let_lease_end(staff)
        newer = staff.token(adele)
        before = staff.row(adele)
        stopped.process.send_signal(signal.SIGCONT)
        assert stopped.got() == {"token": newer}
    assert staff.row(adele) == before


def test_a_refusal_that_comes_late_is_not_believed(staff: Staff, adele: Account) -> None:
    """R22: refused, paused, its lease taken over, and the other one refreshed: nothing is ended."""
    staff.microsoft.cloud.revoke_refresh_tokens(adele.key)
    with refreshing(staff, adele) as refused:
        staff.held(adele).revoked = False
        let_lease_end(staff)
        newer = staff.token(adele)
        assert refused.result() == newer
    assert staff.grant(adele).usable


def test_a_refusal_is_not_believed_while_another_one_asks(staff: Staff, adele: Account) -> None:
    """R18, R22: refused, paused, and the one that took the lease over still waits for Entra: he decides."""
    staff.microsoft.cloud.revoke_refresh_tokens(adele.key)
    with refreshing(staff, adele, 1.0) as refused:
        staff.held(adele).revoked = False
        let_lease_end(staff)
        with refreshing(staff, adele, 2.0) as other:
            staff.until(lambda: staff.microsoft.switchboard.journal()[0].status != 0)
            assert refused.result() == other.result()
    assert staff.grant(adele).usable
    assert staff.asked(adele) == 2


def test_a_failure_takes_nobodys_lease_away(staff: Staff, adele: Account) -> None:
    """R18: a worker that wakes with a 503 leaves the lease to the one that took it over: no third one asks."""
    staff.microsoft.switchboard.add("token", "slow_after_applying", seconds=0.7, account=adele.key)
    with ThreadPoolExecutor(3) as pool:
        registered = staff.microsoft.cloud.application(staff.rooms.settings.client_id)
        staff.microsoft.cloud.register(replace(registered, certificates=()))
        failing = pool.submit(staff.token, adele, staff.worker())
        staff.until(lambda: staff.asked() == 1)
        staff.works("none", adele)
        staff.microsoft.cloud.register(registered)
        let_lease_end(staff)
        with refreshing(staff, adele, 2.0) as other:
            assert isinstance(failing.exception(), faults.OwnCredentialRefused)
            assert staff.token(adele) == other.result()
    assert staff.asked(adele) == 2


def test_putting_off_takes_nobodys_lease_away(staff: Staff, adele: Account) -> None:
    """R30: the timer that could not renew writes beside the refresh of a delivery, and the refresh still counts."""
    with refreshing(staff, adele) as delivery:
        leased = staff.row(adele)["lease"]
        staff.rooms.grants.postpone(staff.grant(adele))
        assert staff.row(adele)["lease"] == leased
        assert staff.token(adele) == delivery.result()
    assert staff.asked(adele) == 1


# ---------------------------------------------------------------- crashes


DEEDS: dict[str, Callable[[Grants, Staff, Account], object]] = {
    "refresh": lambda grants, staff, account: grants.renew(staff.grant(account), staff.scopes),
    "refused": lambda grants, staff, account: [staff.revoke(account), grants.renew(staff.grant(account), staff.scopes)],
    "sign in": lambda grants, staff, account: grants.store(TID, account.oid, staff.tokens_for(account), days=40),
    "tell": lambda grants, staff, account: grants.notified(staff.grant(account), told=True),
    "put off": lambda grants, staff, account: grants.postpone(staff.grant(account)),
    "end": lambda grants, staff, account: grants.end(staff.grant(account), faults.SignInExpired),
    "erase": lambda grants, staff, account: grants.erase(TID, account.oid),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_a_process_may_die_before_any_write(staff: Staff, deed: str) -> None:
    """R17, R31: after each of its writes the row still names an entry that is there, and signing in always works."""
    for writes in range(9):
        [account] = staff.hire(1, days=30)
        staff.clock.advance(days=25)
        try:
            DEEDS[deed](mortal_grants(staff, Life(writes)), staff, account)
        except (Dies, faults.SignInRevoked) as died:
            lived = isinstance(died, faults.SignInRevoked)
        else:
            lived = True
        staff.assert_sound()
        let_lease_end(staff)
        if deed in {"refresh", "tell", "put off"}:
            assert staff.works(staff.token(account), account)
        staff.sign_in(account)
        assert staff.works(staff.token(account), account)
        staff.assert_sound()
        if lived:
            break
    assert lived


# ---------------------------------------------------------------- what Entra says


PASSING: list[tuple[str, dict[str, Any], type[faults.Fault]]] = [
    ("server_error", {}, faults.MicrosoftUnavailable),
    ("unavailable", {}, faults.MicrosoftUnavailable),
    ("gateway_timeout_after_applying", {}, faults.MicrosoftUnavailable),
    ("throttled", {"retry_after": "77"}, faults.Throttled),
    ("reset", {}, faults.NoConnection),
    ("reset_after_applying", {}, faults.NoConnection),
    ("ok_without_applying", {}, faults.MicrosoftUnavailable),
    ("garbled_after_applying", {}, faults.MicrosoftUnavailable),
    ("oauth", {"number": 90033}, faults.MicrosoftUnavailable),
    ("oauth", {"number": 7000222}, faults.OwnCredentialRefused),
]


@pytest.mark.parametrize(("kind", "more", "leaf"), PASSING, ids=[f"{kind} {more}" for kind, more, _ in PASSING])
def test_what_passes_changes_nothing_but_the_lease(
    staff: Staff, adele: Account, kind: str, more: dict[str, Any], leaf: type[faults.Fault]
) -> None:
    """R25, R26: the row is as before, the next try reaches Entra at once (no replay by MSAL), and it works.

    G12: a token response that is not JSON is not written into the log (MSAL alone would), see ``staff``.
    """
    before = staff.row(adele)
    staff.microsoft.switchboard.add("token", kind, **more)
    with pytest.raises(leaf) as raised:
        staff.token(adele)
    if "retry_after" in more:
        assert raised.value.retry_after == float(more["retry_after"])
    assert staff.row(adele) == before
    assert staff.works(staff.token(adele), adele)
    assert staff.asked(adele) == 2


@pytest.mark.parametrize(("kind", "more", "leaf"), PASSING, ids=[f"{kind} {more}" for kind, more, _ in PASSING])
def test_the_last_minutes_of_an_access_token_are_used(
    staff: Staff, kind: str, more: dict[str, Any], leaf: type[faults.Fault]
) -> None:
    """R26: too old to be taken without asking, but still good when Entra cannot be asked."""
    [account] = staff.hire(1)
    token = staff.token(account)
    left = staff.microsoft.cloud.access_token(token).expires - staff.clock()
    staff.clock.advance(seconds=left.total_seconds() - 120)
    staff.microsoft.switchboard.add("token", kind, **more)
    assert staff.token(account) == token
    assert staff.works(token, account)
    assert staff.asked(account) == 1
    staff.microsoft.switchboard.add("token", kind, **more)
    with pytest.raises(leaf):
        staff.token(account, refused=token)


def test_an_exchanged_certificate_touches_nobody(staff: Staff) -> None:
    """R25, G15: our certificate is no longer registered: every row is as before, and it heals at once."""
    people = staff.hire(3)
    staff.let_tokens_expire()
    before = [staff.row(account) for account in people]
    cloud = staff.microsoft.cloud
    registered = cloud.application(staff.rooms.settings.client_id)
    cloud.register(replace(registered, certificates=()))
    for account in people:
        with pytest.raises(faults.OwnCredentialRefused):
            staff.token(account)
    assert [staff.row(account) for account in people] == before
    cloud.register(registered)
    assert all(staff.works(staff.token(account), account) for account in people)


def test_a_lifted_rule_is_seen_at_once(staff: Staff, adele: Account) -> None:
    """MSAL's http_cache would repeat the 400 for a minute: here the administrator mends it, and the next try works."""
    staff.microsoft.cloud.change_account(adele.key, blocked=True)
    with pytest.raises(faults.BlockedByPolicy):
        staff.token(adele)
    assert staff.grant(adele).blocked == "blocked_by_policy"
    staff.microsoft.cloud.change_account(adele.key, blocked=False)
    assert staff.works(staff.token(adele), adele)
    assert staff.grant(adele).blocked is None


def test_a_refused_access_token_is_replaced_once(staff: Staff) -> None:
    """R22: many workers whose token Graph refused fetch one new one, and it is not the refused one."""
    [account] = staff.hire(1)
    refused = staff.token(account)
    staff.microsoft.cloud.expire_access_tokens(account.key)
    with ThreadPoolExecutor(12) as pool:
        [fresh] = set(pool.map(lambda _: staff.token(account, refused=refused), range(12)))
    assert fresh != refused
    assert staff.works(fresh, account)
    assert staff.asked(account) == 1


def test_who_waits_too_long_gives_the_job_back(staff: Staff, adele: Account) -> None:
    """R27: a worker waits for another one's refresh 20 seconds at most, and asks nobody meanwhile."""
    with refreshing(staff, adele, 1.5):
        waiting = staff.worker(clock=Hurrying(staff.clock))
        with pytest.raises(faults.MicrosoftUnavailable) as raised:
            staff.token(adele, waiting)
        assert raised.value.retry_after
        assert staff.asked(adele) == 1


class Hurrying:
    """A clock that is three seconds later at every look."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._looks = 0

    def __call__(self) -> Any:
        """Answer the time."""
        from datetime import timedelta

        self._looks += 1
        return self._clock() + timedelta(seconds=3 * self._looks)
