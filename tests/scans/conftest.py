"""An office: the rooms on Azurite beside the emulated Microsoft, with Adele signed in and a printer enrolled."""

import hashlib
import inspect
import io
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msal
import pytest
import requests
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient, TextBase64DecodePolicy
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from local.microsoft.cloud import Cloud
from local.microsoft.keys import KeyRing
from local.microsoft.records import Application
from local.microsoft.server import running
from local.microsoft.smtp_server import running as submitting
from local.microsoft.switchboard import Switchboard
from local.tls import Tls
from shared import settings
from shared.devices import Device
from shared.mail import Transports
from shared.organisations import Policy
from shared.organisations.ranges import RANGES
from shared.scans import Claims, Delivery, Heartbeats, Job, Manifest, Outcomes
from shared.services import Services
from shared.storage import key

CONTOSO = "11111111-1111-4111-8111-111111111111"
GRANTED = ("openid", "profile", "offline_access", "Mail.Send", "User.Read", "Mail.ReadWrite", "SMTP.Send")
DOCUMENT = b"%PDF-1.7 the scan %%EOF"


@dataclass
class Clock:
    """Time that stands still until a test moves it. It begins at the real time: MSAL looks at no other."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        """Answer the time."""
        return self.now

    def advance(self, **amount: float) -> None:
        """Let time pass."""
        self.now += timedelta(**amount)


class Pausing:
    """A way out: the real one, after something else has happened; before it sends, or between answer and record."""

    def __init__(self, transports: Transports, *, before: Any = None, after: Any = None) -> None:
        self._transports, self._before, self._after = transports, before, after

    def choose(self, *given: Any) -> "Pausing":
        """Be chosen."""
        self._transport = self._transports.choose(*given)
        return self

    def __getattr__(self, name: str) -> Any:
        """As the real one."""
        return getattr(self._transport, name)

    def send(self, *given: Any) -> None:
        """Pause around it."""
        if self._before:
            self._before()
        self._transport.send(*given)
        if self._after:
            self._after()


@dataclass
class Office:
    """What a test of scans needs. ``jitter`` is what the delivery's random number is."""

    rooms: Services
    cloud: Cloud
    switchboard: Switchboard
    clock: Clock
    device: Device
    other: Device
    told: Mapping[str, str]
    jitter: list[int]

    def manifest(self, document: bytes = DOCUMENT, **changes: Any) -> Manifest:
        """A manifest that fits ``document``."""
        made = Manifest(
            id=str(uuid.uuid4()),
            kind="to_my_email",
            user="adele",
            title="Lease",
            locale="en",
            name="lease.pdf",
            type="application/pdf",
            size=len(document),
            sha256=hashlib.sha256(document).hexdigest(),
        )
        return replace(made, **changes)

    def accept(self, manifest: Manifest | None = None, document: bytes = DOCUMENT) -> Job:
        """Hand a scan over."""
        return self.rooms.acceptance.accept(self.device, manifest or self.manifest(document), io.BytesIO(document))

    def deliver(self, job: Job, delivery: Delivery | None = None) -> Job:
        """Bring the job's message to the delivery once; return the job as it stands then."""
        (delivery or self.rooms.delivery).deliver(f"{job.device_id}/{job.manifest.id}")
        return self.job(job)

    def job(self, job: Job) -> Job:
        """The job as it stands."""
        found = self.rooms.jobs.get(job.device_id, job.manifest.id)
        assert found is not None
        return found

    def with_(self, **rooms: Any) -> Delivery:
        """A delivery with some of its rooms exchanged."""
        claims = rooms.get("claims") or Claims(rooms.get("jobs", self.rooms.jobs), self.rooms.organisations, self.clock)
        given = {
            "jobs": self.rooms.jobs,
            "documents": self.rooms.storage.blobs("documents"),
            "deliveries": self.rooms.storage.queue("deliveries"),
            "grants": self.rooms.grants,
            "organisations": self.rooms.organisations,
            "mailboxes": self.rooms.mailboxes,
            "transports": self.rooms.transports,
            "slots": self.rooms.slots,
            "claims": claims,
            "heartbeats": Heartbeats(claims),
            "holds": self.rooms.holds,
            "notices": self.rooms.failure_notices,
            "outgoings": self.rooms.outgoings,
            "clock": self.clock,
            "below": self.below,
            **rooms,
        }

        def needed(room: type) -> dict[str, Any]:
            return {name: given[name] for name in inspect.signature(room).parameters}

        given["outcomes"] = Outcomes(**needed(Outcomes))
        return Delivery(**needed(Delivery))

    def decide(self, **policy: Any) -> None:
        """Let the organisation decide something."""
        self.rooms.organisations.set_policy(CONTOSO, Policy(**policy))

    def below(self, limit: int) -> int:
        """The random number."""
        return min(self.jitter[0], limit - 1)

    def mails(self, account: str = "contoso/adele") -> list[Any]:
        """What lies in somebody's mailbox."""
        return self.cloud.mailboxes.inbox(account)

    def documents(self) -> list[str]:
        """The names of all stored documents."""
        with ContainerClient.from_connection_string(self.told["DataStorage"], "documents") as container:
            return [blob.name for blob in container.list_blobs()]

    def messages(self, *, take: bool = True) -> list[str]:
        """The messages that are visible now; taken, unless only looked at."""
        with QueueClient.from_connection_string(
            self.told["DataStorage"], "deliveries", message_decode_policy=TextBase64DecodePolicy()
        ) as queue:
            found = []
            for message in queue.receive_messages(visibility_timeout=600) if take else queue.peek_messages(32):
                found.append(str(message.content))
                if take:
                    queue.delete_message(message)
            return found

    def due(self) -> list[str]:
        """The list of what is due, as it lies in storage."""
        return self.listed("due")

    def listed(self, kind: str) -> list[str]:
        """Row keys of one of the lists of scans: due, kept, trace, slot, mark."""
        rows = self.rooms.storage.table("jobs").query("lists", after=key(kind, ""), before=key(kind, "~"))
        return [row.row for row in rows]

    def recover(self, minutes: int = 40) -> None:
        """Let time pass, with the sweep every two minutes and a queue that forgets everything else (R04, R06)."""
        for _ in range(minutes // 2):
            self.messages()
            self.rooms.sweep.run()
            for message in self.messages():
                self.rooms.delivery.deliver(message)
            if not self.due():
                return
            self.clock.advance(minutes=2)


@pytest.fixture
def office(connection: str, tls: Tls, signing_keys: KeyRing, machine_environment: dict[str, str]) -> Iterator[Office]:
    """The office."""
    clock, jitter = Clock(), [0]
    certificate = x509.load_pem_x509_certificate(Path(machine_environment["CLIENT_CERTIFICATE_FILE"]).read_bytes())
    application = Application(
        client_id=machine_environment["CLIENT_ID"],
        redirect_uris=("http://127.0.0.1:7071/auth/callback",),
        certificates=(certificate.public_bytes(Encoding.PEM).decode(),),
    )
    cloud = Cloud([application], clock=clock, keys=signing_keys)
    switchboard = Switchboard(cloud)
    with running(cloud, tls, switchboard=switchboard) as url, submitting(cloud, tls, switchboard) as smtp:
        told = {
            **machine_environment,
            "DataStorage": connection,
            "AUTHORITY_URL": url,
            "GRAPH_URL": url,
            "SMTP_HOST": smtp.exchange,
        }
        rooms = Services(settings.read(told), clock=clock, below=lambda limit: min(jitter[0], limit - 1))
        cloud.grant("contoso", application.client_id, GRANTED)
        consent(rooms, "send")
        pin(rooms, cloud, "adele")
        made = [
            Device(str(uuid.uuid4()), CONTOSO, "office", "2nd floor", name, "Virtual", "S1", "en", "active", {})
            for name in ("Printer 2F", "Printer 3F")
        ]
        yield Office(rooms, cloud, switchboard, clock, made[0], made[1], told, jitter)


def consent(rooms: Services, permission_range: str) -> None:
    """Let the administrator have chosen a range."""
    chosen = RANGES[permission_range]
    rooms.organisations.consented(CONTOSO, name="Contoso", consented_range=chosen, proven_by="admin", oid="0")


def pin(rooms: Services, cloud: Cloud, user: str) -> None:
    """Let a printer's user have signed in, with tokens as Entra gives them."""
    account = cloud.account(f"contoso/{user}")
    cache = msal.SerializableTokenCache()
    token = cloud.refresh_tokens.issue(account, rooms.settings.client_id).value
    answer = rooms.entra._app(CONTOSO, cache).acquire_token_by_refresh_token(token, list(RANGES["send"].scopes))
    assert "access_token" in answer, answer
    rooms.grants.store(CONTOSO, account.oid, cache.serialize())
    rooms.storage.table("people").insert(
        key(CONTOSO, "office", user),
        "person",
        {"tid": CONTOSO, "oid": account.oid, "account_hint": "a•••@contoso.example", "pinned": rooms.clock()},
    )


def signed_out(office: Office, user: str) -> None:
    """Let a printer's user be as if he had never signed in."""
    account = office.cloud.account(f"contoso/{user}")
    office.rooms.storage.table("people").delete(key(CONTOSO, "office", user), "person")
    office.rooms.storage.table("grants").delete(key(CONTOSO), key(account.oid))


def upload(office: Office, job: Job, document: bytes, **headers: str) -> requests.Response:
    """Send a document to the address that an announced scan gets, as a printer does."""
    address = office.rooms.uploads.address(job, blocks=False)
    assert address is not None
    return requests.put(address.url, data=document, headers={**address.headers, **headers}, timeout=10)
