"""A person who is signed in, beside the emulated Microsoft; no door."""

from dataclasses import dataclass
from typing import Any

import pytest

from local.microsoft.directory import Account
from shared.doctor import Report, Subject
from shared.doctor.doctor import Doctor
from shared.doctor.rounds import Rounds
from shared.identity.token_cache import TokenCache
from shared.organisations import RANGES
from shared.services import Services
from tests.conftest import CONTOSO, Clock, Microsoft

ADELE = "contoso/adele"


@dataclass
class Ward:
    """What a test of the doctor needs."""

    rooms: Services
    microsoft: Microsoft
    clock: Clock
    adele: Account

    def agree(self, allowed: str) -> None:
        """Let the organisation have agreed to a range, and Adele have signed in with it."""
        chosen = RANGES[allowed]
        names = [scope.rpartition("/")[2] for scope in chosen.scopes]
        self.microsoft.cloud.grant(
            "contoso", self.rooms.settings.client_id, {*names, "offline_access", "openid", "profile"}
        )
        told = {"name": "Contoso", "consented_range": chosen, "proven_by": "admin", "oid": "0"}
        self.rooms.organisations.consented(CONTOSO, **told)
        self.sign_in(chosen.scopes)

    def sign_in(self, scopes: Any) -> None:
        """Tokens as Entra gives them, kept in the vault."""
        cache = TokenCache(self.clock)
        first = self.microsoft.cloud.refresh_tokens.issue(self.adele, self.rooms.settings.client_id).value
        answer = self.rooms.entra._app(CONTOSO, cache).acquire_token_by_refresh_token(first, list(scopes))
        assert "access_token" in answer, answer
        self.rooms.grants.store(CONTOSO, self.adele.oid, cache.serialize())

    def ask(self, doctor: Doctor | None = None) -> Report:
        """Let the doctor ask with Adele."""
        self.clock.advance(seconds=31)
        return (doctor or self.rooms.doctor).examine(CONTOSO, Subject(self.adele.oid))

    def with_(self, **changes: Any) -> Doctor:
        """A doctor some of whose rooms are others: entra, proof, graph, keys, longest, storage, key_file, federated."""
        rooms = self.rooms
        given = {
            "entra": rooms.entra,
            "proof": rooms.client_proof,
            "graph": rooms.graph,
            "keys": rooms.key_encryption,
            "clock": self.clock,
        }
        rounds = Rounds(**{**given, **{name: changes[name] for name in changes if name in {*given, "longest"}}})
        return Doctor(
            rooms.doctor._subjects,
            rounds,
            changes.get("storage", rooms.storage),
            rooms.limits,
            rooms.exchange_smtp,
            self.clock,
            key_file=changes.get("key_file", True),
            federated=changes.get("federated", False),
        )


def failing(report: Report) -> list[str]:
    """The names of what fails."""
    return [check.name for check in report.failing]


def results(report: Report, *names: str) -> dict[str, str]:
    """What came of these checks, or of all."""
    return {check.name: check.result.value for check in report.checks if not names or check.name in names}


@pytest.fixture
def ward(rooms: Services, microsoft: Microsoft, clock: Clock) -> Ward:
    """The ward; nobody has agreed to anything."""
    return Ward(rooms, microsoft, clock, microsoft.cloud.account(ADELE))
