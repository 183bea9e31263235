"""What schemathesis loads: it asks as a device, and as the next one where a device has had all its requests."""

import os
from typing import Any

import schemathesis

TOKENS = os.environ["DEVICE_TOKENS"].split()
_used = 0


@schemathesis.auth()
class Device:
    """The token of the device whose turn it is."""

    def get(self, case: schemathesis.Case, context: Any) -> str:
        """Return the token."""
        return TOKENS[_used]

    def set(self, case: schemathesis.Case, data: str, context: Any) -> None:
        """Send it."""
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def after_call(context: Any, case: schemathesis.Case, response: schemathesis.Response) -> None:
    """429 is a good answer, and a useless one: what comes next is asked by the next device."""
    global _used  # noqa: PLW0603
    if response.status_code == 429 and _used + 1 < len(TOKENS):
        _used += 1
