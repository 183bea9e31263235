"""Calls that leave us: every one with a time-out, none follows a redirect or keeps a cookie."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any

import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter

CONNECT_SECONDS = 5
READ_SECONDS = 20
KEPT = 64
"""Idle connections for one host: more than AnyIO's 40 threads, or those of the queue door (host.json)."""
IDLE_SECONDS = 60
"""A connection that nobody used for longer is made anew. Networks forget idle ones in silence (Azure's after four
minutes); a mail that goes into such a one as a whole is a mail of which nobody knows what became."""


@cache
def _verifying(authorities: str) -> ssl.SSLContext:
    if Path(authorities).is_dir():
        return ssl.create_default_context(capath=authorities)
    return ssl.create_default_context(cafile=authorities)


class VerifyingAdapter(HTTPAdapter):
    """Reads the certificate authorities once a process: 20 ms, which ``requests`` takes for every new connection.

    There is no way past it: ``verify=False`` is no path, and the authorities are asked as ever.
    """

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Return what tells pools apart: host and context; ``verify`` may be the authorities' path."""
        host, _ = super().build_connection_pool_key_attributes(request, True, cert)
        return host, {"ssl_context": _verifying(verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH)}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: the context verifies, and a path set here would be read again."""


class OutboundSession(requests.Session):
    """A session that threads and people can share: it remembers connections and nothing else.

    A redirect could lead anywhere (threat C16), and a cookie would carry something of one person's answer into the
    next person's request.

    Args:
        clock: seconds, for how long connections have been idle.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._used = clock()
        self._settings: dict[str, Any] = {}
        # The environment is asked once per host below; asked for each request, ``.netrc`` could overrule our tokens.
        self.trust_env = False
        # Threads that find no idle connection open one; requests would keep ten, and shake hands again for the others.
        self.mount("https://", VerifyingAdapter(pool_maxsize=KEPT))
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request as ``requests`` does, within :data:`READ_SECONDS` unless the caller says otherwise."""
        kwargs.setdefault("timeout", (CONNECT_SECONDS, READ_SECONDS))
        kwargs["allow_redirects"] = False
        if self._clock() - self._used > IDLE_SECONDS:
            # It stays usable: only what is idle is closed.
            self.close()
        self._used = self._clock()
        return super().request(*args, **kwargs)

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Return proxies and certificates: those of the environment, as ``requests`` reads them."""
        if proxies or verify is not None or cert is not None:
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        host = str(url).partition("://")[2].partition("/")[0]
        if host not in self._settings:
            self._settings[host] = requests.Session().merge_environment_settings(url, {}, None, None, None)
        return {**self._settings[host], "stream": bool(stream)}
