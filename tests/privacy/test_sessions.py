"""Who is let in at a person's own page, and for how long."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared import faults
from shared.identity.authorizations import Finished
from shared.identity.id_token import Account
from shared.identity.token_response import Redeemed
from shared.services import Services
from tests.privacy.conftest import ADELE, CONTOSO


def finished(issued: datetime, *, guest: bool = False, name: str = "Adele") -> Finished:
    """An authorization that Entra answered."""
    account = Account(CONTOSO, ADELE, name, name, frozenset(), guest, issued)
    return Finished("me", "", "", False, lambda: Redeemed(account, frozenset(), "", ""))


@pytest.mark.parametrize(("issued", "left"), [(-60, 14), (-900, 0), (0, 15), (240, 15)])
def test_it_counts_from_the_sign_in(rooms: Services, clock: Any, issued: int, left: int) -> None:
    """H06: fifteen minutes from Microsoft's word, however late the answer comes; a fast clock of theirs adds none."""
    session = rooms.sessions.finish(finished(clock() + timedelta(seconds=issued)))
    assert round((session.until - clock()).total_seconds() / 60) == left


def test_a_guest_is_told_so(rooms: Services, clock: Any) -> None:
    """A11: a guest signs in at no printer of this organisation, so there is no page of his either."""
    with pytest.raises(faults.GuestNotAllowed):
        rooms.sessions.finish(finished(clock(), guest=True))


def test_a_name_is_cut(rooms: Services, clock: Any) -> None:
    """A name of any length fits the cookie."""
    session = rooms.sessions.finish(finished(clock(), name="я" * 5000))
    assert len(session.name) == len(session.username) == 120
    assert rooms.sessions.read(rooms.sessions.write(session)).name == session.name
