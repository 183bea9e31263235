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
    """32 bytes: signs device tokens, nonces and links."""
    vault_key: bytes
    """32 bytes: seals what lies in Table Storage. From a file, on one machine only."""

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
    settings = Settings(
        environment=reader.environment(),
        public_url=reader.origin("PUBLIC_URL", plain_on_loopback=True),
        data_storage=reader.text("DataStorage"),
        authority_url=reader.origin("AUTHORITY_URL", "https://login.microsoftonline.com"),
        graph_url=reader.origin("GRAPH_URL", "https://graph.microsoft.com"),
        client_id=reader.guid("CLIENT_ID"),
        client_certificate=reader.certificate("CLIENT_CERTIFICATE_FILE"),
        service_key=reader.key("SERVICE_KEY", reader.text("SERVICE_KEY")),
        vault_key=reader.key("VAULT_KEY_FILE", reader.file("VAULT_KEY_FILE", private=True)),
    )
    if reader.problems:
        raise SettingsInvalid(reader.problems)
    return settings


def from_environment() -> Settings:
    """Read the settings of this process (the one place that looks at the environment)."""
    return read(os.environ)
