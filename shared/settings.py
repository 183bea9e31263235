"""The only reader of the environment. It complains about everything at once, by name, never by value."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

KEY_BYTES = 32
HIGHEST_PORT = 65535
_ORIGIN = re.compile(r"(https?)://([a-z0-9]([a-z0-9.-]*[a-z0-9])?)(?::([1-9][0-9]{0,4}))?")
_LOOPBACK = {"127.0.0.1", "localhost"}
_HOST_AND_PORT = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?:([1-9][0-9]{0,4})")
_DEFAULT_PORTS = {("https", "443"), ("http", "80")}
_KEY_URL = re.compile(r"https://[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9-]+)?/keys/[a-z0-9-]{1,127}")
_ACCOUNT_IN_PATH = re.compile(r"(https://[^/]+)/([a-z0-9]{3,24})")
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
    """Connection string of the data account, on one machine; or empty."""
    data_blob_service: str
    """Without a connection string: https URLs of the account's services, without a slash at their end; or empty."""
    data_queue_service: str
    data_table_service: str
    data_credential: str
    """managedidentity; or empty."""
    data_client_id: str
    """Of the identity that may use the account; or empty."""
    authority_url: str
    graph_url: str
    smtp_host: str
    """``host:port`` of Exchange Online's submission server; spoken to over STARTTLS and nothing else."""
    outlook_smtp_host: str
    """The same of Outlook.com, for personal accounts."""
    client_id: str
    mailbox_client_id: str
    """Of the app registration for printers' own mailboxes, a public client; or empty, and then there are none."""
    client_certificate: str
    """PEM: the private key and the certificate by which the app proves itself to Entra; or empty, and then the
    managed identity proves it."""
    service_key: bytes
    """32 bytes: signs device tokens, nonces and links, and vouches for the rows of data keys."""
    former_service_key: bytes
    """The one before, believed for rows of data keys until they are wrapped anew; or empty."""
    key_encryption_key: str
    """Key Vault's URL of the key that wraps data keys, in lower case; or empty."""
    managed_identity_client_id: str
    """Of the identity that may unwrap with it, and whose token proves the app to Entra; or empty."""
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
        """Read an origin as a browser would write it: no path, no capitals, no port that goes without saying."""
        value = self.text(name, default)
        parts = _ORIGIN.fullmatch(value)
        if parts is None:
            good = False
        else:
            scheme, host, port = parts[1], parts[2], parts[4]
            safe = scheme == "https" or (plain_on_loopback and host in _LOOPBACK)
            own_port = port is None or (int(port) <= HIGHEST_PORT and (scheme, port) not in _DEFAULT_PORTS)
            good = safe and own_port
        if value and not good:
            self.problems.append(f"{name} must be an https origin without a path, such as https://scan.example.com")
        return value

    def host_and_port(self, name: str, default: str) -> str:
        value = self.text(name, default)
        parts = _HOST_AND_PORT.fullmatch(value)
        if parts is None or int(parts[2]) > HIGHEST_PORT:
            self.problems.append(f"{name} must be a host and a port, such as smtp.example.com:587")
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

    def guid(self, name: str, *, needed: bool = True) -> str:
        value = (self.text(name) if needed else self.given(name)).lower()
        if value and not _GUID.fullmatch(value):
            self.problems.append(f"{name} must be a GUID")
        return value

    def key(self, name: str, value: str) -> bytes:
        spelled = value.removesuffix("=")
        try:
            raw = base64.urlsafe_b64decode(spelled + "=")
        except ValueError:
            raw = b""
        # Written again, because Python's base64 skips what it does not know.
        if value and (len(raw) != KEY_BYTES or base64.urlsafe_b64encode(raw).decode("ascii") != spelled + "="):
            problem = f"{name} must be {KEY_BYTES} bytes in base64url"
            self.problems += [] if problem in self.problems else [problem]
        return raw

    def given(self, name: str) -> str:
        return self._environ.get(name, "").strip()

    def service_url(self, name: str, *, account_in_path: bool) -> str:
        """Read the address of a storage service. Azurite alone has the account in the path."""
        value = self.text(name).removesuffix("/")
        in_path = _ACCOUNT_IN_PATH.fullmatch(value)
        origin, account = in_path.groups() if in_path else (value, "")
        parts = _ORIGIN.fullmatch(origin)
        good = parts is not None and parts[1] == "https" and (account_in_path or not account)
        if value and not good:
            self.problems.append(f"{name} must be an https origin, such as https://ACCOUNT.blob.core.windows.net")
        return value

    def managed_identity(self, name: str) -> str:
        value = self.text(name)
        if value and value != "managedidentity":
            self.problems.append(f"{name} must be managedidentity")
        return value

    def connection(self, name: str, *, wanted: bool) -> str:
        """Read a connection string. It holds the account's key, so it is for one machine (threat G10)."""
        if wanted:
            return self.text(name)
        if self.given(name):
            self.problems.append(f"{name} is for one machine, and not beside {name}__blobServiceUri")
        return ""

    def key_url(self, name: str) -> str:
        value = self.text(name).lower()  # Key Vault does not tell cases apart
        if value and not _KEY_URL.fullmatch(value):
            self.problems.append(
                f"{name} must be the URL of a key without a version, such as https://scan.vault.azure.net/keys/scan"
            )
        return value

    def keys_of_file(self, name: str, *, allowed: bool) -> tuple[bytes, ...]:
        if allowed:
            return tuple(self.key(name, line) for line in self.private_file(name).split())
        if self.given(name):
            self.problems.append(f"{name} is for one machine, and not beside KEY_ENCRYPTION_KEY")
        return ()

    def private_file(self, name: str) -> str:
        path = self.text(name)
        if not path:
            return ""
        try:
            # Asked of the open file: nobody can exchange it between the two questions.
            with Path(path).open(encoding="ascii") as file:
                mode = os.fstat(file.fileno()).st_mode
                content = file.read().strip()
        except (OSError, ValueError):
            self.problems.append(f"{name} does not name a readable text file")
            return ""
        if mode & 0o077:
            self.problems.append(f"{name} must be readable by its owner only (mode 0600)")
        elif not content:
            self.problems.append(f"{name} names an empty file")
        return content

    def certificate(self, name: str, *, needed: bool) -> str:
        pem = self.private_file(name) if needed or self.given(name) else ""
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
    # On one machine alone, a file may stand in for Key Vault (threat G10).
    from_file = environment == "local" and not reader.given("KEY_ENCRYPTION_KEY")
    # The names are the Functions host's own for identity-based connections; the queue trigger reads them, too.
    account = "DataStorage"
    by_key = environment == "local" and not reader.given(f"{account}__blobServiceUri")

    def service(kind: str) -> str:
        return reader.service_url(f"{account}__{kind}ServiceUri", account_in_path=environment == "local")

    # Without a certificate the managed identity proves the app; outside one machine there always is one.
    certificate_needed = from_file and not reader.given("MANAGED_IDENTITY_CLIENT_ID")
    settings = Settings(
        environment=environment,
        public_url=reader.origin("PUBLIC_URL", plain_on_loopback=environment == "local"),
        data_storage=reader.connection(account, wanted=by_key),
        data_blob_service="" if by_key else service("blob"),
        data_queue_service="" if by_key else service("queue"),
        data_table_service="" if by_key else service("table"),
        data_credential="" if by_key else reader.managed_identity(f"{account}__credential"),
        data_client_id="" if by_key else reader.guid(f"{account}__clientId"),
        authority_url=reader.origin("AUTHORITY_URL", "https://login.microsoftonline.com"),
        graph_url=reader.origin("GRAPH_URL", "https://graph.microsoft.com"),
        smtp_host=reader.host_and_port("SMTP_HOST", "smtp.office365.com:587"),
        outlook_smtp_host=reader.host_and_port("OUTLOOK_SMTP_HOST", "smtp-mail.outlook.com:587"),
        client_id=reader.guid("CLIENT_ID"),
        mailbox_client_id=reader.guid("MAILBOX_CLIENT_ID", needed=False),
        client_certificate=reader.certificate("CLIENT_CERTIFICATE_FILE", needed=certificate_needed),
        service_key=reader.key("SERVICE_KEY", reader.text("SERVICE_KEY")),
        former_service_key=reader.key("FORMER_SERVICE_KEY", reader.given("FORMER_SERVICE_KEY")),
        key_encryption_key="" if from_file else reader.key_url("KEY_ENCRYPTION_KEY"),
        managed_identity_client_id=reader.guid("MANAGED_IDENTITY_CLIENT_ID", needed=not from_file),
        vault_keys=reader.keys_of_file("VAULT_KEY_FILE", allowed=from_file),
    )
    if reader.problems:
        raise SettingsInvalid(reader.problems)
    return settings


def from_environment() -> Settings:
    """Read the settings of this process (the one place that looks at the environment)."""
    return read(os.environ)
