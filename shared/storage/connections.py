"""Connections to the account: one pool for all clients of the process, and no more work per request than storage needs.

Imports the SDK's core and ``requests`` when it is imported, so who needs it imports it late.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from shared.outbound import KEPT, VerifyingAdapter

BLOCK = 256 * 1024
"""Bytes that are taken from a connection at once; by default the SDK takes 4 KiB, 25 times for a small document."""


class _Session(requests.Session):
    """Sends what the SDK has prepared, as ``requests`` would.

    It leaves out what storage never needs (cookies, redirects, a look into ``.netrc`` and at the environment for each
    request), which is a fifth of what a request costs. The environment's proxies and certificates are asked for once
    per host.
    """

    def __init__(self) -> None:
        super().__init__()
        self._settings: dict[str, dict[str, Any]] = {}
        # The SDK retries itself.
        self.mount("https://", VerifyingAdapter(pool_maxsize=KEPT))
        self.mount("http://", HTTPAdapter(pool_maxsize=KEPT))

    def request(  # type: ignore[override]
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        data: Any = None,
        stream: bool = False,
        timeout: tuple[float, float],
        **_: Any,
    ) -> requests.Response:
        """Send a request of the SDK's (:meth:`azure.core.pipeline.transport.RequestsTransport.send`)."""
        asked = requests.PreparedRequest()
        asked.method, asked.url, asked.headers = method, url, CaseInsensitiveDict(headers)
        asked.prepare_body(data, None)
        answer = self.get_adapter(url).send(asked, stream=stream, timeout=timeout, **self._settings_of(url))
        # Read whole here, where the SDK expects what may go wrong. A refusal, too: the SDK asks again without having
        # read it, and its connection would belong to nobody.
        if not stream or not answer.ok:
            answer.content  # noqa: B018
        return answer

    def _settings_of(self, url: str) -> dict[str, Any]:
        host = url.partition("://")[2].partition("/")[0]
        if host not in self._settings:
            found = self.merge_environment_settings(url, {}, None, None, None)
            self._settings[host] = {name: found[name] for name in ("proxies", "verify", "cert")}
        return self._settings[host]


def transport(connect_seconds: float, read_seconds: float) -> RequestsTransport:
    """Return a transport that clients and threads share; a client that is closed does not close it for the others."""
    made: RequestsTransport = RequestsTransport(
        session=_Session(),
        session_owner=False,
        connection_timeout=connect_seconds,
        read_timeout=read_seconds,
        connection_data_block_size=BLOCK,
    )
    return made
