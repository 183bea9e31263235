"""The way out: who is believed to be who he says."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import trustme

from shared.outbound import OutboundSession


class Answer(BaseHTTPRequestHandler):
    """Says yes to whoever came through TLS."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(204)
        self.end_headers()

    def log_message(self, *told: object) -> None:
        """Keep quiet."""


@contextmanager
def served(authority: trustme.CA, name: str) -> Iterator[str]:
    """Serve under a certificate for ``name``; answer the address, which is always localhost's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    with ThreadingHTTPServer(("localhost", 0), Answer) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"https://localhost:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """The authority that the environment names."""
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    return made


@pytest.mark.parametrize("verify", [True, False, None])
def test_a_stranger_is_refused(authority: trustme.CA, verify: bool | None) -> None:
    """A certificate of an authority that nobody trusts ends the call; no argument lets it through."""
    refused = pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED")
    with served(trustme.CA(), "localhost") as address, OutboundSession() as session, refused:
        session.get(address, verify=verify)


def test_another_hosts_certificate_is_refused(authority: trustme.CA) -> None:
    """A good certificate for another name is nobody's."""
    refused = pytest.raises(requests.exceptions.SSLError, match="Hostname mismatch")
    with served(authority, "elsewhere.example") as address, OutboundSession() as session, refused:
        session.get(address)


def test_authorities_are_read_once(authority: trustme.CA, tmp_path: Path) -> None:
    """Sessions and connections of a process share what was read: the file may be gone for the second."""
    with served(authority, "localhost") as address:
        with OutboundSession() as session:
            assert session.get(address).status_code == 204
        (tmp_path / "ca.pem").unlink()
        with OutboundSession() as session:
            assert session.get(address).status_code == 204


def test_a_folder_of_authorities_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment may name a folder, as OpenSSL's ``c_rehash`` fills it; who is not in it is not trusted."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    refused = pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED")
    with served(trustme.CA(), "localhost") as address, OutboundSession() as session, refused:
        session.get(address)
