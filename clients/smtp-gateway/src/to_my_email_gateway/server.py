"""Listening: one process per directory, a certificate where there is one, and an end that loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from to_my_email.store import locked
from to_my_email_gateway.handover import Handing
from to_my_email_gateway.printers import Printers
from to_my_email_gateway.session import Gate, SmtpSession
from to_my_email_gateway.settings import Settings

HANDS = 8
"""Mails that are handed over at the same time."""
LOCKS = 2
"""Secrets that are compared at the same time."""
LAST_SECONDS = 60.0
"""For what is being handed over when the gateway is told to end."""

Ready = Callable[[int, Callable[[], object]], None]

log = logging.getLogger("to_my_email_gateway")


def run(directory: Path, settings: Settings, ready: Ready, **given: Any) -> None:
    """Serve until it is ended.

    Args:
        directory: the gateway's; only one process at a time serves one.
        settings: of gateway.toml.
        ready: hears the port, once printers may come, and what ends the gateway from any thread.
        given: for the device client.

    Raises:
        StoreLocked: another gateway serves this directory.
        OSError: the address cannot be listened on, or the certificate not be read.
    """
    # aiosmtpd tells addresses at INFO, and secrets and whole lines at DEBUG.
    logging.getLogger("mail.log").disabled = True
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(directory / "gateway.lock"):
        handing = Handing(settings.service, settings.language, directory / "work", **given)
        with contextlib.closing(handing), ThreadPoolExecutor(HANDS) as hands, ThreadPoolExecutor(LOCKS) as locks:
            gate = Gate(settings, Printers(directory), handing, hands, locks, tls_context(settings))
            asyncio.run(_serve(gate, ready))


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """Return what STARTTLS needs, or None without a certificate.

    Raises:
        OSError: certificate and key cannot be read, or do not belong together (ssl.SSLError is one).
    """
    if settings.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.certificate, settings.key)
    return context


async def _serve(gate: Gate, ready: Ready) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    server = await loop.create_server(lambda: SmtpSession(gate), gate.settings.host, gate.settings.port)
    port = server.sockets[0].getsockname()[1]
    log.info("listening on port %d", port)
    ready(port, lambda: loop.call_soon_threadsafe(ended.set))
    await ended.wait()
    server.close()
    if gate.handed:
        await asyncio.wait(gate.handed, timeout=LAST_SECONDS)
        await asyncio.sleep(0.1)  # the answers go out; one that does not is asked for again
    for session in list(gate.open):
        if session.transport is not None:
            session.transport.close()
