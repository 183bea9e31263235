"""Settings: everything that is wrong is said at once, by name, and nothing of what was given."""

import base64
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.settings import Settings, SettingsInvalid, read

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
KEY = base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")
PEM = "-----BEGIN PRIVATE KEY-----\nsecret-pem\n-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\nx\n"
CLIENT_ID = "aaaaaaaa-0000-4000-8000-000000000001"
KEY_URL = "https://scan.vault.azure.net/keys/scan"
IDENTITY = "bbbbbbbb-0000-4000-8000-000000000002"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The least that the app runs with."""
    return {
        "PUBLIC_URL": "https://scan.example.com",
        "DataStorage__blobServiceUri": "https://secretaccount.blob.core.windows.net",
        "DataStorage__queueServiceUri": "https://secretaccount.queue.core.windows.net",
        "DataStorage__tableServiceUri": "https://secretaccount.table.core.windows.net",
        "DataStorage__credential": "managedidentity",
        "DataStorage__clientId": IDENTITY,
        "CLIENT_ID": CLIENT_ID,
        "CLIENT_CERTIFICATE_FILE": str(private(tmp_path / "client.pem", PEM)),
        "SERVICE_KEY": KEY,
        "KEY_ENCRYPTION_KEY": KEY_URL,
        "MANAGED_IDENTITY_CLIENT_ID": IDENTITY,
    }


@pytest.fixture
def on_one_machine(environ: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The least with a key file instead of Key Vault."""
    told = {
        name: value
        for name, value in environ.items()
        if value not in {KEY_URL, IDENTITY} and not name.startswith("DataStorage")
    }
    file = private(tmp_path / "vault-key", KEY + "\n")
    return {**told, "ENVIRONMENT": "local", "VAULT_KEY_FILE": str(file), "DataStorage": "AccountName=secret-storage"}


def private(path: Path, content: str) -> Path:
    """Write a file that its owner alone can read."""
    path.touch(0o600)
    path.write_text(content, encoding="utf-8")
    return path


def problems(environ: Mapping[str, str]) -> list[str]:
    """What is wrong; one line for each setting."""
    with pytest.raises(SettingsInvalid) as invalid:
        read(environ)
    assert str(invalid.value) == "; ".join(invalid.value.problems)
    return invalid.value.problems


def names(told: list[str]) -> list[str]:
    """The settings that lines name."""
    return [line.split()[0] for line in told]


