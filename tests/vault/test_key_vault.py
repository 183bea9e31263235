"""Key Vault and the managed identity: how often they are asked, and what happens when they do not answer."""

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from functions.keys_command import run
from local.microsoft.key_vault import KEY_PATH
from shared import faults, settings
from shared.identity.managed_identity import ManagedIdentity
from shared.services import Services
from shared.storage import TABLES, Storage, key
from shared.vault.key_encryption import WrappedKey
from shared.vault.key_vault import RESOURCE, KeyVault
from shared.vault.sealing import KEY_ID_BYTES, framed, hkdf
from tests.vault.processes import ALPHA, BETA, Process, start

CONTOSO = "11111111-1111-4111-8111-111111111111"
IDENTITY = "bbbbbbbb-0000-4000-8000-000000000002"


@pytest.fixture(scope="session")
def wrapping_keys() -> list[RSAPrivateKey]:
    """Two versions of the key in Key Vault; making them anew for every test would take most of its time."""
    return [generate_private_key(65537, 2048) for _ in range(2)]


@pytest.fixture
def azure(microsoft: Any, wrapping_keys: list[RSAPrivateKey], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The emulated Microsoft with a key in its Key Vault, and this process as an app with a managed identity."""
    microsoft.cloud.key_vault.rotate(wrapping_keys[0])
    microsoft.cloud.key_vault.allow(IDENTITY)
    microsoft.cloud.managed_identities.assign(IDENTITY)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{microsoft.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", microsoft.cloud.managed_identities.header)
    return microsoft


@pytest.fixture
def process(azure: Any, storage: Storage, clock: Any) -> Process:
    """One process of the app with Key Vault."""
    return another(azure, storage, clock)


def another(azure: Any, storage: Storage, clock: Any) -> Process:
    """One more process."""
    return start(storage, clock, key_vault(azure, clock))


def key_vault(azure: Any, clock: Any) -> KeyVault:
    """The key as a process of the app sees it."""
    return KeyVault(azure.url + KEY_PATH, ManagedIdentity(IDENTITY).token, clock)


def unwraps(azure: Any) -> int:
    """How often Key Vault was asked to unwrap."""
    count: int = azure.switchboard.count("unwrapkey")
    return count


def test_a_key_is_unwrapped_once_an_hour(azure: Any, process: Process, clock: Any) -> None:
    """However much eight threads seal and open: one call per tenant, process and hour, and one for the token (R36)."""

    def work(_: int) -> None:
        assert process.open(process.seal("token")) == "token"

    for hour in (1, 2):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(100)))
        assert unwraps(azure) == hour
        clock.advance(minutes=61)
    process.seal("token", BETA)
    assert unwraps(azure) == 3
    assert azure.switchboard.count("managed_identity") == 1


def test_another_process_asks_for_itself(azure: Any, process: Process, storage: Storage, clock: Any) -> None:
    """What one process sealed, another opens by one call of its own, without reading the public key."""
    sealed = process.seal("token")
    read = azure.switchboard.count("key")
    assert another(azure, storage, clock).open(sealed) == "token"
    assert (unwraps(azure), azure.switchboard.count("key")) == (2, read)


@pytest.mark.parametrize("kind", ["server_error", "unavailable", "gateway_timeout", "throttled", "reset"])
def test_with_a_warm_cache_an_outage_is_not_felt(
    azure: Any, process: Process, storage: Storage, clock: Any, kind: str
) -> None:
    """For a day after the last answer, tokens are sealed and opened while Key Vault is down (R35)."""
    sealed = process.seal("token")
    azure.switchboard.add("unwrapkey", kind, times=None)
    for _ in range(23):
        clock.advance(hours=1)
        assert process.open(sealed) == "token"
        process.seal("another")
    clock.advance(hours=1, minutes=1)
    with pytest.raises(faults.KeyServiceUnavailable):
        process.open(sealed)
    azure.switchboard.remove()
    # Another one: to MSAL, which has a clock of its own, this process' token is still young.
    assert another(azure, storage, clock).open(sealed) == "token"


def test_a_key_service_that_is_down_is_not_stormed(azure: Any, process: Process, clock: Any) -> None:
    """Between two questions to a Key Vault that does not answer, half a minute passes, warm or cold (R36)."""
    process.seal("token")
    azure.switchboard.add("unwrapkey", "unavailable", times=None)
    clock.advance(hours=25)
    for _ in range(5):
        with pytest.raises(faults.KeyServiceUnavailable):
            process.seal("token")
    assert unwraps(azure) == 2
    clock.advance(seconds=31)
    with pytest.raises(faults.KeyServiceUnavailable):
        process.seal("token")
    assert unwraps(azure) == 3


@pytest.mark.parametrize("where", ["key", "managed_identity", "unwrapkey"])
@pytest.mark.parametrize("kind", ["unavailable", "reset"])
def test_with_a_cold_cache_an_outage_passes(
    azure: Any, process: Process, storage: Storage, clock: Any, where: str, kind: str
) -> None:
    """A new tenant waits for Key Vault; nothing is sealed under a key that could not be unwrapped (R35)."""
    azure.switchboard.add(where, kind)
    with pytest.raises(faults.KeyServiceUnavailable) as fault:
        process.seal("token")
    assert fault.value.retry_after
    assert fault.value.action is faults.Action.RETRY
    # Another one: MSAL keeps what the identity endpoint refused for five real seconds.
    assert another(azure, storage, clock).seal("token")


def test_a_throttle_says_how_long(azure: Any, process: Process) -> None:
    """Key Vault's own Retry-After is what the caller hears."""
    azure.switchboard.add("unwrapkey", "throttled", retry_after="7")
    with pytest.raises(faults.KeyServiceUnavailable) as fault:
        process.seal("token")
    assert fault.value.retry_after == 7


@pytest.mark.parametrize("how", ["disabled", "forbidden"])
def test_a_key_that_was_switched_off_is_obeyed(azure: Any, process: Process, clock: Any, how: str) -> None:
    """An operator's emergency stop is no outage: it ends within the hour what is in memory, and harms no sign-in."""
    sealed = process.seal("token")
    vault = azure.cloud.key_vault
    newest = vault.version().name
    if how == "disabled":
        vault.enable(newest, enabled=False)
    else:
        vault.forbid(IDENTITY)
    assert process.open(sealed) == "token"
    clock.advance(hours=1, minutes=1)
    for _ in range(2):
        with pytest.raises(faults.ServiceMisconfigured):
            process.open(sealed)
    vault.enable(newest, enabled=True)
    vault.allow(IDENTITY)
    clock.advance(minutes=1)
    assert process.open(sealed) == "token"


def test_a_new_version_of_the_wrapping_key(
    azure: Any, process: Process, storage: Storage, clock: Any, wrapping_keys: list[RSAPrivateKey]
) -> None:
    """Old wraps open; new keys use the new version; after a rewrap the old version can be switched off (R37)."""
    vault = azure.cloud.key_vault
    sealed = process.seal("token")
    old = vault.version().name
    new = vault.rotate(wrapping_keys[1])
    assert another(azure, storage, clock).open(sealed) == "token"
    assert process.data_keys.rewrap(ALPHA) == 1
    assert process.data_keys.rewrap(ALPHA) == 0
    vault.enable(old, enabled=False)
    assert another(azure, storage, clock).open(sealed) == "token"
    [row] = storage.table("keys").query(key(ALPHA))
    assert row["wrapped_with"] == f"{azure.url}{KEY_PATH}/{new}"


def test_whoever_writes_the_table_cannot_bring_a_key(
    process: Process, storage: Storage, clock: Any, wrapping_keys: list[RSAPrivateKey]
) -> None:
    """Anybody can wrap with a public key: a row that our secret does not vouch for is never sealed under."""
    process.seal("token")
    table = storage.table("keys")
    [row] = table.query(key(ALPHA))
    own = b"the attacker's own key".ljust(32)
    oaep = OAEP(MGF1(SHA256()), SHA256(), None)
    forged = {
        "wrapped": wrapping_keys[0].public_key().encrypt(own, oaep),
        "key_id": hkdf(own, b"", b"key id", KEY_ID_BYTES, framed("local", ALPHA)),
    }
    table.insert(key(ALPHA), "00000002", {**row.values, **forged})
    clock.advance(minutes=2)
    with pytest.raises(faults.ServiceMisconfigured, match="nobody vouches for a key row"):
        process.seal("next token")


@pytest.mark.parametrize(
    "address", ["https://evil.example/keys/tome/" + "0" * 32, "{url}/elsewhere/" + "0" * 32, "local:0"]
)
def test_our_token_goes_to_our_key_alone(azure: Any, clock: Any, address: str) -> None:
    """The address in a row does not choose whom we talk to, and no key of one machine is believed (C16, G10)."""
    with pytest.raises(faults.ServiceMisconfigured, match="unknown key-encryption key"):
        key_vault(azure, clock).unwrap(WrappedKey(address.format(url=azure.url), b"x"))
    assert azure.switchboard.journal() == []


def test_damaged_wrapped_bytes(azure: Any, clock: Any) -> None:
    """What does not unwrap is no outage and no end of anybody's sign-in: the operator must look at the row."""
    vault = key_vault(azure, clock)
    wrapped = vault.wrap(b"k" * 32)
    assert vault.unwrap(wrapped) == b"k" * 32
    with pytest.raises(faults.ServiceMisconfigured, match="wrapped key damaged"):
        vault.unwrap(WrappedKey(wrapped.wrapped_with, wrapped.value[::-1]))


def test_an_identity_that_is_not_ours(azure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An identity that is not assigned, and a caller outside the app, get no token, and the fault passes."""
    with pytest.raises(faults.KeyServiceUnavailable):
        ManagedIdentity("cccccccc-0000-4000-8000-000000000003").token(RESOURCE)
    monkeypatch.setenv("IDENTITY_HEADER", "guessed")
    with pytest.raises(faults.KeyServiceUnavailable):
        ManagedIdentity(IDENTITY).token(RESOURCE)


@pytest.fixture
def rooms(connection: str, clock: Any, azure: Any, machine_environment: dict[str, str], public_url: str) -> Services:
    """The rooms with Key Vault in place of the key file."""
    told = {name: value for name, value in machine_environment.items() if name != "VAULT_KEY_FILE"}
    told |= {
        "DataStorage": connection,
        "PUBLIC_URL": public_url,
        "AUTHORITY_URL": azure.url,
        "GRAPH_URL": azure.url,
        "KEY_ENCRYPTION_KEY": azure.url + KEY_PATH,
        "MANAGED_IDENTITY_CLIENT_ID": IDENTITY,
    }
    return Services(settings.read(told), clock=clock)


def test_the_whole_service_with_key_vault(azure: Any, world: Any, wrapping_keys: list[RSAPrivateKey]) -> None:
    """Consent, sign-in and scans go on through both rotations; erased, the person signs in again and scans again."""
    rooms = world.rooms
    command = io.StringIO()

    def scan(printer: Any) -> str:
        document = world.pdf()
        accepted = printer.submit(world.manifest(document), document)
        world.deliver()
        ended = printer.scan(accepted.id)
        return str(ended.reason or ended.state)

    world.consent()
    printer = world.printer()
    world.sign_in(printer)
    assert scan(printer) == "sent"
    azure.cloud.key_vault.rotate(wrapping_keys[1])
    for line in (["rotate", "--now"], ["rewrap"], ["upkeep"]):
        assert run(line, rooms, command) == 0
        assert scan(printer) == "sent"
    held = [rooms.data_keys.opening_key(CONTOSO, found.id) for found in rooms.data_keys.versions(CONTOSO)]
    assert len(held) == 2
    stored = repr([world.rows(table) for table in TABLES])
    assert all(repr(data_key)[2:-1] not in stored and data_key.hex() not in stored for data_key in held)
    assert run(["destroy", "--tenant", CONTOSO], rooms, command) == 0
    assert scan(printer) == "sign_in_required"
    world.sign_in(printer)
    assert scan(printer) == "sent"
    assert "destroyed" in command.getvalue()
    assert run(["list"], rooms, command) == 0
