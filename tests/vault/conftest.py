"""People with sign-ins in the vault, many at once, and the workers that need their tokens."""

import json
import logging
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Any

import pytest
import requests

from local.microsoft.directory import Account
from local.microsoft.records import RefreshToken
from local.tls import Tls
from shared.identity.token_cache import TokenCache
from shared.organisations import RANGES
from shared.services import Services
from shared.storage import Value
from shared.vault import Grant, Grants, Renewals
from tests.identity.test_authorizations import rows
from tests.leaks import assert_nothing_leaked, log_of, logged
from tests.scans.test_dying import Life, MortalTable

TID = "11111111-1111-4111-8111-111111111111"
SCOPES = RANGES["send"].scopes
GRANTED = ("openid", "profile", "offline_access", "Mail.Send", "User.Read")
PATIENCE = 30.0
HOUSE = Path(__file__).resolve().parent.parent.parent


@dataclass
class Worker:
    """A worker in a process of its own (see :mod:`tests.vault.worker`)."""

    process: subprocess.Popen[str]
    asks: IO[str]
    answers: IO[str]

    def need(self, account: Account) -> None:
        """Let it need a person's token."""
        self.asks.write(f"{account.oid}\n")
        self.asks.flush()

    def got(self) -> dict[str, str]:
        """What it got: ``token``, or the reason of a ``fault``."""
        answer: dict[str, str] = json.loads(self.answers.readline())
        return answer