class Listening(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def get(self, name: str, default: Any = None) -> Any:
        """Answer nothing, and remember."""
        self.asked.append(name)
        return default


def all_settings(reader: Callable[[Mapping[str, str]], Settings] = read) -> list[str]:
    """Every setting that is read, in the order of reading."""
    environ = Listening()
    with pytest.raises(SettingsInvalid):
        reader(environ)
    return list(dict.fromkeys(environ.asked))


def test_the_least_is_enough(environ: dict[str, str]) -> None:
    """Production at Microsoft's own addresses is the default; keys and files are read."""
    told = read(environ)
    assert (told.environment, told.authority_url, told.graph_url) == (
        "production",
        "https://login.microsoftonline.com",
        "https://graph.microsoft.com",
    )
    assert (told.smtp_host, told.outlook_smtp_host) == ("smtp.office365.com:587", "smtp-mail.outlook.com:587")
    assert told.service_key == bytes(range(32))
    assert (told.key_encryption_key, told.managed_identity_client_id) == (KEY_URL, IDENTITY)
    assert (told.former_service_key, told.vault_keys) == (b"", ())
    assert told.client_certificate == PEM.strip()
    assert told.client_id == CLIENT_ID


def test_nothing_given_names_everything_that_is_needed(environ: dict[str, str]) -> None:
    """An empty environment is answered with every setting that has no default, each once."""
    told = problems({})
    assert names(told) == [name for name in environ if name != "CLIENT_CERTIFICATE_FILE"]
    assert all(line.endswith("is missing") for line in told)


def test_everything_wrong_is_named_at_once(tmp_path: Path) -> None:
    """One start shows all mistakes, so that nobody mends them one deployment at a time."""
    wrong = {
        "ENVIRONMENT": "staging",
        "PUBLIC_URL": "scan.example.com",
        "DataStorage": "AccountName=x",
        "DataStorage__blobServiceUri": "http://a.blob.core.windows.net",
        "DataStorage__queueServiceUri": "https://a.queue.core.windows.net/path",
        "DataStorage__tableServiceUri": "a",
        "DataStorage__credential": "secret",
        "DataStorage__clientId": "no guid",
        "AUTHORITY_URL": "http://login.example.com",
        "GRAPH_URL": "ftp://graph.example.com",
        "SMTP_HOST": "smtp.example.com",
        "OUTLOOK_SMTP_HOST": "https://smtp.example.com:587",
        "CLIENT_ID": "no guid",
        "CLIENT_CERTIFICATE_FILE": str(private(tmp_path / "client.pem", "no pem")),
        "SERVICE_KEY": "c2hvcnQ",
        "FORMER_SERVICE_KEY": "c2hvcnQ",
        "KEY_ENCRYPTION_KEY": KEY_URL + "/0123456789abcdef0123456789abcdef",
        "MANAGED_IDENTITY_CLIENT_ID": "no guid",
        "VAULT_KEY_FILE": str(tmp_path / "nowhere"),
    }
    assert names(problems(wrong)) == list(wrong)


@given(values=st.dictionaries(st.sampled_from(all_settings()), st.text(st.characters(codec="utf-8"), max_size=60)))
@settings(deadline=None, max_examples=200)
def test_a_value_is_never_repeated(values: dict[str, str]) -> None:
    """Whatever stands in a setting may be a secret in the wrong place: no complaint depends on it (G11)."""
    marked = {name: f"canary-{value}" for name, value in values.items()}
    told = problems(marked)
    assert "canary" not in "\n".join(told)
    assert set(names(told)) <= set(all_settings())
    assert set(values) <= set(names(told))


@pytest.mark.parametrize("name", ["SMTP_HOST", "OUTLOOK_SMTP_HOST"])
@pytest.mark.parametrize(
    "value",
    [
        "smtp.example.com",
        "smtp.example.com:0",
        "smtp.example.com:65536",
        "smtp.example.com:587 ",
        "smtp:587/x",
        ":587",
        "smtp://smtp.example.com:587",
        "SMTP.example.com:587",
        "user@smtp.example.com:587",
        "smtp.example.com:587\nx",
    ],
)
def test_a_mail_server_is_a_host_and_a_port(environ: dict[str, str], name: str, value: str) -> None:
    """No scheme and no path, because there is nothing to choose: it is always STARTTLS. Any host is taken."""
    told = {**environ, name: value}
    if value != value.strip():
        assert getattr(read(told), name.lower()) == value.strip()
    else:
        assert names(problems(told)) == [name]


@pytest.mark.parametrize("name", ["PUBLIC_URL", "AUTHORITY_URL", "GRAPH_URL"])
@pytest.mark.parametrize(
    "value",
    [
        "https://scan.example.com/",
        "https://scan.example.com/path",
        "https://scan.example.com?x=1",
        "https://scan.example.com#x",
        "https://user:secret@scan.example.com",
        "https://user@scan.example.com",
        "https://Scan.Example.com",
        "https://scan.example.com:443",
        "https://scan.example.com:",
        "https://scan.example.com:99999",
        "https://scan.example.com:port",
        "https://scan example.com",
        "https://scan.example.com\\@evil.example",
        "https://[::1",
        "https://",
        "https:scan.example.com",
        "//scan.example.com",
        "scan.example.com",
        "http://scan.example.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "javascript:alert(1)",
        "ftp://scan.example.com",
        "HTTPS://scan.example.com",
        "https://скан.example.com",
        "junk",
    ],
)
def test_only_an_origin_is_an_origin(environ: dict[str, str], name: str, value: str) -> None:
    """No path, user, blank, default port or capital: redirect addresses and the check of Origin stand on it (C12)."""
    assert names(problems({**environ, name: value})) == [name]
    assert names(problems({**environ, name: value, "ENVIRONMENT": "local"})) == [name]


@pytest.mark.parametrize(
    "value", ["https://scan.example.com", "https://a", "https://scan.example.com:8443", "https://127.0.0.1:24443"]
)
def test_an_https_origin_is_taken(environ: dict[str, str], value: str) -> None:
    """With or without a port of its own."""
    assert read({**environ, "PUBLIC_URL": value}).public_url == value


@pytest.mark.parametrize("value", ["http://127.0.0.1:7071", "http://localhost:7071", "http://127.0.0.1"])
def test_plain_http_is_for_the_app_on_one_machine(environ: dict[str, str], value: str) -> None:
    """Only locally, only on the loopback, and never for Microsoft."""
    local = {**environ, "ENVIRONMENT": "local"}
    assert read({**local, "PUBLIC_URL": value}).public_url == value
    assert names(problems({**environ, "PUBLIC_URL": value})) == ["PUBLIC_URL"]
    for name in ("AUTHORITY_URL", "GRAPH_URL"):
        assert names(problems({**local, name: value})) == [name]


@pytest.mark.parametrize(
    "value",
    [
        KEY[:-1],
        KEY + "A",
        KEY + "==",
        "!" + KEY,
        KEY[:20] + "\n" + KEY[20:],
        "!!!!",
        "ключ",
        KEY[:-1] + "9",
        base64.b64encode(b"\xff" * 32).decode().rstrip("="),
        base64.b16encode(bytes(range(32))).decode(),
        "password",
    ],
)
def test_a_key_is_32_bytes_in_base64url(on_one_machine: dict[str, str], tmp_path: Path, value: str) -> None:
    """In its one spelling, and never cut, padded or guessed at."""
    assert names(problems({**on_one_machine, "SERVICE_KEY": value})) == ["SERVICE_KEY"]
    odd = private(tmp_path / "odd", value)
    assert names(problems({**on_one_machine, "VAULT_KEY_FILE": str(odd)})) == ["VAULT_KEY_FILE"]


def test_a_key_file_holds_predecessors_too(on_one_machine: dict[str, str], tmp_path: Path) -> None:
    """One key on each line, the newest first."""
    older = base64.urlsafe_b64encode(b"\1" * 32).decode().rstrip("=")
    file = private(tmp_path / "two", f"{KEY}\n{older}\n")
    assert read({**on_one_machine, "VAULT_KEY_FILE": str(file)}).vault_keys == (bytes(range(32)), b"\1" * 32)


def test_production_takes_no_key_from_a_file(environ: dict[str, str], on_one_machine: dict[str, str]) -> None:
    """A key of one machine never seals what matters: neither instead of Key Vault nor beside it (G10)."""
    file = on_one_machine["VAULT_KEY_FILE"]
    assert names(problems({**environ, "VAULT_KEY_FILE": file})) == ["VAULT_KEY_FILE"]
    assert names(problems({**environ, "VAULT_KEY_FILE": file, "ENVIRONMENT": "local"})) == ["VAULT_KEY_FILE"]
    assert names(problems({**on_one_machine, "ENVIRONMENT": "production"}))[-3:] == [
        "KEY_ENCRYPTION_KEY",
        "MANAGED_IDENTITY_CLIENT_ID",
        "VAULT_KEY_FILE",
    ]


def test_production_knows_no_key_of_the_account(environ: dict[str, str], on_one_machine: dict[str, str]) -> None:
    """G10: in production storage is reached by the app's identity alone; a connection string is refused."""
    by_key = {"DataStorage": on_one_machine["DataStorage"]}
    assert names(problems({**environ, **by_key})) == ["DataStorage"]
    assert names(problems({**environ, **by_key, "ENVIRONMENT": "local"})) == ["DataStorage"]
    [first, *others] = names(problems({**on_one_machine, "ENVIRONMENT": "production"}))
    assert first == "DataStorage"
    assert [name for name in environ if name.startswith("DataStorage")] == others[:5]


@pytest.mark.parametrize("service", ["blob", "queue", "table"])
def test_the_address_of_a_service_is_an_https_origin(environ: dict[str, str], service: str) -> None:
    """A slash at its end is forgiven; plain http, other paths, users and queries are not; Azurite's path is local."""
    name = f"DataStorage__{service}ServiceUri"
    good = f"https://account.{service}.core.windows.net"
    assert getattr(read({**environ, name: f"{good}/"}), f"data_{service}_service") == good
    local = {**environ, "ENVIRONMENT": "local"}
    on_path = "https://127.0.0.1:10000/devstoreaccount1"
    assert getattr(read({**local, name: on_path}), f"data_{service}_service") == on_path
    assert names(problems({**environ, name: on_path})) == [name]
    for value in (good.replace("https", "http"), f"{good}/a/b", f"{good}?x=1", "https://u@a.example", f"{good}//", "a"):
        assert names(problems({**local, name: value})) == [name]


def test_without_a_certificate_the_managed_identity_proves_the_app(environ: dict[str, str]) -> None:
    """In Azure no secret of the app's own is needed (G10): a certificate that is not there is no mistake."""
    del environ["CLIENT_CERTIFICATE_FILE"]
    told = read(environ)
    assert (told.client_certificate, told.managed_identity_client_id) == ("", IDENTITY)


def test_something_must_prove_the_app(on_one_machine: dict[str, str]) -> None:
    """On one machine the certificate or an identity; without both the certificate is asked for."""
    del on_one_machine["CLIENT_CERTIFICATE_FILE"]
    assert problems(on_one_machine) == ["CLIENT_CERTIFICATE_FILE is missing"]
    told = read({**on_one_machine, "MANAGED_IDENTITY_CLIENT_ID": IDENTITY})
    assert (told.client_certificate, told.managed_identity_client_id) == ("", IDENTITY)


def test_a_certificate_that_cannot_be_read_is_never_passed_over(environ: dict[str, str], tmp_path: Path) -> None:
    """Whoever names one means it: the app does not fall back to another proof in silence."""
    environ["CLIENT_CERTIFICATE_FILE"] = str(tmp_path / "nowhere")
    assert names(problems(environ)) == ["CLIENT_CERTIFICATE_FILE"]


@pytest.mark.parametrize(
    "value",
    [
        "http://scan.vault.azure.net/keys/scan",
        "https://scan.vault.azure.net/keys/scan/",
        "https://scan.vault.azure.net/keys/scan/0123456789abcdef0123456789abcdef",
        "https://scan.vault.azure.net/secrets/scan",
        "https://scan.vault.azure.net",
        "https://user@scan.vault.azure.net/keys/scan",
        "https://scan.vault.azure.net/keys/scan?x=1",
        "scan",
    ],
)
def test_only_a_key_without_version_is_a_key(environ: dict[str, str], value: str) -> None:
    """The newest version is asked for, and nothing but a key of a vault gets our token."""
    assert names(problems({**environ, "KEY_ENCRYPTION_KEY": value})) == ["KEY_ENCRYPTION_KEY"]


def test_a_key_vault_has_no_capitals(environ: dict[str, str]) -> None:
    """Key Vault does not tell them apart, so rows are compared in one spelling."""
    given = "https://Scan.vault.azure.net/keys/Scan"
    assert read({**environ, "KEY_ENCRYPTION_KEY": given}).key_encryption_key == KEY_URL


@pytest.mark.parametrize("name", ["VAULT_KEY_FILE", "CLIENT_CERTIFICATE_FILE"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o666, 0o601])
def test_a_file_with_a_key_is_its_owners_alone(on_one_machine: dict[str, str], name: str, mode: int) -> None:
    """Whoever else could read or change it makes the start fail, and the line says which mode is right (G10)."""
    Path(on_one_machine[name]).chmod(mode)
    [line] = problems(on_one_machine)
    assert line.startswith(name)
    assert "0600" in line


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_file_is_taken(on_one_machine: dict[str, str], mode: int) -> None:
    """Owner only, writable or not."""
    Path(on_one_machine["VAULT_KEY_FILE"]).chmod(mode)
    assert read(on_one_machine).vault_keys


@pytest.mark.parametrize("name", ["VAULT_KEY_FILE", "CLIENT_CERTIFICATE_FILE"])
@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff"])
def test_an_empty_file_is_no_key(on_one_machine: dict[str, str], tmp_path: Path, name: str, content: str) -> None:
    """A key that was never written does not become a key of nothing (G10)."""
    assert names(problems({**on_one_machine, name: str(private(tmp_path / "empty", content))})) == [name]


@pytest.mark.parametrize("name", ["VAULT_KEY_FILE", "CLIENT_CERTIFICATE_FILE"])
def test_a_path_that_leads_nowhere_is_named(on_one_machine: dict[str, str], tmp_path: Path, name: str) -> None:
    """A missing file, a folder, a file of no text, and what is no path at all."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "binary").chmod(0o600)
    for path in (tmp_path / "nowhere", tmp_path, tmp_path / "binary", "a\0b"):
        assert set(names(problems({**on_one_machine, name: str(path)}))) == {name}


@pytest.mark.parametrize("half", ["PRIVATE KEY", "CERTIFICATE"])
def test_a_certificate_without_its_key_is_not_enough(environ: dict[str, str], tmp_path: Path, half: str) -> None:
    """Both halves are needed, and half of them is said before the first sign-in fails."""
    pem = private(tmp_path / "half.pem", f"-----BEGIN {half}-----\nx\n-----END {half}-----\n")
    assert names(problems({**environ, "CLIENT_CERTIFICATE_FILE": str(pem)})) == ["CLIENT_CERTIFICATE_FILE"]


@pytest.mark.parametrize("value", [CLIENT_ID.upper(), f" {CLIENT_ID}\n"])
def test_a_guid_has_one_form(environ: dict[str, str], value: str) -> None:
    """However it was pasted, it is compared with what Microsoft writes (A17)."""
    assert read({**environ, "CLIENT_ID": value}).client_id == CLIENT_ID


@pytest.mark.parametrize("value", ["{" + CLIENT_ID + "}", CLIENT_ID[:-1], CLIENT_ID.replace("-", ""), "common"])
def test_what_is_no_guid_is_named(environ: dict[str, str], value: str) -> None:
    """Braces, cut ends and names are not client ids."""
    assert names(problems({**environ, "CLIENT_ID": value})) == ["CLIENT_ID"]


def test_nothing_secret_shows(on_one_machine: dict[str, str]) -> None:
    """Whatever prints the settings (a log, a traceback, a test) prints no key, certificate or connection (G11)."""
    told = read(on_one_machine)
    for shown in (repr(told), str(told), f"{told!r:>10}", f"{[told]}"):
        assert "secret" not in shown
        assert KEY not in shown
        assert repr(told.vault_keys[0]) not in shown
        assert told.client_id not in shown


def test_settings_do_not_change(environ: dict[str, str]) -> None:
    """They are read once; nobody sets one later."""
    with pytest.raises(AttributeError):
        read(environ).public_url = "https://elsewhere.example"  # type: ignore[misc]


# ---- the page docs/settings.md


def sections(page: str = "") -> dict[str, str]:
    """The page's sections by the setting in their heading."""
    parts = re.split(r"^## `(\w+)`$", page or PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_page_tells_the_defaults(environ: dict[str, str]) -> None:
    """What the page gives as default is what an environment without the setting means; what has none is needed."""
    told = read(environ)
    defaults = {
        "ENVIRONMENT": told.environment,
        "AUTHORITY_URL": told.authority_url,
        "GRAPH_URL": told.graph_url,
        "SMTP_HOST": told.smtp_host,
        "OUTLOOK_SMTP_HOST": told.outlook_smtp_host,
    }
    for name, section in sections().items():
        expected = f"Default: `{defaults[name]}`." if name in defaults else "Needed."
        if name in {"FORMER_SERVICE_KEY", "MAILBOX_CLIENT_ID", "VAULT_KEY_FILE", "DataStorage"}:
            expected = "Default: none."
        if name == "MAILBOX_CLIENT_ID":
            expected = "Default: none; then printers have no mailbox and no fax account of their own."
        if name == "CLIENT_CERTIFICATE_FILE":
            expected = "Default: none; on one machine it is needed unless `MANAGED_IDENTITY_CLIENT_ID` is set."
        assert section.strip().endswith(expected), name


def test_the_page_says_what_a_secret_is() -> None:
    """Each setting that repr hides, and that is or leads to a secret, is marked as such."""
    secret = {name for name, section in sections().items() if "**Secret.**" in section}
    assert secret == {"DataStorage", "CLIENT_CERTIFICATE_FILE", "SERVICE_KEY", "FORMER_SERVICE_KEY", "VAULT_KEY_FILE"}


def test_every_field_is_somebodys_setting() -> None:
    """Nothing of Settings is filled from anywhere but a documented setting."""
    assert len(Settings.__dataclass_fields__) == len(all_settings())
