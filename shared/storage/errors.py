"""What can go wrong with storage, in three facts and one fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared.faults import StorageUnavailable


class AlreadyThere(Exception):
    """An insert found the row or blob already there."""


class Changed(Exception):
    """Compare-and-swap lost: the row or blob is another one than was read."""


class Gone(Exception):
    """There is no such row or blob (any more)."""


class NoToken(Exception):
    """The app's identity got no token for storage. Never leaves this room."""


_NOT_SET_UP = ("TableNotFound", "QueueNotFound", "ContainerNotFound")
"""A 404 for the place and not for the thing in it: to the callers it must not look like an empty place."""


@contextmanager
def speaking() -> Iterator[None]:
    """Translate the SDK's exceptions.

    Raises:
        AlreadyThere: 409.
        Changed: 412.
        Gone: 404.
        StorageUnavailable: no connection, a time-out, 429 or 5xx after the SDK's own retries; the account refuses
            us or is not set up; or our identity got no token.
    """
    from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError

    try:
        yield
    except HttpResponseError as error:
        match error.status_code:
            case 404 if not any(code in str(error) for code in _NOT_SET_UP):
                raise Gone from error
            case 409:
                raise AlreadyThere from error
            case 412:
                raise Changed from error
            case 401 | 403 | 404 | 429 | 500 | 502 | 503 | 504 | None:
                raise StorageUnavailable(f"status {error.status_code}", retry_after=5) from error
            case _:
                raise
    except NoToken as error:
        raise StorageUnavailable(f"no token: {error}", retry_after=5) from error
    except (ServiceRequestError, ServiceResponseError) as error:
        raise StorageUnavailable(type(error).__name__, retry_after=5) from error
    except AzureError as error:
        # Truncated downloads and the like; the message may quote content, so only its type is kept.
        raise StorageUnavailable(type(error).__name__, retry_after=5) from error
