"""The only reader of the environment. It complains about everything at once, by name, never by value."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

KEY_BYTES = 32
_KEY_URL = re.compile(r"https://[^/?#]+(/[^?#]+)?/keys/[0-9a-z-]{1,127}")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class SettingsInvalid(Exception):
    """Some settings are missing or wrong. ``problems`` has one line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Settings:
    """What the app is told from outside. Secrets have no default, and ``repr`` shows none."""

    environment: Literal["local", "production"]
    public_url: str
    """Origin of this service, without a trailing slash; redirect addresses are made from it, never from Host."""
    data_storage: str
    authority_url: str
    graph_url: str
    client_id: str
    client_certificate: str
    """PEM: the private key and the certificate by which the app proves itself to Entra."""
    service_key: bytes
    """32 bytes: signs device tokens, nonces and links, and vouches for the rows of data keys."""
    former_service_key: bytes
    """The one before, believed for rows of data keys until they are wrapped anew; or empty."""
    key_encryption_key: str
    """Key Vault's URL of the key that wraps data keys, in lower case; or empty."""
    managed_identity_client_id: str
    """Of the identity that may unwrap with it; or empty."""
    vault_keys: tuple[bytes, ...]
    """Instead of Key Vault, on one machine: 32 bytes each, the first wraps. From a file; or empty."""

    def __repr__(self) -> str:
        return f"Settings({self.environment}, {self.public_url})"


class _Reader:
    """Reads one setting at a time and collects what is wrong."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        value = self._environ.get(name, "").strip() or default
        if not value:
            self.problems.append(f"{name} is missing")
        return value

    def origin(self, name: str, default: str = "", *, plain_on_loopback: bool = False) -> str:
        value = self.text(name, default)
        parts = urlsplit(value)
        plain = plain_on_loopback and parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost"}
        if value and (value != f"{parts.scheme}://{parts.netloc}" or not (parts.scheme == "https" or plain)):
            self.problems.append(f"{name} must be an https origin without a path, such as https://scan.example.com")
        return value

    def environment(self) -> Literal["local", "production"]:
        match self.text("ENVIRONMENT", "production"):
            case "local":
                return "local"
            case "production":
                return "production"
            case _:
                self.problems.append("ENVIRONMENT must be local or production")
                return "production"

    def guid(self, name: str) -> str:
        value = self.text(name).lower()
        if value and not _GUID.fullmatch(value):
            self.problems.append(f"{name} must be a GUID")
        return value

    def key(self, name: str, value: str) -> bytes:
        try:
            raw = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
        except (ValueError, binascii.Error):
            raw = b""
        if value and len(raw) != KEY_BYTES:
            self.problems.append(f"{name} must be {KEY_BYTES} bytes in base64url")
        return raw

    def former_service_key(self) -> bytes:
        value = self._environ.get("FORMER_SERVICE_KEY", "").strip()
        return self.key("FORMER_SERVICE_KEY", value) if value else b""

    def key_encryption(self, environment: str) -> tuple[str, str, tuple[bytes, ...]]:
        """Read what wraps the data keys: Key Vault's URL and the identity, or the keys of a file."""
        url, path = (self._environ.get(name, "").strip() for name in ("KEY_ENCRYPTION_KEY", "VAULT_KEY_FILE"))
        if bool(url) == bool(path):
            self.problems.append("exactly one of KEY_ENCRYPTION_KEY and VAULT_KEY_FILE must be set")
            return "", "", ()
        if path and environment == "production":
            self.problems.append("VAULT_KEY_FILE is for one machine: production needs KEY_ENCRYPTION_KEY")
            return "", "", ()
        if path:
            lines = self.file("VAULT_KEY_FILE", private=True).split()
            if not lines:
                self.problems.append("VAULT_KEY_FILE must hold a key")
            return "", "", tuple(self.key("VAULT_KEY_FILE", line) for line in lines)
        url = url.lower()  # Key Vault does not tell cases apart
        if not _KEY_URL.fullmatch(url):
            self.problems.append(
                "KEY_ENCRYPTION_KEY must be a key's URL without a version, such as https://scan.vault.azure.net/keys/scan"
            )
        return url, self.guid("MANAGED_IDENTITY_CLIENT_ID"), ()

    def file(self, name: str, *, private: bool = False) -> str:
        path = self.text(name)
        if not path:
            return ""
        try:
            if private and Path(path).stat().st_mode & 0o077:
                self.problems.append(f"{name} must be readable by its owner only (mode 0600)")
            return Path(path).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            self.problems.append(f"{name} does not name a readable file")
            return ""

    def certificate(self, name: str) -> str:
        pem = self.file(name)
        if pem and not ("PRIVATE KEY-----" in pem and "BEGIN CERTIFICATE-----" in pem):
            self.problems.append(f"{name} must hold a private key and a certificate in PEM")
        return pem


def read(environ: Mapping[str, str]) -> Settings:
    """Read all settings.

    Raises:
        SettingsInvalid: names every setting that is missing or wrong.
    """
    reader = _Reader(environ)
    environment = reader.environment()
    key_encryption_key, managed_identity_client_id, vault_keys = reader.key_encryption(environment)
    settings = Settings(
        environment=environment,
        public_url=reader.origin("PUBLIC_URL", plain_on_loopback=True),
        data_storage=reader.text("DataStorage"),
        authority_url=reader.origin("AUTHORITY_URL", "https://login.microsoftonline.com"),
        graph_url=reader.origin("GRAPH_URL", "https://graph.microsoft.com"),
        client_id=reader.guid("CLIENT_ID"),
        client_certificate=reader.certificate("CLIENT_CERTIFICATE_FILE"),
        service_key=reader.key("SERVICE_KEY", reader.text("SERVICE_KEY")),
        former_service_key=reader.former_service_key(),
        key_encryption_key=key_encryption_key,
        managed_identity_client_id=managed_identity_client_id,
        vault_keys=vault_keys,
    )
    if reader.problems:
        raise SettingsInvalid(reader.problems)
    return settings


def from_environment() -> Settings:
    """Read the settings of this process (the one place that looks at the environment)."""
    return read(os.environ)
