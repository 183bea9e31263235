"""As in Azure: no key of the account, no certificate, no key file. One managed identity opens every store."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from local import app as local_app
from local import azurite
from local.microsoft.key_vault import KEY_PATH
from local.microsoft.managed_identity import HOME
from local.microsoft.records import FederatedCredential
from local.tls import Tls
from shared import settings
from shared.services import Services
from shared.storage import create_all

IDENTITY = "bbbbbbbb-0000-4000-8000-000000000002"
PRINCIPAL = "bbbbbbbb-0000-4000-8000-00000000000f"


@pytest.fixture
def account(tls: Tls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An Azurite that serves https and takes tokens; its connection string is for the infrastructure alone."""
    log = tmp_path_factory.mktemp("azurite") / "azurite.log"
    process, connection = azurite.start(log=log, tls=(tls.certificate_file, tls.key_file))
    with process:
        create_all(connection)
        yield connection


@pytest.fixture
def rooms(
    account: str,
    clock: Any,
    microsoft: Any,
    machine_environment: dict[str, str],
    public_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Services:
    """The rooms with the settings that the templates give, in a process that has the identity."""
    microsoft.cloud.key_vault.rotate()
    microsoft.cloud.key_vault.allow(IDENTITY)
    microsoft.cloud.managed_identities.assign(IDENTITY, PRINCIPAL)
    trusted = FederatedCredential(f"{microsoft.url}/{HOME}/v2.0", PRINCIPAL, "api://AzureADTokenExchange")
    known = microsoft.cloud.application(machine_environment["CLIENT_ID"])
    microsoft.cloud.register(replace(known, certificates=(), client_secrets=(), federated=(trusted,)))
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{microsoft.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", microsoft.cloud.managed_identities.header)
    said = dict(part.split("=", 1) for part in account.split(";") if part)
    keys = {"DataStorage", "CLIENT_CERTIFICATE_FILE", "VAULT_KEY_FILE"}
    told = {name: value for name, value in machine_environment.items() if name not in keys} | {
        "DataStorage__blobServiceUri": said["BlobEndpoint"].rstrip("/"),
        "DataStorage__queueServiceUri": said["QueueEndpoint"].rstrip("/"),
        "DataStorage__tableServiceUri": said["TableEndpoint"].rstrip("/"),
        "DataStorage__credential": "managedidentity",
        "DataStorage__clientId": IDENTITY,
        "MANAGED_IDENTITY_CLIENT_ID": IDENTITY,
        "KEY_ENCRYPTION_KEY": microsoft.url + KEY_PATH,
        "PUBLIC_URL": public_url,
        "AUTHORITY_URL": microsoft.url,
        "GRAPH_URL": microsoft.url,
    }
    return Services(settings.read(told), clock=clock)


def test_a_scan_of_each_kind_with_the_identity_alone(world: Any, account: str) -> None:
    """G10, G15: tables, queue, blobs, Key Vault, the app's proof, and the signature of an upload address."""
    told = world.rooms.settings
    assert (told.data_storage, told.client_certificate, told.vault_keys) == ("", "", ())
    world.consent()
    printer = world.printer()
    world.sign_in(printer)
    small, large = world.pdf(), world.pdf()
    sent = [printer.submit(world.manifest(small), small).id]
    manifest = world.manifest(large)
    headers = {"Authorization": f"Bearer {printer.connection.tokens.token()[0]}"}
    announced = requests.post(f"{world.url}/api/v1/scans", json=manifest, headers=headers, timeout=30).json()
    upload = announced["upload"]
    signed = parse_qs(urlsplit(upload["url"]).query)
    assert (signed["skoid"], signed["spr"]) != ([], [])
    assert requests.put(upload["url"], large, headers=upload["headers"], timeout=30).status_code == 201
    assert printer.commit(manifest["id"]).state == "accepted"
    sent.append(manifest["id"])
    world.clock.advance(hours=2)  # the access token is over: delivery refreshes, and the app proves itself
    # The Functions host takes the messages; its identity is Azure's own business and not the app's.
    assert local_app.QueueDoor(account, world.rooms).drain() == len(sent)
    assert [printer.scan(scan_id).state for scan_id in sent] == ["sent", "sent"]
    assert len(world.mailbox()) == len(sent)
    asked = {entry.path for entry in world.switchboard.journal()}
    assert {"/msi/token"} <= asked
    assert world.switchboard.count("unwrapkey") >= 1


def test_without_its_roles_the_service_says_so_and_loses_nothing(world: Any, account: str) -> None:
    """R15, R35: the identity is forbidden the key: the scan waits, is sent when it may again, nobody signs in anew."""
    world.consent()
    printer = world.printer()
    world.sign_in(printer)
    document = world.pdf()
    scan = printer.submit(world.manifest(document), document)
    world.cloud.key_vault.forbid(IDENTITY)
    other = Services(world.rooms.settings, clock=world.clock)  # a process that has unwrapped nothing yet
    local_app.QueueDoor(account, other).drain()
    waiting = printer.scan(scan.id)
    assert (waiting.state, waiting.reason) == ("waiting", "service_misconfigured")
    world.cloud.key_vault.allow(IDENTITY)
    world.clock.advance(hours=1)
    world.rooms.sweep.run()
    local_app.QueueDoor(account, world.rooms).drain()
    assert printer.scan(scan.id).state == "sent"
