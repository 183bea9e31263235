"""What the programs of one machine are told."""

import base64
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from local.environment import Ports, app_environment, process_environment, trust


def test_keys_are_made_once(tmp_path: Path) -> None:
    """The second start finds the keys of the first: what was sealed stays readable."""
    first = app_environment(tmp_path, Ports())
    kept = {file.name: file.read_bytes() for file in (tmp_path / "app").iterdir()}
    assert app_environment(tmp_path, Ports()) == first
    assert {file.name: file.read_bytes() for file in (tmp_path / "app").iterdir()} == kept


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    """No file of secrets can be read by anybody but its owner."""
    app_environment(tmp_path, Ports())
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "app").iterdir()}
    assert modes == {"client.pem": 0o600, "service-key": 0o600, "vault-key": 0o600}


def test_keys_have_the_shape_the_settings_ask_for(tmp_path: Path) -> None:
    """Service and vault key are 32 bytes base64url; the client's file holds a key and its own certificate."""
    environment = app_environment(tmp_path, Ports())
    vault_key = Path(environment["VAULT_KEY_FILE"]).read_text(encoding="ascii")
    assert environment["SERVICE_KEY"] != vault_key
    for text in (environment["SERVICE_KEY"], vault_key):
        assert len(base64.urlsafe_b64decode(text + "=")) == 32
    pem = Path(environment["CLIENT_CERTIFICATE_FILE"]).read_bytes()
    private = serialization.load_pem_private_key(pem, None)
    assert x509.load_pem_x509_certificate(pem).public_key() == private.public_key()


def test_addresses_follow_the_ports(tmp_path: Path) -> None:
    """Another port is another address everywhere it stands; app and Microsoft stay different sites."""
    environment = app_environment(tmp_path, Ports(app=1, microsoft=2, table=3, smtp=4, outlook_smtp=5))
    assert environment["PUBLIC_URL"] == "http://127.0.0.1:1"
    assert environment["AUTHORITY_URL"] == environment["GRAPH_URL"] == "https://localhost:2"
    assert (environment["SMTP_HOST"], environment["OUTLOOK_SMTP_HOST"]) == ("localhost:4", "localhost:5")
    assert "TableEndpoint=http://127.0.0.1:3/" in environment["DataStorage"]


def test_nothing_inherited_defeats_the_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CA bundle of the caller's, by either variable, does not reach the programs."""
    monkeypatch.setenv("CURL_CA_BUNDLE", "/somewhere/else.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/somewhere/else.pem")
    monkeypatch.setenv("INHERITED", "yes")
    environment = process_environment(trust(tmp_path))
    assert environment["INHERITED"] == "yes"
    assert "CURL_CA_BUNDLE" not in environment
    assert environment["REQUESTS_CA_BUNDLE"] == environment["SSL_CERT_FILE"] == str(tmp_path / "tls" / "ca.pem")
