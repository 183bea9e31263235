"""What every test may ask for: storage (Azurite), the emulated Microsoft, the rooms, and the whole world over HTTP."""

import gc
import os
import secrets
import socket
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from local import app as local_app
from local import azurite
from local.environment import Ports, app_environment
from local.microsoft.cloud import Cloud
from local.microsoft.keys import KeyRing
from local.microsoft.records import Application
from local.microsoft.server import running as microsoft_running
from local.microsoft.smtp_server import Submitting
from local.microsoft.smtp_server import running as submitting
from local.microsoft.switchboard import Switchboard
from local.page import Page
from local.person import Person
from local.printer.sheet import make_sheet
from local.tls import Tls, prepare
from shared import settings
from shared.services import Services
from shared.storage import Storage, create_all
from tests.documented import Documented
from tests.manifests import make_manifest
from to_my_email import Api

CONTOSO = "11111111-1111-4111-8111-111111111111"
ACCOUNTS = 1000


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--proof``: what the suite does in short is done in full (``make proof``)."""
    parser.addoption("--proof", action="store_true", help="do in full what the suite does in short (make proof)")
    parser.addoption("--seed", default=secrets.token_hex(4), help="of what the proofs do by chance")


def pytest_collection_finish() -> None:
    """Let the collector of garbage leave the 7,000 tests alone, and come seldom: it was a tenth of all work."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


@dataclass
class Clock:
    """The real time, moved by what a test adds. Polling intervals and leases need it to run."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        """Answer the time."""
        return datetime.now(UTC) + self.ahead

    def advance(self, **amount: float) -> None:
        """Let time pass."""
        self.ahead += timedelta(**amount)


@pytest.fixture(scope="session")
def azurite_accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[str]]:
    """One Azurite for the session, and from it an endless row of empty storage accounts."""
    names = [f"test{number:04d}" for number in range(ACCOUNTS)]
    before = os.environ.get("AZURITE_ACCOUNTS")
    os.environ["AZURITE_ACCOUNTS"] = ";".join(f"{name}:{azurite.ACCOUNT_KEY}" for name in names)
    try:
        process, connection = azurite.start(log=tmp_path_factory.mktemp("azurite") / "azurite.log")
    finally:
        if before is None:
            del os.environ["AZURITE_ACCOUNTS"]
        else:
            os.environ["AZURITE_ACCOUNTS"] = before
    with process:
        yield (connection.replace(azurite.ACCOUNT, name) for name in names)


@pytest.fixture
def connection(azurite_accounts: Iterator[str]) -> str:
    """The connection string of a storage account of this test's own, with every table, queue and container."""
    connection = next(azurite_accounts)
    create_all(connection)
    return connection


@pytest.fixture
def storage(connection: str) -> Storage:
    """The storage room on an account of this test's own."""
    return Storage(connection, new_id=lambda: secrets.token_hex(8))


@pytest.fixture
def clock() -> Clock:
    """The time."""
    return Clock()


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    """The certificate authority of this machine; the whole session trusts it."""
    made = prepare(tmp_path_factory.mktemp("tls"))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CURL_CA_BUNDLE", raising=False)
        patch.setenv("REQUESTS_CA_BUNDLE", str(made.ca_file))
        patch.setenv("SSL_CERT_FILE", str(made.ca_file))
        yield made


@pytest.fixture(scope="session")
def signing_keys() -> KeyRing:
    """The emulated Microsoft's signing keys: making them anew for every test would take most of its time."""
    return KeyRing()


@pytest.fixture(scope="session")
def machine_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The app's environment on one machine: its certificate, service key and vault key."""
    return app_environment(tmp_path_factory.mktemp("machine"), Ports())


