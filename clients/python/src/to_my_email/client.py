"""The stories of a device: enrol, sign people in, scan (:mod:`to_my_email.scanning`), change the key."""

from __future__ import annotations

import os
import threading
from typing import Any, Self

from to_my_email.answers import DeviceRecord, Enrolment, Progress, User, UserStatus
from to_my_email.api import Api, Server
from to_my_email.connection import PATIENCE
from to_my_email.handoffs import Ask, Show
from to_my_email.handover import BLOCK, INLINE_LARGEST
from to_my_email.scanning import Scanning
from to_my_email.store import Store


class Client(Scanning):
    """A device, with all that :class:`Scanning` does. Keeps everything in ``store``, which several processes may use.

    Safe for several threads.

    Args:
        service: the service's address: https, or http on the loopback.
        store: a :class:`Store`, or the path of its directory.
        inline_largest, block: sizes in bytes, see ``handover``.
        given: ``dpop=True`` asks for tokens bound to the device's key (RFC 9449); clocks for tests.

    Raises:
        ValueError: the address is not such a one.
    """

    def __init__(
        self,
        service: str,
        store: Store | str | os.PathLike[str],
        *,
        inline_largest: int = INLINE_LARGEST,
        block: int = BLOCK,
        **given: Any,
    ) -> None:
        super().__init__(Api(service, store, **given), inline_largest=inline_largest, block=block)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Who the device is

    @property
    def language(self) -> str:
        """The language (BCP 47 tag) in which the service answers; may be set at any time."""
        return self.api.language

    @language.setter
    def language(self, tag: str) -> None:
        self.api.language = tag

    @property
    def enrolment(self) -> Enrolment | None:
        """The kept enrolment at this service, or None."""
        return self.api.enrolment

    def enrol(self, ticket: str, *, model: str, serial: str, name: str, patience: float = PATIENCE) -> Enrolment:
        """Enrol under a ticket (pasted) or a short code (typed). See :meth:`Api.enrol`."""
        return self.api.enrol(ticket, model=model, serial=serial, name=name, patience=patience)

    def about(self) -> DeviceRecord:
        """Return the device's own record."""
        return self.api.about()

    @property
    def email_server(self) -> Server:
        """The printer's own mailbox."""
        return self.api.email_server

    @property
    def fax_server(self) -> Server:
        """The printer's fax account."""
        return self.api.fax_server

    # People

    def user(self, user_id: str) -> UserStatus:
        """Tell whether this person may scan now, must sign in first, or is blocked."""
        return self.api.user(user_id)

    def sign_in(
        self,
        user: User,
        *,
        on_code: Show | None = None,
        on_qr: Show | None = None,
        on_confirm: Ask | None = None,
        cancel: threading.Event | None = None,
    ) -> Progress:
        """Let a person sign in, once for all devices of the group. Returns when he may scan.

        ``on_code`` and ``on_qr`` are called once, ``on_confirm`` when he has signed in, with his account
        (masked); they and ``cancel`` are :meth:`Handoffs.through`'s.

        Raises:
            Cancelled: the person said no, or ``cancel`` was set.
            SignInRequired: it was denied or ran out.
        """
        person = {"id": user.id, "email": user.email, **({"name": user.name} if user.name else {})}
        return self.api.sign_ins.through(
            {"user": person}, on_code=on_code, on_qr=on_qr, on_confirm=on_confirm, cancel=cancel
        )

    def consent(
        self,
        permission_range: str | None = None,
        *,
        on_code: Show | None = None,
        on_qr: Show | None = None,
        on_confirm: Ask | None = None,
        cancel: threading.Event | None = None,
    ) -> Progress:
        """Let an administrator consent for the organisation, in his browser; as :meth:`sign_in` otherwise.

        Args:
            permission_range: ``send``, ``send-large`` or ``send-verified``; the service's default without it.
            on_code: as for :meth:`sign_in`.
            on_qr: likewise.
            on_confirm: likewise.
            cancel: likewise.
        """
        wanted = {"range": permission_range} if permission_range else {}
        return self.api.consents.through(wanted, on_code=on_code, on_qr=on_qr, on_confirm=on_confirm, cancel=cancel)

    # The key

    def roll_key(self) -> None:
        """Put a new key in the place of the device's key. May be repeated after any cut.

        The new key is on the disk before the service hears of it, and becomes the device's before it is
        first used: the service takes the old one until then, so no cut locks the device out.
        """
        with self.api.store.exclusive():
            self.api.change_key(self.api.store.next_key())
            self.api.store.promote()
        self.api.connection.tokens.forget()
