"""Every key is replaced while people scan: no scan fails, no sign-in is lost, and the old keys are gone."""

import io
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import count
from queue import Empty, SimpleQueue
from threading import Event, Semaphore
from typing import Any
from uuid import uuid4

import pytest

from functions.keys_command import run
from local.microsoft.key_vault import KEY_PATH
from shared.devices import Device
from shared.scans import Job, Manifest
from shared.services import Services
from shared.settings import Settings
from shared.storage import key
from tests.vault.conftest import TID, Staff

IDENTITY = "bbbbbbbb-0000-4000-8000-000000000002"
SLEEPERS = 2
"""People who signed in and do not scan: nothing but upkeep seals their tokens again."""
PEOPLE, SCANNERS, INSTANCES = 12, 4, 2
STEP = 3
"""Scans that end between two steps of a rotation."""
DOCUMENT = b"%PDF-1.7 the scan %%EOF"
PRINTER = Device(str(uuid4()), TID, "office", "2nd floor", "Printer 2F", "Virtual", "S1", "en", "active", {})


@pytest.fixture(params=["key file", "Key Vault"])
def wrapped_by(request: pytest.FixtureRequest) -> str:
    """What wraps data keys."""
    return str(request.param)


@pytest.fixture
def rooms(rooms: Services, wrapped_by: str, microsoft: Any, clock: Any, monkeypatch: pytest.MonkeyPatch) -> Services:
    """The rooms beside a key file, or beside Key Vault with a managed identity."""
    if wrapped_by == "key file":
        return rooms
    microsoft.cloud.key_vault.rotate()
    microsoft.cloud.key_vault.allow(IDENTITY)
    microsoft.cloud.managed_identities.assign(IDENTITY)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{microsoft.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", microsoft.cloud.managed_identities.header)
    return Services(
        replace(
            rooms.settings,
            vault_keys=(),
            key_encryption_key=microsoft.url + KEY_PATH,
            managed_identity_client_id=IDENTITY,
        ),
        clock=clock,
    )


@dataclass
class Office:
    """People who scan all the time, and the instances of the service that serve them."""

    staff: Staff
    instances: list[Services]
    scans: Counter[str] = field(default_factory=Counter)
    """How many of each person's were accepted."""
    ended: SimpleQueue[Job] = field(default_factory=SimpleQueue)
    waiting: SimpleQueue[Job] = field(default_factory=SimpleQueue)
    closed: Event = field(default_factory=Event)
    under_way: Semaphore = field(default_factory=lambda: Semaphore(SCANNERS))
    """Taken while something is done."""
    may_begin: Event = field(default_factory=Event)
    _turn: Iterator[int] = field(default_factory=count)

    def serve_with(self, *told: Settings) -> None:
        """Put new instances with these settings in the place of those that serve now."""
        self.instances = [
            Services(told[number % len(told)], clock=self.staff.clock) for number in range(INSTANCES * len(told))
        ]

    @property
    def anybody(self) -> Services:
        """Whichever instance the next request meets."""
        serving = self.instances
        return serving[next(self._turn) % len(serving)]

    def scan(self, number: int) -> None:
        """Scan, one after the other, and whatever waits is tried again; until the office is closed."""
        for turn in count():
            if self.closed.is_set():
                return
            account = self.staff.people[(number + turn * SCANNERS) % PEOPLE]
            manifest = Manifest(
                id=str(uuid4()),
                kind="to_my_email",
                user=account.oid,
                title="Lease",
                locale="en",
                name="lease.pdf",
                type="application/pdf",
                size=len(DOCUMENT),
                sha256=sha256(DOCUMENT).hexdigest(),
            )
            with self.doing():
                accepted = self.anybody.acceptance.accept(PRINTER, manifest, io.BytesIO(DOCUMENT))
            self.waiting.put(accepted)
            self.deliver()

    def deliver(self) -> None:
        """Bring whatever waits to some instance once."""
        for _ in range(self.waiting.qsize()):
            try:
                job = self.waiting.get_nowait()
            except Empty:
                return
            with self.doing():
                self.anybody.delivery.deliver(f"{job.device_id}/{job.manifest.id}")
            found = self.staff.rooms.jobs.get(job.device_id, job.manifest.id)
            assert found is not None
            (self.waiting if found.state == "waiting" else self.ended).put(found)

    @contextmanager
    def doing(self) -> Iterator[None]:
        """Something is done inside the block: hours do not pass in the midst of it."""
        self.may_begin.wait()
        with self.under_way:
            yield

    def goes_on(self, hours: float = 2) -> None:
        """Let time pass, and access tokens end; then let the scanners do so much that they meet what is wrong now."""
        self.may_begin.clear()
        for _ in range(SCANNERS):
            self.under_way.acquire()
        self.staff.clock.advance(hours=hours)
        self.under_way.release(SCANNERS)
        self.may_begin.set()
        until = self.ended.qsize() + STEP
        self.staff.until(lambda: self.ended.qsize() >= until or self.closed.is_set())

    @contextmanager
    def open(self) -> Iterator[None]:
        """Scanners work while the block runs. Afterwards what still waits is tried until nothing does."""
        self.may_begin.set()
        with ThreadPoolExecutor(SCANNERS) as pool:
            scanners = [pool.submit(self.scan, number) for number in range(SCANNERS)]
            for scanner in scanners:
                scanner.add_done_callback(lambda _: self.closed.set())
            try:
                yield
            finally:
                self.closed.set()
                self.may_begin.set()
            for scanner in scanners:
                scanner.result()
        for _ in range(20):
            self.staff.clock.advance(minutes=20)
            self.deliver()


@pytest.fixture
def office(staff: Staff, rooms: Services) -> Office:
    """A dozen people who scan, and some who do not, all signed in at one printer."""
    for account in staff.hire(PEOPLE + SLEEPERS):
        rooms.storage.table("people").insert(
            key(TID, PRINTER.group, account.oid),
            "person",
            {"tid": TID, "oid": account.oid, "account_hint": "w•••@contoso.example", "pinned": staff.clock()},
        )
    office = Office(staff, [])
    office.serve_with(rooms.settings)
    return office


def command(rooms: Services, *line: str) -> str:
    """Give a command of docs/operations.md; what it wrote."""
    out = io.StringIO()
    assert run(line, rooms, out) == 0
    return out.getvalue()


def exchange_file_key(office: Office, told: Settings) -> tuple[Settings, Callable[[], object]]:
    """Replace the key file's key; returns the settings with the new one, and how the old one goes."""
    both = replace(told, vault_keys=(secrets.token_bytes(32), *told.vault_keys))
    office.serve_with(told, both)
    command(Services(both, clock=office.staff.clock), "rewrap")
    office.goes_on()
    return both, lambda: None


def exchange_vault_key(office: Office, told: Settings) -> tuple[Settings, Callable[[], object]]:
    """Replace the key's version in Key Vault; returns the settings, and how the old version goes."""
    vault = office.staff.microsoft.cloud.key_vault
    old = vault.version().name
    vault.rotate()
    office.goes_on()
    command(Services(told, clock=office.staff.clock), "rewrap")
    return told, lambda: vault.enable(old, enabled=False)


def test_every_key_is_replaced_under_load(office: Office, wrapped_by: str) -> None:
    """R37: data key, key-encryption key and service key change as docs/operations.md says, beside a steady load.

    Instances with old and new settings serve at the same time, access tokens end after every step, and two days pass,
    after which the old keys are destroyed. Every scan is in its mailbox once, and every sign-in still works.
    """
    staff, told = office.staff, office.staff.rooms.settings
    with office.open():
        office.goes_on()
        command(staff.rooms, "rotate", "--tenant", TID, "--now")
        office.goes_on()

        exchange = exchange_file_key if wrapped_by == "key file" else exchange_vault_key
        told, old_goes = exchange(office, told)
        old_goes()
        told = replace(told, vault_keys=told.vault_keys[:1])
        office.serve_with(told)
        office.goes_on()

        both = replace(told, service_key=secrets.token_bytes(32), former_service_key=told.service_key)
        office.serve_with(told, both)
        office.goes_on()
        command(Services(both, clock=staff.clock), "rewrap")
        command(Services(both, clock=staff.clock), "rotate", "--tenant", TID)
        office.goes_on()
        office.serve_with(both)
        office.goes_on()
        told = replace(both, former_service_key=b"")
        for _ in range(3):
            # Instances come and go; none knows an old key any more. What waited is tried before so much time passes
            # that it would be given up.
            office.serve_with(told)
            office.goes_on(hours=0.2)
            office.deliver()
            office.goes_on(hours=16)
        command(Services(told, clock=staff.clock), "upkeep")
        office.goes_on()
    assert office.waiting.empty()
    ends = [office.ended.get() for _ in range(office.ended.qsize())]
    assert {(job.state, job.reason) for job in ends} == {("sent", None)}
    sent = Counter(job.oid for job in ends)
    mailboxes = staff.microsoft.cloud.mailboxes
    assert sent == Counter({account.oid: len(mailboxes.inbox(account.key)) for account in staff.people})

    after = Services(told, clock=staff.clock)
    versions = after.data_keys.versions(TID)
    assert [version.wrapped is not None for version in versions] == [False, False, True]
    assert after.grants.rows.key_ids(TID) == {versions[-1].id}
    for account in staff.people:
        assert staff.works(staff.token(account, after), account)
