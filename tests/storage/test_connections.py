"""Connections that clients share: time-outs, proxies and certificates reach every one; deletions gather."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from azure.core.exceptions import ServiceResponseTimeoutError
from azure.core.rest import HttpRequest

from shared.faults import StorageUnavailable
from shared.outbound import OutboundSession
from shared.storage import Storage
from shared.storage.account import CONNECT_SECONDS, READ_SECONDS
from shared.storage.connections import transport
from shared.storage.gathering import Gathering


class Noting(requests.adapters.HTTPAdapter):
    """Notes what is asked and how; nothing leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[requests.PreparedRequest, dict[str, Any]]] = []

    def send(self, request: Any, **given: Any) -> Any:  # type: ignore[override]
        """Answer at once."""
        self.asked.append((request, given))
        answer = requests.Response()
        answer.status_code, answer._content = 503, b""
        return answer


def noting(session: requests.Session) -> Noting:
    """Let a session send nothing."""
    adapter = Noting()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return adapter


def test_no_client_waits_longer_than_it_should(storage: Storage) -> None:
    """The SDK hands its options on only to a transport that it makes itself: ours has the time-outs of its own."""
    clients = [
        storage.table("jobs")._client._client._client._pipeline._transport,
        storage.queue("deliveries")._client._pipeline._transport,
        storage.blobs("documents")._client._pipeline._transport,
    ]
    assert len({id(each) for each in clients}) == 1
    config = clients[0].connection_config
    assert (config.timeout, config.read_timeout) == (CONNECT_SECONDS, READ_SECONDS)


def test_a_server_that_says_nothing_is_given_up() -> None:
    """R13: the time-out is on the wire: a socket that accepts and is silent ends in an error of the SDK's."""
    with socket.create_server(("127.0.0.1", 0)) as silent, transport(1, 0.2) as wire:
        request = HttpRequest("GET", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        with pytest.raises(ServiceResponseTimeoutError):
            wire.send(request)


def test_a_refusal_gives_its_connection_back() -> None:
    """R12: the SDK asks again without having read why a download was refused: that connection serves the next one."""
    callers = []

    class Busy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            callers.append(self.client_address)
            self.send_response_only(503)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"busy")

    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server, transport(1, 1) as wire:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        request = HttpRequest("GET", f"http://127.0.0.1:{server.server_address[1]}/")
        kept = [wire.send(request, stream=True) for _ in range(3)]
        assert [answer.status_code for answer in kept] == [503] * 3
        wire.session.close()
        server.shutdown()
    assert len(set(callers)) == 1


def test_proxies_and_certificates_are_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for once per host, by requests' own rules: HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE; never .netrc."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/bundle.pem")
    storage_session = transport(1, 1).session
    sessions: list[tuple[requests.Session, dict[str, Any]]] = [
        (storage_session, {"headers": {"Authorization": "Bearer x"}, "timeout": (1, 1)}),
        (OutboundSession(), {"headers": {"Authorization": "Bearer x"}}),
    ]
    for session, given in sessions:
        adapter = noting(session)
        for _ in range(2):
            for host in ("outside.example", "inside.example"):
                session.request("GET", f"https://{host}/", **given)
        proxies = [told["proxies"].get("https") for _, told in adapter.asked]
        assert proxies == ["http://proxy.example:3128", None] * 2
        assert {told["verify"] for _, told in adapter.asked} == {"/bundle.pem"}
        assert {asked.headers["Authorization"] for asked, _ in adapter.asked} == {"Bearer x"}
    # What one host was given, another was not.
    assert len({id(told["proxies"]) for _, told in adapter.asked}) >= 2


def test_a_netrc_does_not_overrule_a_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """``requests`` would replace our bearer token by a password that it finds there for the host."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine graph.example login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    session = OutboundSession()
    adapter = noting(session)
    session.get("https://graph.example/v1.0/me", headers={"Authorization": "Bearer x"})
    assert adapter.asked[0][0].headers["Authorization"] == "Bearer x"


def test_what_many_delete_at_once_is_few_requests() -> None:
    """While one request is under way seven threads wait, and one of them asks for all; nothing is left out."""
    asked: list[list[str]] = []
    first, over = threading.Event(), threading.Event()

    def delete(_: str, rows: Any) -> None:
        asked.append(list(rows))
        first.set()
        over.wait(10)

    gathering = Gathering(delete)
    with ThreadPoolExecutor(8) as pool:
        pool.submit(gathering.delete, "p", ["0"])
        assert first.wait(10)
        others = [pool.submit(gathering.delete, "p", [f"{number}", f"{number}b"]) for number in range(1, 8)]
        while len(gathering._waiting) < 7:
            time.sleep(0.01)
        over.set()
        for other in others:
            other.result(10)
    assert asked[0] == ["0"]
    assert len(asked) == 2
    assert sorted(asked[1]) == sorted(f"{number}{more}" for number in range(1, 8) for more in ("", "b"))


def test_a_request_takes_a_hundred_rows_at_most_and_its_fault_is_everybodys() -> None:
    """What is too much for one request is in the next; who was in one that failed hears of it, no one else."""
    asked: list[int] = []
    first, over = threading.Event(), threading.Event()

    def delete(_: str, rows: Any) -> None:
        asked.append(len(rows))
        if len(asked) == 1:
            first.set()
            over.wait(10)
        if len(asked) == 2:
            raise StorageUnavailable("of this test")

    gathering = Gathering(delete)
    with ThreadPoolExecutor(4) as pool:
        pool.submit(gathering.delete, "p", ["0"])
        assert first.wait(10)
        others = [pool.submit(gathering.delete, "p", [f"{n}-{row}" for row in range(50)]) for n in range(3)]
        while len(gathering._waiting) < 3:
            time.sleep(0.01)
        over.set()
        failed = [isinstance(other.exception(10), StorageUnavailable) for other in others]
    assert asked == [1, 100, 50]
    assert sum(failed) == 2


def test_rows_of_many_threads_are_gone(storage: Storage) -> None:
    """In the real table: deleted together, also where one row of one thread was missing, and nothing else."""
    table = storage.table("jobs")
    for number in range(16):
        table.insert("p", f"{number:02d}", {"n": number})
    table.insert("p", "stays", {"n": 0})

    def delete(number: int) -> None:
        missing = [f"missing{number}"] * (number % 2)
        table.delete_together("p", [f"{number:02d}", f"{number + 8:02d}", *missing])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(delete, range(8)))
    assert [row.row for row in table.query("p")] == ["stays"]
