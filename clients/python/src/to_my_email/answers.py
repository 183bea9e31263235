"""What the device API answers, as the device reads it.

Unknown fields are ignored, so that the service may add some; a field that is missing and has no default
is an answer the device cannot use (``UnexpectedAnswer``). Times stay text (RFC 3339): the device only
shows them and hands them back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, Self

from to_my_email.errors import UnexpectedAnswer

FINAL_STATES = frozenset({"sent", "failed", "cancelled"})
"""States of a scan that no longer change."""


class _Answer:
    @classmethod
    def read(cls, answer: object) -> Self:
        """Read the JSON of an answer.

        Raises:
            UnexpectedAnswer: it is no object, or lacks what the device needs.
        """
        if not isinstance(answer, Mapping):
            raise UnexpectedAnswer
        wanted = dataclasses.fields(cls)  # type: ignore[arg-type]  # each kind of answer is a dataclass
        needed = {each.name for each in wanted if each.default is MISSING and each.default_factory is MISSING}
        if any(answer.get(name) is None for name in needed):
            raise UnexpectedAnswer
        known = {each.name for each in wanted}
        return cls(**{name: value for name, value in answer.items() if name in known})

    def as_json(self) -> dict[str, Any]:
        """Return the fields."""
        return dataclasses.asdict(self)  # type: ignore[call-overload,no-any-return]


@dataclass(frozen=True)
class User:
    """A person as the device's register knows him; ``id`` is the register's, never an address."""

    id: str
    email: str
    name: str = ""


@dataclass(frozen=True)
class Enrolment(_Answer):
    """The answer to an enrolment: active or pending; ``words`` are the key's, the same as on the console."""

    device_id: str
    status: str
    organisation: str = ""
    words: str = ""


@dataclass(frozen=True)
class DeviceRecord(_Answer):
    """The device's own record. ``policy.largest_document`` is bytes, 0 without consent."""

    device_id: str
    status: str = ""
    name: str = ""
    model: str = ""
    serial: str = ""
    group: str = ""
    location: str = ""
    organisation: str = ""
    words: str = ""
    consent: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    email_server: Mapping[str, Any] | None = None
    fax_server: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class UserStatus(_Answer):
    """Whether a person may scan now: ready, sign_in_required or blocked."""

    status: str
    code: int | None = None
    reason: str | None = None
    who: str | None = None
    message: str | None = None
    account_hint: str | None = None


@dataclass(frozen=True)
class Invitation(_Answer):
    """A sign-in or consent that was begun: where the person goes. Times are seconds."""

    id: str
    verification_uri: str
    user_code: str
    expires_in: int
    interval: int
    status: str = "pending"
    verification_uri_complete: str = ""
    panel_uri: str | None = None
    """What the panel may open in a private window of its own, where the organisation allows that."""
    qr_svg: str = ""
    message: str = ""


@dataclass(frozen=True)
class Progress(_Answer):
    """How a sign-in or consent stands: pending, confirm, active, denied, expired or blocked.

    ``link`` and its ``qr_svg`` are the way in where a mail server's codes are blocked.
    """

    status: str
    interval: int = 5
    account_hint: str | None = None
    code: int | None = None
    reason: str | None = None
    who: str | None = None
    message: str | None = None
    link: str | None = None
    qr_svg: str | None = None


@dataclass(frozen=True)
class ServerStatus(_Answer):
    """The device's mail or fax account: signed_in, not_signed_in, expired or blocked; never a token."""

    status: str
    service: str = ""
    account_hint: str | None = None
    delivered: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    settings_version: int | str | None = None
    code: int | None = None
    reason: str | None = None
    who: str | None = None
    message: str | None = None
    last_success_at: str | None = None
    last_error_at: str | None = None
    last_error_code: int | None = None
    last_error_message: str | None = None
    valid_until: str | None = None


@dataclass(frozen=True)
class ScanJob(_Answer):
    """One scan and its state."""

    id: str
    kind: str
    state: str
    created_at: str
    updated_at: str
    code: int | None = None
    reason: str | None = None
    message: str | None = None
    who: str | None = None
    title: str = ""
    attempts: int = 0
    next_attempt_at: str | None = None
    upload: Mapping[str, Any] | None = field(default=None, repr=False)
    """Where to put the bytes, while they are awaited: holds a signature, so it is never shown."""

    @property
    def final(self) -> bool:
        """Whether the state can no longer change."""
        return self.state in FINAL_STATES

    def as_json(self) -> dict[str, Any]:
        """Return the fields that may be shown."""
        return {name: value for name, value in super().as_json().items() if name != "upload"}
