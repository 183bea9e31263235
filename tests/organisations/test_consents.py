"""What proves a consent: the scopes and the account of a redeemed answer, whatever led to it."""

import json
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from shared import faults
from shared.handoffs import Handoff
from shared.identity import Account, Finished, Redeemed
from shared.organisations import RANGES, consent
from shared.services import Services

CONTOSO, FABRIKAM = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
DEVICE = "11111111-2222-4333-8444-555555555555"


def finish(
    rooms: Services,
    scopes: frozenset[str],
    tid: str = CONTOSO,
    role: str = GLOBAL_ADMINISTRATOR,
    device_id: str = DEVICE,
) -> str:
    """Bring a redeemed answer to a consent that Contoso began, and tell how the panel sees it."""
    started = rooms.consents.start(tid=CONTOSO, wanted="send-large", device_id=device_id)
    account = Account(
        tid, "an-oid", "Alex", "alex@contoso.example", frozenset({role}), guest=False, issued=datetime.now(UTC)
    )
    subject = json.dumps({"handoff": started.id, "range": "send-large", "step": "proof"})
    answer = Redeemed(account, scopes, "", "")
    try:
        rooms.consents.finish(Finished("consent", subject, tid, False, lambda: answer), browser="a-browser")
    except faults.Fault as fault:
        assert rooms.handoffs.get(started.id).reason == fault.reason  # noqa: PT017
        return fault.reason
    return rooms.handoffs.get(started.id).status


def test_the_whole_range_proves_it(rooms: Services) -> None:
    """C02, C04: role, tenant and every scope together."""
    assert finish(rooms, frozenset(RANGES["send-large"].scopes)) == "confirm"
    assert rooms.organisations.get(CONTOSO).consent == "consented"


@pytest.mark.parametrize("missing", RANGES["send-large"].scopes)
def test_a_token_that_lacks_a_scope_proves_nothing(rooms: Services, missing: str) -> None:
    """C02: Microsoft answered, with less than the range: nothing is written down, and the panel hears why."""
    assert finish(rooms, frozenset(RANGES["send-large"].scopes) - {missing}) == "consent_not_proven"
    assert rooms.organisations.get(CONTOSO).consent == "none"


def test_a_proof_for_another_tenant_is_none_at_this_printer(rooms: Services) -> None:
    """C04: the printer's own tenant must be the account's."""
    assert finish(rooms, frozenset(RANGES["send-large"].scopes), FABRIKAM) == "other_organisation"
    assert {rooms.organisations.get(tid).consent for tid in (CONTOSO, FABRIKAM)} == {"none"}


def test_the_role_of_every_member_is_no_role(rooms: Services) -> None:
    """C02: what an ordinary member carries in wids does not count."""
    member = "b79fbf4d-3ef9-4689-8143-76b194e85509"
    assert finish(rooms, frozenset(RANGES["send-large"].scopes), role=member) == "consent_role_missing"
    assert rooms.organisations.get(CONTOSO).consent == "none"


def test_without_a_panel_nobody_has_to_say_ok(rooms: Services) -> None:
    """A consent from a browser is whole when Microsoft has answered; at a panel somebody says OK."""
    assert finish(rooms, frozenset(RANGES["send-large"].scopes), device_id="") == "active"


def cancelled(rooms: Services) -> Handoff:
    """A consent of a panel that its panel has taken back."""
    started = rooms.consents.start(tid=CONTOSO, wanted="send", device_id=DEVICE)
    rooms.handoffs.cancel(started.id, DEVICE, consent.STORY)
    return rooms.handoffs.get(started.id)


def test_what_was_taken_back_is_not_begun(rooms: Services) -> None:
    """Nobody is sent to Microsoft for a consent that the panel has given up."""
    link = rooms.handoffs.link(cancelled(rooms).id)
    with pytest.raises(faults.SignInDeclined):
        rooms.consents.begin(link, "send", browser="a-browser")


def test_what_is_taken_back_meanwhile_is_not_proven(rooms: Services) -> None:
    """Microsoft's callback does not go on with a consent that the panel has given up."""
    started = rooms.consents.start(tid=CONTOSO, wanted="send", device_id=DEVICE)
    address = rooms.consents.begin(rooms.handoffs.link(started.id), "send", browser="a-browser")
    rooms.handoffs.cancel(started.id, DEVICE, consent.STORY)
    [state] = parse_qs(urlsplit(address).query)["state"]
    query = {"state": state, "admin_consent": "True", "tenant": CONTOSO}
    with pytest.raises(faults.SignInDeclined):
        rooms.consents.called_back(query, browser="a-browser")


def test_a_range_that_is_none_is_refused_at_the_page_too(rooms: Services) -> None:
    """H09: what a browser makes up as the range begins nothing, and the consent goes on waiting."""
    started = rooms.consents.start(tid=CONTOSO, wanted="send", device_id=DEVICE)
    with pytest.raises(faults.InvalidRequest):
        rooms.consents.begin(rooms.handoffs.link(started.id), "everything", browser="a-browser")
    assert rooms.handoffs.get(started.id).status == "pending"


@pytest.mark.parametrize(("tid", "asked"), [(CONTOSO, CONTOSO), ("", "organizations")])
def test_who_is_asked_to_agree(rooms: Services, tid: str, asked: str) -> None:
    """A printer's own organisation is the only one that Microsoft asks; a browser's is whichever signs in."""
    started = rooms.consents.start(tid=tid, wanted="send", device_id=DEVICE if tid else "")
    address = rooms.consents.begin(rooms.handoffs.link(started.id), "send", browser="a-browser")
    assert urlsplit(address).path.split("/")[1] == asked


@pytest.mark.parametrize(("step", "asked_again"), [("proof", True), ("known", False), ("who", False)])
def test_microsoft_is_asked_who_once(rooms: Services, step: str, asked_again: bool) -> None:
    """Where no silent answer comes, the administrator is asked who he is; comes none then, nothing is proven."""
    started = rooms.consents.start(tid=CONTOSO, wanted="send", device_id=DEVICE)
    subject = json.dumps({"handoff": started.id, "range": "send", "step": step})

    def redeem() -> Redeemed:
        raise faults.InteractionRequired

    def finishing() -> None:
        rooms.consents.finish(Finished("consent", subject, CONTOSO, False, redeem), browser="a-browser")

    if asked_again:
        finishing()
        assert rooms.handoffs.get(started.id).status == "pending"
    else:
        with pytest.raises(faults.ConsentNotProven):
            finishing()
        assert rooms.handoffs.get(started.id).reason == faults.ConsentNotProven.reason