@dataclass
class Staff:
    """People of Contoso and what they do. ``rooms`` is one worker of the service; others are like it."""

    rooms: Services
    microsoft: Any
    clock: Any
    told: dict[str, str]
    log: Path
    people: list[Account] = field(default_factory=list)

    def hire(self, count: int, **policy: Any) -> list[Account]:
        """Let people be in the directory and signed in; ``policy`` is as in :meth:`sign_in`."""
        hired = []
        for number in range(len(self.people), len(self.people) + count):
            name = f"worker{number:04d}"
            account = Account(
                f"contoso/{name}",
                TID,
                f"aaaaaaaa-0000-4000-8000-{number:012d}",
                f"Name Of {name.title()}",
                f"{name}@contoso.example",
                f"{name}@contoso.example",
                "of this test",
            )
            with self.microsoft.cloud.lock:
                self.microsoft.cloud.state.accounts[account.key] = account
            self.sign_in(account, **policy)
            hired.append(account)
        self.people += hired
        self.microsoft.switchboard.forget()
        return hired

    def sign_in(self, account: Account, **policy: Any) -> None:
        """Sign in anew: tokens as Entra gives them, kept in the vault (``locale``, ``days``)."""
        self.rooms.grants.store(TID, account.oid, self.tokens_for(account), **policy)

    def tokens_for(self, account: Account) -> str:
        """MSAL's cache after a sign-in."""
        cache = TokenCache(self.clock)
        first = self.microsoft.cloud.refresh_tokens.issue(account, self.rooms.settings.client_id).value
        answer = self.rooms.entra._app(TID, cache).acquire_token_by_refresh_token(first, list(SCOPES))
        assert "access_token" in answer, answer
        return str(cache.serialize())

    def worker(self, clock: Callable[[], Any] | None = None) -> Services:
        """Another instance of the service: clients, MSAL and memory of its own."""
        return Services(self.rooms.settings, clock=clock or self.clock)

    @contextmanager
    def process(self) -> Iterator[Worker]:
        """Another instance of the service in another process, ready to work; at the end it is no more."""
        with (
            self.log.open("a") as errors,
            subprocess.Popen(
                [sys.executable, "-m", "tests.vault.worker"],
                cwd=HOUSE,
                env={**os.environ, **self.told},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            assert process.stdin
            assert process.stdout
            worker = Worker(process, process.stdin, process.stdout)
            try:
                worker.asks.write(f"{self.clock.ahead.total_seconds()}\n")
                worker.asks.flush()
                assert worker.answers.readline() == "ready\n"
                yield worker
            finally:
                process.kill()

    def token(self, account: Account, rooms: Services | None = None, **more: Any) -> str:
        """Get an access token as a delivery does."""
        return (rooms or self.rooms).grants.access_token(TID, account.oid, SCOPES, **more)

    scopes = SCOPES

    def revoke(self, account: Account) -> int:
        """Let an administrator revoke his sessions."""
        return int(self.microsoft.cloud.revoke_refresh_tokens(account.key))

    def grant(self, account: Account) -> Grant:
        """What the vault knows of his sign-in."""
        grant = self.rooms.grants.get(TID, account.oid)
        assert grant is not None
        return grant

    def row(self, account: Account) -> dict[str, Any]:
        """His row as it lies in storage, without what every write changes."""
        [row] = [row for row in rows(self.rooms, "grants") if row["RowKey"] == account.oid]
        return {name: value for name, value in row.items() if name != "op"}

    def cache(self, account: Account) -> str:
        """What the vault holds for him, opened."""
        row = self.rooms.storage.table("grants").get(TID, account.oid)
        assert row is not None
        return self.rooms.grants.rows.open(TID, account.oid, row)

    def held(self, account: Account) -> RefreshToken:
        """The refresh token that the vault holds for him, as Entra knows it."""
        [entry] = json.loads(self.cache(account))["RefreshToken"].values()
        found: RefreshToken = self.microsoft.cloud.state.refresh_tokens[entry["secret"]]
        return found

    def works(self, token: str, account: Account) -> bool:
        """Whether Graph takes a token, and for this person."""
        answer = requests.get(f"{self.microsoft.url}/v1.0/me", headers={"Authorization": f"Bearer {token}"}, timeout=20)
        return answer.status_code == 200 and answer.json()["id"] == account.oid

    def asked(self, account: Account | None = None) -> int:
        """How often the token endpoint was asked, for him or at all."""
        return int(self.microsoft.switchboard.count("token", account.key if account else None))

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds."""
        deadline = monotonic() + PATIENCE
        while not condition():
            assert monotonic() < deadline, "it never came"
            sleep(0.01)

    def let_tokens_expire(self) -> None:
        """Let the access tokens of everybody end; Entra gives them 60 to 90 minutes."""
        self.clock.advance(hours=2)

    def assert_sound(self) -> None:
        """Every living grant has the entry among the renewals that its row names; an ended one holds nothing."""
        places = {f"{entry['PartitionKey']}/{entry['RowKey']}" for entry in rows(self.rooms, "renewals")}
        for row in rows(self.rooms, "grants"):
            if "ended" in row:
                assert {"sealed", "due"}.isdisjoint(row)
            else:
                assert row["due"] in places


@pytest.fixture
def staff(
    rooms: Services,
    microsoft: Any,
    clock: Any,
    machine_environment: dict[str, str],
    tls: Tls,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Staff]:
    """Contoso, which has consented; nobody has signed in. At the end nothing secret stands in any log, queue or row."""
    caplog.set_level(logging.DEBUG)
    microsoft.cloud.grant("contoso", rooms.settings.client_id, GRANTED)
    rooms.organisations.consented(TID, name="Contoso", consented_range=RANGES["send"], proven_by="admin", oid="0")
    told = {
        **machine_environment,
        "DataStorage": rooms.settings.data_storage,
        "PUBLIC_URL": rooms.settings.public_url,
        "AUTHORITY_URL": microsoft.url,
        "GRAPH_URL": microsoft.url,
        "REQUESTS_CA_BUNDLE": str(tls.ca_file),
        "SSL_CERT_FILE": str(tls.ca_file),
    }
    made = Staff(rooms, microsoft, clock, told, tmp_path / "workers.log")
    yield made
    made.assert_sound()
    told_by_workers = log_of(made.log) if made.log.exists() else ""
    assert_nothing_leaked(logged(caplog) + told_by_workers, microsoft.cloud, rooms)


class Mortal(MortalTable):
    """A table whose process dies, at a put as well."""

    def put(self, partition: str, row: str, values: Mapping[str, Value | None]) -> None:
        """As a table's."""
        self._life.spend()
        super().put(partition, row, values)


def mortal_grants(staff: Staff, life: Life) -> Grants:
    """The grants of a process that lives so long."""
    storage, rooms = staff.rooms.storage, staff.rooms
    renewals = Renewals(Mortal(storage.table("renewals"), life), staff.clock, lambda: f"{random.random()}")
    return Grants(
        Mortal(storage.table("grants"), life),
        renewals,
        rooms.sealer,
        rooms.entra,
        staff.clock,
        new_id=lambda: f"{random.random()}",
        sleep=lambda _: None,
        below=lambda _: 0,
    )
