"""The doors: decode, call one room, encode. No business decision lives here.

Each HTTP door is a function of its own in the portal, and an ASGI app of its own in here, built on its first
request by the module's ``build(services)``; the queue door, the timers and the command are plain functions. A door may
import ``shared``, FastAPI and the standard library, no vendor SDK, and nothing imports a door but
``function_app.py`` and whoever serves the same doors elsewhere (``local/``).
"""

from collections.abc import Mapping

HTTP_DOORS: Mapping[str, str] = {
    "api": "device_api",
    "consent": "consent",
    "s": "sign_in",
    "auth": "sign_in",
    "me": "me",
    "console": "console",
    "": "front",
}
"""First segment of the path -> module with ``build``. The empty one takes whatever no other takes."""

DELIVERIES = "deliveries"
STORAGE_SETTING = "DataStorage"
SWEEP_SCHEDULE = "30 * * * * *"
RENEWAL_SCHEDULE = "50 * * * * *"
EXPIRY_SCHEDULE = "0 17 * * * *"
KEYS_SCHEDULE = "0 43 2 1 * *"
"""NCRONTAB, in UTC: sweep and renewal every minute, expiry every hour, keys every month."""
