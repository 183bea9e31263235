"""The certificate authority of this machine, kept under ``.run/tls``.

MSAL refuses any authority that is not https, so the emulated Microsoft needs a certificate that the
app trusts. ``requests`` obeys ``REQUESTS_CA_BUNDLE`` and ``CURL_CA_BUNDLE`` over any ``verify=`` that
a library passes, so the trust is given by environment (``local.environment.trust``), never by a switch in the app.
A program that trusts it trusts no other: it has nobody to ask but this machine.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509

NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Tls:
    """Where the files lie; all of them PEM. ``certificate_file`` holds the server's chain."""

    ca_file: Path
    certificate_file: Path
    key_file: Path


def prepare(directory: Path) -> Tls:
    """Make what is missing or about to expire in ``directory``, keep the rest, and say where it lies.

    The authority survives, so a browser or an operating system that was told to trust it stays told.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca_key_file = directory / "ca-key.pem"
    tls = Tls(
        ca_file=directory / "ca.pem",
        certificate_file=directory / "server.pem",
        key_file=directory / "server-key.pem",
    )
    if _usable(tls.ca_file, ca_key_file):
        authority = trustme.CA.from_pem(tls.ca_file.read_bytes(), ca_key_file.read_bytes())
    else:
        authority = trustme.CA(organization_name="To My Email", organization_unit_name="this machine only")
        _write_private(ca_key_file, authority.private_key_pem.bytes())
        tls.ca_file.write_bytes(authority.cert_pem.bytes())
        tls.certificate_file.unlink(missing_ok=True)
    if not _usable(tls.certificate_file, tls.key_file):
        server = authority.issue_cert(*NAMES)
        _write_private(tls.key_file, server.private_key_pem.bytes())
        tls.certificate_file.write_bytes(b"".join(pem.bytes() for pem in server.cert_chain_pems))
    return tls


def _usable(certificate_file: Path, key_file: Path) -> bool:
    if not (certificate_file.exists() and key_file.exists()):
        return False
    certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    return certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=7)


def _write_private(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
