"""What the programs of one machine are told: ports, settings, keys, and whom they trust.

The runner, the demo and the tests build the app's environment here, and nowhere else.
"""

import base64
import datetime as dt
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from local import azurite

CLIENT_ID = "aaaaaaaa-0000-4000-8000-000000000001"
"""The app's registration in the emulated Microsoft cloud."""

MAILBOX_CLIENT_ID = "aaaaaaaa-0000-4000-8000-000000000002"
"""The registration for printers' own mailboxes: a public client, for work and personal accounts."""

KEY_BYTES = 32
KEY_BITS = 2048
CERTIFICATE_DAYS = 3650
HIGHEST_PORT = 65535
# Set on many machines; each would defeat what this module sets, or slow every start (missing bytecode).
NOT_HANDED_ON = frozenset({"CURL_CA_BUNDLE", "PYTHONDONTWRITEBYTECODE"})


class NotAPortError(Exception):
    """A variable that should name a TCP port does not; the message names the variable."""


@dataclass(frozen=True)
class Ports:
    """The TCP ports of one machine, all on the loopback."""

    app: int = 7071
    microsoft: int = 24443
    printer: int = 8631
    smtp: int = 24587
    outlook_smtp: int = 24588
    blob: int = 10000
    queue: int = 10001
    table: int = 10002

    @classmethod
    def chosen(cls, environ: Mapping[str, str]) -> Self:
        """The ports with what APP_PORT, MICROSOFT_PORT, PRINTER_PORT, SMTP_PORT and AZURITE_PORT change.

        SMTP_PORT is the first of two that follow each other: Exchange Online, Outlook.com. AZURITE_PORT is the
        first of three: blob, queue, table.

        Raises:
            NotAPortError: a variable holds no port.
        """
        first = _port(environ, "AZURITE_PORT", cls.blob, room_above=2)
        smtp = _port(environ, "SMTP_PORT", cls.smtp, room_above=1)
        return cls(
            app=_port(environ, "APP_PORT", cls.app),
            microsoft=_port(environ, "MICROSOFT_PORT", cls.microsoft),
            printer=_port(environ, "PRINTER_PORT", cls.printer),
            smtp=smtp,
            outlook_smtp=smtp + 1,
            blob=first,
            queue=first + 1,
            table=first + 2,
        )

    @property
    def app_url(self) -> str:
        """The app; 127.0.0.1 where Microsoft is localhost, so that they are different sites, as in production."""
        return f"http://127.0.0.1:{self.app}"

    @property
    def microsoft_url(self) -> str:
        """The emulated Microsoft cloud: login and Graph on one origin."""
        return f"https://localhost:{self.microsoft}"

    @property
    def printer_url(self) -> str:
        """The virtual printer's panel."""
        return f"http://127.0.0.1:{self.printer}"


def authority(run_dir: Path) -> Path:
    """The file of the authority that programs of this machine trust, and of no other."""
    return run_dir.resolve() / "tls" / "ca.pem"


def app_environment(run_dir: Path, ports: Ports) -> dict[str, str]:
    """The app's settings on this machine, as its environment variables; with ``trust``.

    Makes the app's keys under ``run_dir/app`` where they are not there yet. With an Azurite that
    chose its own ports, replace ``DataStorage`` in the answer.
    """
    material = run_dir.resolve() / "app"
    material.mkdir(parents=True, exist_ok=True)
    client = material / "client.pem"
    service_key = material / "service-key"
    vault_key = material / "vault-key"
    if not client.exists():
        _keep(client, _key_and_certificate())
    for path in (service_key, vault_key):
        if not path.exists():
            _keep(path, base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).rstrip(b"="))
    return {
        "ENVIRONMENT": "local",
        "PUBLIC_URL": ports.app_url,
        "DataStorage": azurite.connection_string(ports.blob, ports.queue, ports.table),
        "AUTHORITY_URL": ports.microsoft_url,
        "GRAPH_URL": ports.microsoft_url,
        "SMTP_HOST": f"localhost:{ports.smtp}",
        "OUTLOOK_SMTP_HOST": f"localhost:{ports.outlook_smtp}",
        "CLIENT_ID": CLIENT_ID,
        "MAILBOX_CLIENT_ID": MAILBOX_CLIENT_ID,
        "CLIENT_CERTIFICATE_FILE": str(client),
        "SERVICE_KEY": service_key.read_text(encoding="ascii"),
        "VAULT_KEY_FILE": str(vault_key),
        **trust(run_dir),
    }


def trust(run_dir: Path) -> dict[str, str]:
    """The variables by which requests (the first) and ssl (the second) trust this machine's CA."""
    path = str(authority(run_dir))
    return {"REQUESTS_CA_BUNDLE": path, "SSL_CERT_FILE": path}


def process_environment(own: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a program: the caller's, without what would defeat ``own``, and ``own``."""
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_HANDED_ON}
    return {**inherited, **own}


def _port(environ: Mapping[str, str], variable: str, default: int, *, room_above: int = 0) -> int:
    text = environ.get(variable) or str(default)
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= HIGHEST_PORT - room_above):
        raise NotAPortError(f"{variable} is {text!r}, and must be a port from 1 to {HIGHEST_PORT - room_above}.")
    return int(text)


def _keep(path: Path, content: bytes) -> None:
    """Write a secret whole or not at all, readable by its owner only from the first moment."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(0o600, exist_ok=False)
    part.write_bytes(content)
    part.replace(path)


def _key_and_certificate() -> bytes:
    """A private key and its self-signed certificate, PEM: what an administrator would upload to the registration."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "To My Email on one machine")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=CERTIFICATE_DAYS))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private + certificate.public_bytes(pem)
