"""What the device API answers, as the device reads it.

Unknown fields are ignored, so that the service may add some; a field that is missing and has no
default is an answer the device cannot use. Times stay text: the device only shows them and hands
them back.
"""

from pydantic import BaseModel, ConfigDict

FINAL_STATES = frozenset({"sent", "failed", "cancelled"})
"""States of a scan that no longer change."""


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Enrolment(_Answer):
    """The answer to an enrolment; ``words`` is the key's thumbprint in words, the same as on the console."""

    device_id: str
    status: str
    organisation: str = ""
    words: str = ""


class UserStatus(_Answer):
    """Whether a person may scan now: ready, sign_in_required or blocked."""

    status: str
    code: int | None = None
    reason: str | None = None
    who: str | None = None
    message: str | None = None
    account_hint: str | None = None


class Invitation(_Answer):
    """A sign-in or consent that was begun: where the person goes. Times are seconds."""

    id: str
    status: str
    verification_uri: str
    verification_uri_complete: str
    user_code: str
    qr_svg: str
    expires_in: int
    interval: int
    message: str = ""


class Progress(_Answer):
    """How a sign-in or consent stands: pending, confirm, active, denied or expired; ``interval`` is seconds."""

    status: str
    interval: int = 5
    account_hint: str | None = None
    code: int | None = None
    reason: str | None = None
    who: str | None = None
    message: str | None = None


class Scan(_Answer):
    """One job and its state."""

    id: str
    kind: str
    state: str
    code: int | None = None
    reason: str | None = None
    message: str | None = None
    who: str | None = None
    attempts: int = 0
    created_at: str
    updated_at: str
    next_attempt_at: str | None = None

    @property
    def final(self) -> bool:
        """Whether the state can no longer change."""
        return self.state in FINAL_STATES
