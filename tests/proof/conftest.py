"""What the proofs stand on: a site, how much is to be done, and where the figures go."""

import json
import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from local.microsoft.cloud import Cloud
from local.microsoft.key_vault import KEY_PATH
from local.microsoft.keys import KeyRing
from local.microsoft.records import Application
from local.microsoft.server import running
from local.microsoft.smtp_server import running as submitting
from local.microsoft.switchboard import Switchboard
from local.tls import Tls
from shared import settings
from shared.services import Services
from shared.storage import create_all
from tests.conftest import Clock, Microsoft
from tests.proof.killing import Point, workers
from tests.proof.site import Site
from tests.proof.wire import Wire, carried, carried_to_microsoft

FIGURES = Path(__file__).resolve().parent.parent.parent / ".run" / "proof"
IDENTITY = "bbbbbbbb-0000-4000-8000-000000000002"


@dataclass
class Proof:
    """How much is to be done: all of it (``--proof``), or so much as belongs in every run of the suite."""

    full: bool
    seed: str
    chance: random.Random

    def some(self, points: list[Point], *, few: int, around: str = "") -> list[Point]:
        """All points; or in short those around a call, and a few of the others, other ones each time."""
        if self.full:
            return points
        near = [point for point in points if around and around in point.call]
        others = [point for point in points if point not in near]
        return near + self.chance.sample(others, min(few, len(others)))

    def note(self, part: str, **figures: Any) -> None:
        """Write figures down for the report. Those of the short form are no proof, and are not kept."""
        print(f"{part}: {figures} (seed {self.seed})")  # noqa: T201  (pytest shows it where a test fails)
        if self.full:
            FIGURES.mkdir(parents=True, exist_ok=True)
            (FIGURES / f"{part}.json").write_text(json.dumps(figures, indent=1), "utf-8")


@pytest.fixture(scope="session")
def proof(request: pytest.FixtureRequest) -> Proof:
    """How much is to be done."""
    seed = request.config.getoption("--seed")
    return Proof(request.config.getoption("--proof"), seed, random.Random(seed))


@contextmanager
def opened(
    connection: str, tls: Tls, keys: KeyRing, machine: dict[str, str], public_url: str, seed: str
) -> Iterator[Site]:
    """A site on an empty storage account, beside an emulated Microsoft with Key Vault and managed identity."""
    create_all(connection)
    clock, wire = Clock(), Wire()
    wire.calm()
    certificate = x509.load_pem_x509_certificate(Path(machine["CLIENT_CERTIFICATE_FILE"]).read_bytes())
    application = Application(
        client_id=machine["CLIENT_ID"],
        redirect_uris=(f"{public_url}/auth/callback", f"{public_url}/consent/callback"),
        certificates=(certificate.public_bytes(Encoding.PEM).decode(),),
    )
    cloud = Cloud([application], clock=clock, keys=keys)
    cloud.key_vault.rotate()
    cloud.key_vault.allow(IDENTITY)
    cloud.managed_identities.assign(IDENTITY)
    switchboard = Switchboard(cloud)
    with ExitStack() as closing:
        url = closing.enter_context(running(cloud, tls, switchboard=switchboard))
        smtp = closing.enter_context(submitting(cloud, tls, switchboard))
        # An issuer is the address that it was asked at, so the process that lives asks over the wire, too.
        origin = closing.enter_context(carried_to_microsoft(url, tls, wire))
        _, bent = closing.enter_context(carried(connection, wire))
        told = {name: value for name, value in machine.items() if name != "VAULT_KEY_FILE"} | {
            "DataStorage": connection,
            "PUBLIC_URL": public_url,
            "AUTHORITY_URL": origin,
            "GRAPH_URL": origin,
            "SMTP_HOST": smtp.exchange,
            "OUTLOOK_SMTP_HOST": smtp.outlook,
            "KEY_ENCRYPTION_KEY": origin + KEY_PATH,
            "MANAGED_IDENTITY_CLIENT_ID": IDENTITY,
            "IDENTITY_ENDPOINT": f"{origin}/msi/token",
            "IDENTITY_HEADER": cloud.managed_identities.header,
            "REQUESTS_CA_BUNDLE": str(tls.ca_file),
            "SSL_CERT_FILE": str(tls.ca_file),
        }
        with pytest.MonkeyPatch.context() as patch:
            for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
                patch.setenv(name, told[name])
            rooms = Services(settings.read(told), clock=clock)
            forks = closing.enter_context(workers())
            microsoft = Microsoft(cloud, switchboard, url, smtp)
            yield Site(rooms, microsoft, wire, forks, {**told, "DataStorage": bent}, seed)


@pytest.fixture(scope="session")
def site(
    azurite_accounts: Iterator[str],
    tls: Tls,
    signing_keys: KeyRing,
    machine_environment: dict[str, str],
    proof: Proof,
) -> Iterator[Site]:
    """One site for all: what a test needs of it, it makes so."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        public_url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with opened(next(azurite_accounts), tls, signing_keys, machine_environment, public_url, proof.seed) as made:
        yield made
