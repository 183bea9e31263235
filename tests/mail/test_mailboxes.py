"""Whose mailbox a token is for: remembered for a little while, never for somebody else."""

import pytest

from shared import faults
from shared.mail import Graph, Mailboxes
from tests.mail.conftest import Clock
from tests.mail.graph_wire import GraphWire, graph_wire


def me(wire: GraphWire, oid: str = "a", mail: str | None = "a@contoso.example") -> None:
    """Let Graph say whose the token is."""
    shown = "null" if mail is None else f'"{mail}"'
    wire.says(200, f'{{"id": "{oid}", "mail": {shown}, "userPrincipalName": "x"}}'.encode())


def test_an_address_is_asked_for_once_in_five_minutes(still: Clock) -> None:
    """One call less for each scan; a change of address counts after five minutes at the latest."""
    with graph_wire() as wire:
        mailboxes = Mailboxes(Graph(wire.url, still), still)
        me(wire)
        for _ in range(3):
            assert mailboxes.of("t", "a", "token").address == "a@contoso.example"
        still.advance(minutes=5)
        me(wire, mail="new@contoso.example")
        assert mailboxes.of("t", "a", "token").address == "new@contoso.example"
        assert len(wire.asked) == 2


def test_what_is_remembered_is_one_persons(still: Clock) -> None:
    """F10: another person, and the same id in another tenant, are asked for themselves."""
    with graph_wire() as wire:
        mailboxes = Mailboxes(Graph(wire.url, still), still)
        me(wire)
        mailboxes.of("t", "a", "token")
        me(wire, oid="b", mail="b@contoso.example")
        assert mailboxes.of("t", "b", "token").address == "b@contoso.example"
        me(wire, mail="a@fabrikam.example")
        assert mailboxes.of("u", "a", "token").address == "a@fabrikam.example"
        assert mailboxes.of("t", "a", "token").address == "a@contoso.example"


def test_a_token_of_another_account_is_refused_and_not_remembered(still: Clock) -> None:
    """F10: the mailbox is the token's, and the token must be the person's."""
    with graph_wire() as wire:
        mailboxes = Mailboxes(Graph(wire.url, still), still)
        me(wire, oid="b", mail="b@contoso.example")
        for _ in range(2):
            with pytest.raises(faults.Unexpected):
                mailboxes.of("t", "a", "token")
        assert len(wire.asked) == 2


def test_no_address_is_asked_for_again(still: Clock) -> None:
    """A mailbox that an administrator just made is found with the next scan."""
    with graph_wire() as wire:
        mailboxes = Mailboxes(Graph(wire.url, still), still)
        me(wire, mail=None)
        with pytest.raises(faults.NoMailbox):
            mailboxes.of("t", "a", "token")
        me(wire)
        assert mailboxes.of("t", "a", "token").address == "a@contoso.example"


def test_a_forgotten_address_is_asked_for_again(still: Clock) -> None:
    """The service refused it, or the person was erased: nothing of it is left."""
    with graph_wire() as wire:
        mailboxes = Mailboxes(Graph(wire.url, still), still)
        me(wire)
        mailboxes.of("t", "a", "token")
        mailboxes.forget("t", "a")
        mailboxes.forget("t", "nobody")
        mailboxes.of("t", "a", "token")
        assert len(wire.asked) == 2


def test_the_memory_is_bounded(still: Clock) -> None:
    """The one asked for longest ago goes first."""
    with graph_wire() as wire:
        mailboxes = Mailboxes(Graph(wire.url, still), still, at_most=2)
        for oid in ("a", "b", "c"):
            me(wire, oid=oid)
            mailboxes.of("t", oid, "token")
        me(wire, oid="c")
        mailboxes.of("t", "c", "token")
        assert len(wire.asked) == 3
        me(wire, oid="a")
        mailboxes.of("t", "a", "token")
        assert len(wire.asked) == 4
