"""What proves a consent: the scopes and the account of a redeemed answer, whatever led to it."""

import json
from datetime import UTC, datetime

import pytest

from shared import faults
from shared.identity import Account, Finished, Redeemed
from shared.organisations import RANGES
from shared.services import Services

CONTOSO, FABRIKAM = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
DEVICE = "11111111-2222-4333-8444-555555555555"


def finish(rooms: Services, scopes: frozenset[str], tid: str = CONTOSO, role: str = GLOBAL_ADMINISTRATOR) -> str:
    """Bring a redeemed answer to a consent that a panel of Contoso began, and tell how the panel sees it."""
    started = rooms.consents.start(tid=CONTOSO, wanted="send-large", device_id=DEVICE)
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
