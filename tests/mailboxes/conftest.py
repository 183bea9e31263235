"""A printer, the emulated Microsoft, and somebody who signs its mailbox in; no door."""

import hashlib
import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from local.page import Page
from local.person import Person
from shared.devices import Device
from shared.mailboxes import Owner, SignIn
from shared.mailboxes.sign_in import Begun
from shared.organisations import RANGES
from shared.organisations.policy import Policy
from shared.scans import Job, Manifest
from shared.services import Services
from tests.conftest import CONTOSO, Clock, Microsoft

DOCUMENT = b"%PDF-1.7 from the printer %%EOF"


@dataclass
class Desk:
    """What a test of a printer's mailbox needs."""

    rooms: Services
    microsoft: Microsoft
    clock: Clock
    person: Person
    trust: Path
    device: Device
    sibling: Device

    def owner(self, device: Device | None = None, *, group: bool = False) -> Owner:
        """The owner that a device is, or its group."""
        device = device or self.device
        return Owner(device.tid, device.group, "" if group else device.id)

    def start(self, service: str = "exchange_online", use: str = "email", *, group: bool = False) -> Begun:
        """Begin a sign-in at the printer (or for its group)."""
        return self.rooms.mailbox_sign_ins.start(self.owner(group=group), use, service, begun_by=self.device.id)

    def enter(self, begun: Begun, account: str = "contoso/ben") -> Page:
        """Type the code at Microsoft, and sign in."""
        with Person(self.trust) as person:
            return person.walk(f"{begun.verification_uri}?user_code={begun.user_code}", account)

    def look(self, begun: Begun, *, later: float = 6) -> SignIn:
        """Look how far it is, a little later."""
        self.clock.advance(seconds=later)
        return self.rooms.mailbox_sign_ins.look(begun.id, begun_by=self.device.id)

    def sign_in(
        self, account: str = "contoso/ben", service: str = "exchange_online", use: str = "email", *, group: bool = False
    ) -> SignIn:
        """A whole sign-in, without the OK at the printer."""
        begun = self.start(service, use, group=group)
        self.enter(begun, account)
        return self.look(begun)

    def ready(self, account: str = "contoso/ben", service: str = "exchange_online", use: str = "email") -> SignIn:
        """A whole sign-in, with the OK at the printer."""
        found = self.sign_in(account, service, use)
        self.rooms.mailbox_accounts.acknowledge(self.device, use, found.id)
        return found

    def status(self, device: Device | None = None, use: str = "email") -> Any:
        """The status as the printer sees it."""
        return self.rooms.mailbox_statuses.of(device or self.device, use)

    def policy(self, **changes: Any) -> None:
        """Let the organisation decide something."""
        found = self.rooms.organisations.get(CONTOSO)
        if found.consent == "none":
            told = {"name": "Contoso", "consented_range": RANGES["send"], "proven_by": "a", "oid": "0"}
            self.rooms.organisations.consented(CONTOSO, **told)
        self.rooms.organisations.set_policy(CONTOSO, replace(Policy(), **changes))

    def manifest(self, document: bytes = DOCUMENT, **changes: Any) -> Manifest:
        """A mail of the printer's to somebody of the organisation."""
        made = Manifest(
            id=str(uuid.uuid4()),
            kind="email",
            user="",
            title="Contract",
            locale="en",
            name="contract.pdf",
            type="application/pdf",
            size=len(document),
            sha256=hashlib.sha256(document).hexdigest(),
            to=("olga@contoso.example",),
        )
        return replace(made, **changes)

    def scan(self, document: bytes = DOCUMENT, **changes: Any) -> Job:
        """Hand over a job and deliver it once; return it as it stands then."""
        job = self.rooms.acceptance.accept(self.device, self.manifest(document, **changes), io.BytesIO(document))
        self.rooms.delivery.deliver(f"{job.device_id}/{job.manifest.id}")
        found = self.rooms.jobs.get(job.device_id, job.manifest.id)
        assert found is not None
        return found

    def inbox(self, account: str) -> list[Any]:
        """What came into somebody's mailbox."""
        return self.microsoft.cloud.mailboxes.inbox(account)


@pytest.fixture
def desk(rooms: Services, microsoft: Microsoft, clock: Clock, tls: Any) -> Iterator[Desk]:
    """The desk."""
    made = [
        Device(
            str(uuid.uuid4()),
            CONTOSO,
            "office",
            "2nd floor",
            name,
            "Virtual",
            "S1",
            "en",
            "active",
            {},
            enrolled_at=clock(),
        )
        for name in ("Printer 2F", "Printer 3F")
    ]
    for device in made:
        rooms.devices.insert(device)
    with Person(tls.ca_file) as person:
        yield Desk(rooms, microsoft, clock, person, tls.ca_file, *made)
