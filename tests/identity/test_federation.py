"""The app proves itself to Entra by its managed identity, over the wire: real MSAL on both legs, no secret anywhere."""

from dataclasses import replace
from typing import Any

import pytest

from local.microsoft.managed_identity import HOME
from local.microsoft.records import FederatedCredential
from shared import faults, settings
from shared.services import Services
from tests.identity.test_entra import TID, begin

IDENTITY = "bbbbbbbb-0000-4000-8000-000000000002"
PRINCIPAL = "bbbbbbbb-0000-4000-8000-00000000000f"
EXCHANGE = "api://AzureADTokenExchange"


@pytest.fixture
def trusted(microsoft: Any) -> FederatedCredential:
    """The federated credential that infra/entra registers: issuer of the home tenant, the identity's object id."""
    return FederatedCredential(f"{microsoft.url}/{HOME}/v2.0", PRINCIPAL, EXCHANGE)


@pytest.fixture
def rooms(
    connection: str,
    clock: Any,
    microsoft: Any,
    trusted: FederatedCredential,
    machine_environment: dict[str, str],
    public_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Services:
    """The rooms without a certificate, in a process that has a managed identity which the app registration trusts."""
    microsoft.cloud.managed_identities.assign(IDENTITY, PRINCIPAL)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{microsoft.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", microsoft.cloud.managed_identities.header)
    told = {name: value for name, value in machine_environment.items() if name != "CLIENT_CERTIFICATE_FILE"}
    told |= {
        "DataStorage": connection,
        "PUBLIC_URL": public_url,
        "AUTHORITY_URL": microsoft.url,
        "GRAPH_URL": microsoft.url,
        "MANAGED_IDENTITY_CLIENT_ID": IDENTITY,
    }
    rooms = Services(settings.read(told), clock=clock)
    register(microsoft, rooms, trusted)
    return rooms


def register(microsoft: Any, rooms: Services, *credentials: FederatedCredential) -> None:
    """Let the app registration trust these, and no certificate or secret."""
    known = microsoft.cloud.application(rooms.settings.client_id)
    microsoft.cloud.register(replace(known, certificates=(), client_secrets=(), federated=credentials))


def prove(rooms: Services) -> None:
    """Redeem a code that is nobody's: Entra looks at the app's proof first."""
    rooms.entra.redeem(TID, begin(rooms), {"state": "a-state", "code": "no code of anybody's"})


def test_the_main_job_without_any_secret_of_the_app(world: Any) -> None:
    """Consent, first login and a scan: code and refresh token grants, with the identity's token for the app's proof."""
    world.consent()
    printer = world.printer()
    world.sign_in(printer)
    world.clock.advance(hours=2)  # the access token of the sign-in is over: delivery refreshes
    document = world.pdf()
    scan = printer.submit(world.manifest(document), document)
    before = world.switchboard.count("token")
    world.deliver()
    assert printer.scan(scan.id).state == "sent"
    assert world.switchboard.count("token") == before + 1
    assert [message["from"] for message in world.mailbox()] == ["adele.vance@contoso.example"]


def test_the_identity_is_asked_once(rooms: Services, microsoft: Any) -> None:
    """Its token is good for a day, and every request to Entra uses the held one."""
    for _ in range(3):
        with pytest.raises(faults.SignInRevoked):
            prove(rooms)
    assert [entry.path for entry in microsoft.switchboard.journal()].count("/msi/token") == 1


@pytest.mark.parametrize("wrong", ["issuer", "subject", "audience"])
def test_a_federation_that_does_not_match_is_the_operators(
    rooms: Services, microsoft: Any, trusted: FederatedCredential, wrong: str
) -> None:
    """G15: 700211 to 700213 are our own set-up: retried, shown as 360, and nobody's sign-in is marked as dead."""
    other = {"issuer": f"{microsoft.url}/{TID}/v2.0", "subject": PRINCIPAL.upper(), "audience": "api://elsewhere"}
    register(microsoft, rooms, replace(trusted, **{wrong: other[wrong]}))
    with pytest.raises(faults.OwnCredentialRefused) as refused:
        prove(rooms)
    numbers = {"issuer": "700211", "subject": "700213", "audience": "700212"}
    assert refused.value.note.split() == ["invalid_client", numbers[wrong]]
    assert isinstance(refused.value, faults.OperatorMust)


def test_a_registration_that_trusts_nobody_yet(rooms: Services, microsoft: Any, trusted: FederatedCredential) -> None:
    """G15: right after the set-up Entra may not know the credential (70021); it is retried and goes on by itself."""
    register(microsoft, rooms)
    with pytest.raises(faults.OwnCredentialRefused, match="70021"):
        prove(rooms)
    register(microsoft, rooms, trusted)
    with pytest.raises(faults.SignInRevoked):
        prove(rooms)


def test_an_identity_that_does_not_answer_passes(rooms: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """R36: without the identity's token nothing is asked of Entra; the fault passes and the operator is named."""
    monkeypatch.setenv("IDENTITY_HEADER", "not ours")
    with pytest.raises(faults.KeyServiceUnavailable) as raised:
        prove(rooms)
    assert raised.value.retry_after
    assert raised.value.who is faults.Who.OPERATOR


def test_any_other_token_of_the_identity_proves_nothing(rooms: Services, microsoft: Any) -> None:
    """A token for Key Vault is not a proof of the app: Entra tells audiences and kinds apart."""
    from shared.identity.client_assertion import FederatedAssertion
    from shared.identity.entra import Entra

    def for_key_vault(_resource: str) -> str:
        return rooms.managed_identity.token("https://vault.azure.net")

    entra = Entra(microsoft.url, rooms.settings.client_id, FederatedAssertion(for_key_vault), rooms.clock)
    with pytest.raises(faults.OwnCredentialRefused):
        entra.redeem(TID, begin(rooms), {"state": "a-state", "code": "no code of anybody's"})
