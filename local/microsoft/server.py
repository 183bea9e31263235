"""Puts the parts together and serves them over TLS on the loopback address."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from local import serving
from local.tls import Tls

from .admin_consent import AdminConsent
from .cloud import Cloud
from .device_code import DeviceCodeEndpoint
from .drafts import Drafts
from .graph import Graph
from .key_vault import KeyVaultEndpoints
from .login import Login
from .mailbox_pages import MailboxPages
from .managed_identity import ManagedIdentityEndpoint
from .pages import SUBMIT_SCRIPT, page
from .sign_in import SignIn
from .switch_pages import SwitchPages
from .switchboard import Switchboard
from .token import TokenEndpoint
from .wire import FaultyWire


class Server:
    """The emulated Microsoft cloud as an ASGI app, its switchboard, and the uvicorn that serves it."""

    def __init__(self, cloud: Cloud, tls: Tls, switchboard: Switchboard | None = None) -> None:
        self.cloud = cloud
        self.switchboard = switchboard or Switchboard(cloud)
        sign_in, graph = SignIn(cloud), Graph(cloud)
        app = Starlette(
            routes=[
                Route("/", _index),
                Route("/-/submit.js", _submit_script),
                *sign_in.routes,
                *SwitchPages(cloud, self.switchboard).routes,
                *MailboxPages(cloud).routes,
                *graph.routes,
                *Drafts(cloud, graph).routes,
                *Login(cloud, sign_in).routes,
                *AdminConsent(cloud, sign_in).routes,
                *DeviceCodeEndpoint(cloud, sign_in).routes,
                *TokenEndpoint(cloud).routes,
                *KeyVaultEndpoints(cloud.key_vault, cloud.access_token, cloud.clock).routes,
                *ManagedIdentityEndpoint(cloud).routes,
            ],
            # A page elsewhere cannot reach us under a name of its own (DNS rebinding).
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1"])],
        )
        wire = FaultyWire(app, cloud, self.switchboard)
        config = uvicorn.Config(
            wire,
            http="h11",
            ws="none",
            lifespan="off",
            ssl_certfile=str(tls.certificate_file),
            ssl_keyfile=str(tls.key_file),
            log_level="critical",
            access_log=False,
            server_header=False,
            # Longer than our own sessions keep an idle connection (shared/outbound.py), as Microsoft's front ends do:
            # one that is closed at the moment of its next use looks like an outage.
            timeout_keep_alive=120,
            # Ours goes by the cloud's clock (:mod:`.wire`).
            date_header=False,
            timeout_graceful_shutdown=1,
        )
        # TLS would wait for the goodbye of connections that clients keep alive.
        self.uvicorn = serving.Server(config, cut=True)
        wire.connections = self.uvicorn.server_state.connections


def listening(port: int) -> socket.socket:
    """Open the listening socket on 127.0.0.1; port 0 takes a free one."""
    # With the protocol named, asyncio turns Nagle's algorithm off: without, each answer is 40 ms late.
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.bind(("127.0.0.1", port))
    opened.listen(128)
    return opened


@contextmanager
def running(cloud: Cloud, tls: Tls, port: int = 0, switchboard: Switchboard | None = None) -> Iterator[str]:
    """Serve in a thread and yield the base URL, ``https://localhost:{port}``.

    Raises:
        RuntimeError: it did not start.
    """
    server = Server(cloud, tls, switchboard).uvicorn
    with listening(port) as opened, serving.serving(server, opened) as served:
        yield f"https://localhost:{served}"


async def _index(_request: Request) -> Response:
    return page("index.html")


async def _submit_script(_request: Request) -> Response:
    return PlainTextResponse(SUBMIT_SCRIPT, media_type="text/javascript")
