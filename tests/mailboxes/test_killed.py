"""kill -9 of whoever activates a sign-in, at every step: the old account or the new one, whole; no token is left."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from local.tls import Tls
from shared.organisations.ranges import SEND_MAIL
from tests.leftovers import found as leaks
from tests.proof.killing import PATIENCE, Workers, workers
from tests.proof.wire import carried

ADDRESS = {"contoso/ben": "ben.okoye@contoso.example", "contoso/olga": "olga@contoso.example"}
EARLIER = timedelta(seconds=10)
STEPS = (0, *range(3, 17), 20, 40, 55, 300)
"""Requests that arrive before the death. The fourth comes after Entra gave the tokens; from the seventeenth on, what
was replaced is cleared up, a day of renewals with each request. There are fewer than sixty."""


@pytest.fixture(scope="module")
def lookers() -> Iterator[Workers]:
    """Processes that look at a sign-in, and can be killed."""
    with workers() as made:
        yield made


@pytest.fixture
def told(desk: Any, machine_environment: dict[str, str], tls: Tls) -> dict[str, str]:
    """The environment of a process beside the desk's."""
    ours = desk.rooms.settings
    return {
        **machine_environment,
        "DataStorage": ours.data_storage,
        "PUBLIC_URL": ours.public_url,
        "AUTHORITY_URL": desk.microsoft.url,
        "GRAPH_URL": desk.microsoft.url,
        "SMTP_HOST": desk.microsoft.smtp.exchange,
        "OUTLOOK_SMTP_HOST": desk.microsoft.smtp.outlook,
        "REQUESTS_CA_BUNDLE": str(tls.ca_file),
        "SSL_CERT_FILE": str(tls.ca_file),
    }


def confirmed(desk: Any, account: str) -> Any:
    """A sign-in that somebody has confirmed at Microsoft; by a real clock it is time to poll."""
    desk.clock.ahead = -EARLIER
    begun = desk.start()
    desk.microsoft.cloud.device_codes.approve(begun.user_code, account)
    desk.clock.ahead = timedelta()
    return begun


def check(desk: Any, old: Any, begun: Any, account: str, step: object) -> str:
    """After a death one account counts, whole: its sender, its tokens and its sign-in are of one person."""
    found = desk.look(begun)
    now = desk.rooms.mailbox_accounts.of(desk.device, "email")
    assert now.sign_in in {old.sign_in, begun.id}, step
    assert (found.status == "active") == (now.sign_in == begun.id), (step, found)
    assert found.status in {"active", "denied", "expired"}, step
    if found.status != "active":
        assert found.reason in {"sign_in_timed_out", "mailbox_superseded"}, step
    assert now.sender == (ADDRESS[account] if now.sign_in == begun.id else old.sender), step
    token = desk.rooms.mailbox_grants.access_token(now.owner.tid, now.sign_in, SEND_MAIL)
    whose = desk.microsoft.cloud.state.access_tokens[token].account
    assert ADDRESS[whose] == now.sender, step
    return str(found.status)


def nothing_is_left(desk: Any) -> None:
    """The keep-alive meets the tokens that no account names, and erases them; none ever lay readable."""
    state = desk.microsoft.cloud.state
    assert leaks(desk.rooms.settings.data_storage, [*state.refresh_tokens, *state.access_tokens]) == {}
    desk.clock.advance(days=40)
    desk.rooms.mailbox_keep_alive.run()
    desk.rooms.mailbox_keep_alive.run()
    now = desk.rooms.mailbox_accounts.of(desk.device, "email")
    sealed = [row for row in desk.rooms.storage.table("mailboxgrants").every() if row.get("sealed")]
    assert len(sealed) == 1
    assert [grant.oid for grant in desk.rooms.mailbox_grants.of_tenant(now.owner.tid)] == [now.sign_in]


def test_killed_before_each_request_to_storage(desk: Any, lookers: Any, told: dict[str, str]) -> None:
    """B18, R03: turn, announcement, tokens, end of the sign-in, account, clearing up of the one before.

    Every sign-in but the first begins after such a death, so that each death is proven to stand in nobody's way.
    """
    desk.ready("contoso/ben")
    ended = set()
    with carried(told["DataStorage"]) as (wire, connection):
        for turn, step in enumerate(STEPS):
            account = ("contoso/olga", "contoso/ben")[turn % 2]
            old = desk.rooms.mailbox_accounts.of(desk.device, "email")
            begun = confirmed(desk, account)
            wire.allow(step)
            environment = {**told, "DataStorage": connection}
            process = lookers.start("look", environment, sign_in=begun.id, device=desk.device.id)
            killed = lookers.kill_when(process, wire.held.is_set)
            wire.over.set()
            ended.add(check(desk, old, begun, account, step))
            if not killed:
                break
    assert not killed
    assert step == STEPS[-1]
    assert ended == {"active", "expired", "denied"}
    nothing_is_left(desk)


@pytest.mark.parametrize(("where", "kind"), [("token", "slow_after_applying"), ("me", "slow")])
def test_killed_while_microsoft_takes_its_time(
    desk: Any, lookers: Any, told: dict[str, str], where: str, kind: str
) -> None:
    """Entra has given the tokens and nobody has them: that sign-in is over, the old account sends, a new one works."""
    desk.ready("contoso/ben")
    old = desk.rooms.mailbox_accounts.of(desk.device, "email")
    begun = confirmed(desk, "contoso/olga")
    before = desk.microsoft.switchboard.count(where)
    desk.microsoft.switchboard.add(where, kind, seconds=PATIENCE)
    process = lookers.start("look", told, sign_in=begun.id, device=desk.device.id)
    assert lookers.kill_when(process, lambda: desk.microsoft.switchboard.count(where) > before)
    desk.microsoft.switchboard.remove()
    assert check(desk, old, begun, "contoso/olga", where) == "expired"
    again = confirmed(desk, "contoso/olga")
    assert check(desk, old, again, "contoso/olga", where) == "active"
    nothing_is_left(desk)