@dataclass
class World:
    """The whole service and its surroundings. Messages in the queue are delivered when the test says so."""

    rooms: Services
    clock: Clock
    url: str
    microsoft_url: str
    cloud: Cloud
    switchboard: Switchboard
    tls: Tls
    directory: Path
    closing: ExitStack
    numbers: Iterator[int] = field(default_factory=count)

    def person(self, language: str = "en") -> Person:
        """Somebody with a fresh browser."""
        return self.closing.enter_context(Person(self.tls.ca_file, language))

    def consent(self, account: str = "contoso/admin") -> Page:
        """An administrator consents in his browser; returns the last page."""
        return self.person().walk(f"{self.url}/consent", account)

    def printer(self, tenant: str = CONTOSO, group: str = "office", name: str = "Printer 2F") -> Api:
        """An enrolled printer, of which a test makes one call at a time."""
        ticket = self.rooms.tickets.issue(tenant, group, "2nd floor")
        device = Api(self.url, self.directory / f"printer{next(self.numbers)}", sleep=lambda _: None)
        self.closing.callback(device.close)
        device.enrol(ticket, model="Virtual", serial=f"S{next(self.numbers)}", name=name)
        return device

    def sign_in(
        self,
        device: Api,
        user: str = "adele",
        email: str = "adele.vance@contoso.example",
        account: str | None = None,
    ) -> Page:
        """A first login from panel to panel; returns the last page the person saw."""
        begun = device.sign_ins.start({"user": {"id": user, "email": email, "name": user.title()}})
        page = self.person().walk(begun.verification_uri_complete, account or f"contoso/{user}")
        if device.sign_ins.look(begun.id).status == "confirm":
            device.sign_ins.confirm(begun.id)
        return page

    def manifest(self, document: bytes, user: str = "adele", **changes: Any) -> dict[str, Any]:
        """A manifest that fits ``document``."""
        made = make_manifest(document, name="scan.pdf", media_type="application/pdf", user_id=user)
        return {**made, **changes}

    def deliver(self) -> int:
        """Bring every visible queue message to the queue door; returns how many."""
        return local_app.QueueDoor(self.rooms.settings.data_storage, self.rooms).drain()

    def mailbox(self, address: str = "adele.vance@contoso.example") -> list[dict[str, Any]]:
        """The messages in a mailbox of the emulated Microsoft."""
        answer = requests.get(f"{self.microsoft_url}/-/mailboxes/{address}", timeout=10)
        messages: list[dict[str, Any]] = answer.json()["messages"]
        return messages

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Every row of a table, as it lies in storage."""
        from azure.data.tables import TableClient

        with TableClient.from_connection_string(self.rooms.settings.data_storage, table) as client:
            return [dict(entity) for entity in client.list_entities()]

    @staticmethod
    def pdf() -> bytes:
        """A real PDF that no other test has."""
        return make_sheet(uuid.uuid4().hex[:8], datetime.now(UTC))


@dataclass
class Microsoft:
    """The emulated Microsoft of one test: its state, its faults and journal, its origin, its mail servers."""

    cloud: Cloud
    switchboard: Switchboard
    url: str
    smtp: Submitting


@pytest.fixture
def public_url() -> str:
    """The origin of the service in this test, on a port that is free.

    Taken from below those that the system hands out by itself: one of these could be somebody's before we serve.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return f"http://127.0.0.1:{port}"


@pytest.fixture
def microsoft(
    clock: Clock, tls: Tls, signing_keys: KeyRing, machine_environment: dict[str, str], public_url: str
) -> Iterator[Microsoft]:
    """The emulated Microsoft over TLS, with the app registered."""
    certificate = x509.load_pem_x509_certificate(Path(machine_environment["CLIENT_CERTIFICATE_FILE"]).read_bytes())
    application = Application(
        client_id=machine_environment["CLIENT_ID"],
        redirect_uris=tuple(
            f"{public_url}{path}" for path in ("/auth/callback", "/consent/callback", "/auth/signed-out")
        ),
        certificates=(certificate.public_bytes(Encoding.PEM).decode(),),
    )
    mailboxes = Application(
        client_id=machine_environment["MAILBOX_CLIENT_ID"],
        redirect_uris=(f"{public_url}/auth/mailbox",),
        name="To My Email Mailbox",
        audience="AzureADandPersonalMicrosoftAccount",
        public=True,
    )
    cloud = Cloud([application, mailboxes], clock=clock, keys=signing_keys)
    switchboard = Switchboard(cloud)
    with microsoft_running(cloud, tls, switchboard=switchboard) as url, submitting(cloud, tls, switchboard) as smtp:
        yield Microsoft(cloud, switchboard, url, smtp)


@pytest.fixture
def rooms(
    connection: str, clock: Clock, microsoft: Microsoft, machine_environment: dict[str, str], public_url: str
) -> Services:
    """The rooms beside the emulated Microsoft, on storage of their own, without any door."""
    told = {
        **machine_environment,
        "DataStorage": connection,
        "PUBLIC_URL": public_url,
        "AUTHORITY_URL": microsoft.url,
        "GRAPH_URL": microsoft.url,
        "SMTP_HOST": microsoft.smtp.exchange,
        "OUTLOOK_SMTP_HOST": microsoft.smtp.outlook,
    }
    return Services(settings.read(told), clock=clock)


@pytest.fixture
def world(rooms: Services, clock: Clock, microsoft: Microsoft, tls: Tls, tmp_path: Path) -> Iterator[World]:
    """The whole service over HTTP beside the emulated Microsoft over TLS, on storage of its own.

    Whatever the device API answers in any test must be in its OpenAPI document.
    """
    url, documented = rooms.settings.public_url, Documented()
    with ExitStack() as closing:
        port = int(url.rpartition(":")[2])
        closing.enter_context(local_app.running(rooms, port=port, queue=False, around=documented.watch))
        yield World(rooms, clock, url, microsoft.url, microsoft.cloud, microsoft.switchboard, tls, tmp_path, closing)
    assert documented.missing == set(), "not in the OpenAPI document"
