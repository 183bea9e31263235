"""Connections that are kept: as many as threads ask at once, where the SDK would keep ten and open the others anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.core.pipeline.transport import RequestsTransport

KEPT = 64
"""For one client and host: more than AnyIO's 40 threads, or those of the queue door (host.json)."""


def kept() -> RequestsTransport:
    """Return a transport of the SDK's with room for :data:`KEPT` idle connections."""
    import requests
    from azure.core.pipeline.transport import RequestsTransport
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    # The SDK retries itself.
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=KEPT, max_retries=0))
    transport: RequestsTransport = RequestsTransport(session=session)
    return transport
