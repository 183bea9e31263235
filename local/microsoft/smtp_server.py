"""Serves the emulated Exchange Online and Outlook.com for submission, on two ports of the loopback address."""

import asyncio
import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import trustme

from local.tls import Tls

from .cloud import Cloud
from .server import listening
from .smtp import Connection
from .smtp_submission import EXCHANGE, OUTLOOK_COM, Profile, Submission
from .switchboard import Switchboard

_START_SECONDS = 10.0


@dataclass(frozen=True)
class Submitting:
    """Where the two listen (``host:port``), and what their connections share."""

    exchange: str
    outlook: str
    submission: Submission


@contextmanager
def running(cloud: Cloud, tls: Tls, switchboard: Switchboard, ports: tuple[int, int] = (0, 0)) -> Iterator[Submitting]:
    """Serve in a thread; port 0 takes a free one.

    Raises:
        OSError: a port is taken. TimeoutError: it did not start within ten seconds.
    """
    # aiosmtpd tells addresses at INFO and whole lines at DEBUG.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    submission = Submission(cloud, switchboard, cache(lambda: _context(tls)), cache(lambda: _other_host(tls)))
    loop, started, ended = asyncio.new_event_loop(), Event(), asyncio.Event()
    connections: set[Connection] = set()

    def connected(profile: Profile) -> Connection:
        connection = Connection(submission, profile, connections.discard)
        connections.add(connection)
        return connection

    async def serve() -> None:
        for profile, opened in ((EXCHANGE, exchange), (OUTLOOK_COM, outlook)):
            await loop.create_server(partial(connected, profile), sock=opened)
        started.set()
        await ended.wait()
        handlers = [connection.abort() for connection in list(connections)]
        await asyncio.gather(*handlers, return_exceptions=True)

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    with listening(ports[0]) as exchange, listening(ports[1]) as outlook:
        thread = Thread(target=run, name="emulated-exchange", daemon=True)
        thread.start()
        if not started.wait(_START_SECONDS):
            raise TimeoutError("the emulated Exchange did not start")
        try:
            here, there = (f"localhost:{each.getsockname()[1]}" for each in (exchange, outlook))
            yield Submitting(here, there, submission)
        finally:
            loop.call_soon_threadsafe(ended.set)
            thread.join(_START_SECONDS)


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate_file, tls.key_file)
    return context


def _other_host(tls: Tls) -> ssl.SSLContext:
    """Present a certificate that this machine's authority gave to somebody else."""
    authority = trustme.CA.from_pem(tls.ca_file.read_bytes(), (tls.ca_file.parent / "ca-key.pem").read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as directory:
        file = Path(directory) / "other.pem"
        issued = authority.issue_cert("elsewhere.example")
        file.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
        context.load_cert_chain(file)
    return context
