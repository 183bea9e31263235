"""Tokens of two resources in one grant: Graph's, and https://outlook.office.com's for SMTP, from one refresh token."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared import faults
from shared.mail import Draft, Message, Sender
from shared.mail.smtp import SCOPES as SMTP_SEND
from tests.vault.conftest import SCOPES, TID, Staff


@pytest.fixture
def large(staff: Staff) -> Staff:
    """Contoso has consented to SMTP.Send as well, as a permission of Graph's."""
    staff.microsoft.cloud.grant("contoso", staff.rooms.settings.client_id, ("SMTP.Send",))
    return staff


def test_a_token_for_smtp_lies_beside_graphs(large: Staff) -> None:
    """Each is fetched once and then held; neither takes the other's place, nor a second refresh token one."""
    [adele] = large.hire(1)
    graph = large.token(adele)
    smtp = large.rooms.grants.access_token(TID, adele.oid, SMTP_SEND)
    assert smtp != graph
    assert large.asked(adele) == 1
    assert large.token(adele) == graph
    assert large.rooms.grants.access_token(TID, adele.oid, SMTP_SEND) == smtp
    assert large.asked(adele) == 1
    assert len(json.loads(large.cache(adele))["RefreshToken"]) == 1
    issued = large.microsoft.cloud.access_token(smtp)
    assert (issued.resource, issued.scopes) == ("https://outlook.office.com", {"SMTP.Send"})


@pytest.mark.parametrize("rotation", ["entra", "grace", "strict"])
def test_both_live_on_through_many_refreshes(large: Staff, rotation: str) -> None:
    """Whatever becomes of used refresh tokens, each refresh goes on from the newest one, for whichever resource."""
    [adele] = large.hire(1)
    large.microsoft.cloud.refresh_tokens.rotation = rotation
    seen = set()
    for _ in range(3):
        large.let_tokens_expire()
        seen |= {large.rooms.grants.access_token(TID, adele.oid, scopes) for scopes in (SMTP_SEND, SCOPES)}
    assert len(seen) == 6
    assert len(json.loads(large.cache(adele))["RefreshToken"]) == 1
    assert not large.held(adele).revoked


def test_a_refused_token_is_replaced_and_the_other_stays(large: Staff) -> None:
    """What Exchange does not take says nothing about Graph's token."""
    [adele] = large.hire(1)
    graph, smtp = large.token(adele), large.rooms.grants.access_token(TID, adele.oid, SMTP_SEND)
    other = large.rooms.grants.access_token(TID, adele.oid, SMTP_SEND, refused=smtp)
    assert other != smtp
    assert large.token(adele) == graph


def test_workers_that_need_different_tokens_lose_none(large: Staff) -> None:
    """R16: eight workers at once, half for each resource: one call to Entra for each, and both are held after it."""
    [adele] = large.hire(1)
    large.let_tokens_expire()
    workers = [large.worker() for _ in range(8)]
    wanted = [SMTP_SEND, SCOPES] * 4
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda w, scopes: w.grants.access_token(TID, adele.oid, scopes), workers, wanted))
    assert (len(set(got[::2])), len(set(got[1::2]))) == (1, 1)
    assert large.asked(adele) == 2
    assert large.token(adele) == got[1]
    assert large.rooms.grants.access_token(TID, adele.oid, SMTP_SEND) == got[0]


def test_exchange_takes_the_token(large: Staff) -> None:
    """A consent to Graph's SMTP.Send, a sign-in for Graph, and a mail by SMTP: one chain."""
    [adele] = large.hire(1)
    token = large.rooms.grants.access_token(TID, adele.oid, SMTP_SEND)
    draft = Draft("", look=False, remember=lambda _: None)
    message = Message(str(uuid.uuid4()), "Scan", "text")
    large.rooms.exchange_smtp.send(token, Sender(adele.oid, adele.address), message, None, draft)
    assert len(large.microsoft.cloud.mailboxes.inbox(adele.key)) == 1


def test_without_consent_to_smtp_graphs_token_stays(staff: Staff) -> None:
    """An organisation of another range has no token for SMTP, and loses nothing by the question."""
    [adele] = staff.hire(1)
    graph = staff.token(adele)
    with pytest.raises(faults.ConsentWithdrawn):
        staff.rooms.grants.access_token(TID, adele.oid, SMTP_SEND)
    assert staff.token(adele) == graph
