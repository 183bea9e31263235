"""What every bench stands on: Azurite, the emulated Microsoft, and people who have signed in."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from local import azurite
from local.environment import Ports, app_environment
from local.microsoft.cloud import Cloud
from local.microsoft.records import Application
from local.microsoft.server import running
from local.microsoft.smtp_server import running as submitting
from local.microsoft.switchboard import Switchboard
from local.tls import prepare
from shared import settings
from shared.organisations import RANGES
from shared.services import Services
from shared.storage import create_all
from tests.conftest import Clock, Microsoft
from tests.vault.conftest import GRANTED, TID, Staff


@dataclass
class Office:
    """The staff, and the process of its storage."""

    staff: Staff
    storage: int


@contextmanager
def office(directory: Path) -> Iterator[Office]:
    """Storage, Microsoft and a worker of the service, on the loopback."""
    tls = prepare(directory / "tls")
    os.environ.pop("CURL_CA_BUNDLE", None)
    os.environ.update(REQUESTS_CA_BUNDLE=str(tls.ca_file), SSL_CERT_FILE=str(tls.ca_file))
    clock = Clock()
    environment = app_environment(directory, Ports())
    certificate = x509.load_pem_x509_certificate(Path(environment["CLIENT_CERTIFICATE_FILE"]).read_bytes())
    application = Application(
        environment["CLIENT_ID"], (), certificates=(certificate.public_bytes(Encoding.PEM).decode(),)
    )
    cloud = Cloud([application], clock=clock)
    switchboard = Switchboard(cloud)
    process, connection = azurite.start(log=directory / "azurite.log")
    with process, running(cloud, tls, switchboard=switchboard) as url, submitting(cloud, tls, switchboard) as smtp:
        create_all(connection)
        told = {
            **environment,
            "DataStorage": connection,
            "AUTHORITY_URL": url,
            "GRAPH_URL": url,
            "SMTP_HOST": smtp.exchange,
        }
        rooms = Services(settings.read(told), clock=clock)
        cloud.grant("contoso", rooms.settings.client_id, (*GRANTED, "SMTP.Send"))
        rooms.organisations.consented(TID, name="Contoso", consented_range=RANGES["send"], proven_by="", oid="0")
        staff = Staff(rooms, Microsoft(cloud, switchboard, url, smtp), clock, told, directory / "log")
        yield Office(staff, process.pid)
