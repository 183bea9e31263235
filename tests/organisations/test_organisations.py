"""The row of an organisation: consented, confirmed by somebody else, withdrawn, given again."""

from typing import Any

import pytest

from shared import faults
from shared.organisations import RANGES, Organisations
from shared.storage import Storage

TID, ADMIN, PERSON = "11111111-1111-4111-8111-111111111111", "an-admin", "a-person"


@pytest.fixture
def organisations(storage: Storage, clock: Any) -> Organisations:
    """The room."""
    return Organisations(storage.table("organisations"), clock)


def consent(organisations: Organisations, chosen: str = "send") -> None:
    """Write down a proven consent."""
    organisations.consented(
        TID, name="contoso.example", consented_range=RANGES[chosen], proven_by="alex@contoso.example", oid=ADMIN
    )


def test_an_unknown_organisation_has_not_agreed(organisations: Organisations) -> None:
    """Nobody has consented: nothing is possible, and asking, confirming or withdrawing writes no row (C04)."""
    organisations.confirm(TID, PERSON)
    organisations.withdraw(TID)
    with pytest.raises(faults.ConsentRequired):
        organisations.get(TID).require_consent()
    assert organisations.get(TID).consent == "none"


@pytest.mark.parametrize("chosen", RANGES)
def test_a_consent_allows_its_range(organisations: Organisations, chosen: str) -> None:
    """What was proven is what is required from people."""
    consent(organisations, chosen)
    assert organisations.get(TID).require_consent() == RANGES[chosen]


def test_the_last_consent_counts(organisations: Organisations) -> None:
    """Consent given again replaces range and confirmation: another proof, another range."""
    consent(organisations, "send-verified")
    organisations.confirm(TID, PERSON)
    consent(organisations)
    found = organisations.get(TID)
    assert (found.require_consent(), found.confirmed) == (RANGES["send"], False)


def test_who_proved_it_does_not_confirm_it(organisations: Organisations) -> None:
    """The administrator's account proves itself; only another one shows that it holds for all."""
    consent(organisations)
    organisations.confirm(TID, ADMIN)
    assert not organisations.get(TID).confirmed
    organisations.confirm(TID, PERSON)
    assert organisations.get(TID).confirmed


def test_a_withdrawn_consent_is_not_confirmed(organisations: Organisations, clock: Any) -> None:
    """A sign-in that was under way when the consent went does not bring it back."""
    consent(organisations)
    clock.advance(minutes=10)
    organisations.withdraw(TID)
    organisations.confirm(TID, PERSON)
    with pytest.raises(faults.ConsentWithdrawn):
        organisations.get(TID).require_consent()


def test_a_fresh_consent_settles_first(organisations: Organisations, clock: Any) -> None:
    """For ten minutes Entra's servers may still say 65001; the same again after a consent that was renewed."""
    consent(organisations)
    clock.advance(minutes=9, seconds=50)
    organisations.withdraw(TID)
    assert organisations.get(TID).consent == "consented"
    consent(organisations)
    clock.advance(minutes=9, seconds=50)
    organisations.withdraw(TID)
    assert organisations.get(TID).consent == "consented"
    clock.advance(seconds=15)
    organisations.withdraw(TID)
    assert organisations.get(TID).consent == "withdrawn"
