"""The device API, version 1: one typed method for each call, and nothing but the API.

For devices that have a spool and a panel of their own; ``client`` tells the whole stories.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from urllib3.filepost import encode_multipart_formdata

from to_my_email.answers import (
    DeviceRecord,
    Enrolment,
    Invitation,
    Progress,
    ScanJob,
    ServerStatus,
    UserStatus,
)
from to_my_email.connection import PATIENCE, Connection
from to_my_email.errors import NotAvailable, NotEnrolled, Refused, Temporary, UnexpectedAnswer
from to_my_email.handoffs import Handoffs
from to_my_email.key import DeviceKey
from to_my_email.store import Store
from to_my_email.wire import Body

LONGEST_POLL = 20
"""Seconds; the device API's own limit."""

ROLLOVER_TYPE = "key-rollover+jwt"

_NOT_FOUND = 404


class Api:
    """One device and the service at ``service``; its key and enrolment are kept in ``store``.

    Safe for use from several threads. Every method raises the errors of ``errors``.

    Args:
        service: https address, or http on the loopback.
        store: a :class:`Store`, or the path of its directory.
        given: ``dpop``, and clocks for tests (see ``connection``).
    """

    def __init__(self, service: str, store: Store | str | os.PathLike[str], **given: Any) -> None:
        self.store = store if isinstance(store, Store) else Store(store)
        self._connection = Connection(service, self.store, **given)
        self.sign_ins = Handoffs(self._connection, "sign-ins")
        self.consents = Handoffs(self._connection, "consents")
        self.email_server = Server(self._connection, "email-server")
        self.fax_server = Server(self._connection, "fax-server")

    @property
    def connection(self) -> Connection:
        """The wire."""
        return self._connection

    @property
    def service(self) -> str:
        """The service's address, without a slash at its end."""
        return self._connection.service

    @property
    def language(self) -> str:
        """The language (BCP 47 tag) in which the service answers; may be set at any time."""
        return self._connection.language

    @language.setter
    def language(self, tag: str) -> None:
        self._connection.language = tag

    def close(self) -> None:
        """Close the device's connections."""
        self._connection.close()

    # Who the device is

    @property
    def enrolment(self) -> Enrolment | None:
        """The kept enrolment at this service, or None."""
        return self.store.enrolment(self.service)

    def enrol(self, ticket: str, *, model: str, serial: str, name: str, patience: float = PATIENCE) -> Enrolment:
        """Enrol under a ticket (pasted) or a short code (typed), with a proof of the device's key; keep the answer.

        The same ticket with the same key is the same device, so a lost answer costs nothing. Only one
        process at a time enrols.
        """
        with self.store.exclusive():
            key = self.store.make_key()
            pauses, body = self._connection.pauses(patience), {"model": model, "serial": serial, "name": name}
            while True:
                # Signed anew for every attempt: a nonce lives for minutes, and an outage may outlive it.
                try:
                    claims = {"nonce": self._connection.nonce(), "jkt": key.thumbprint, "aud": self.service}
                    proof = key.sign("enrolment-proof+jwt", claims)
                    told = {"ticket": ticket.strip(), "jwk": key.jwk, "locale": self.language, "proof": proof, **body}
                    enrolment = Enrolment.read(
                        self._connection.call("POST", "enrolments", anonymous=True, patience=0, json=told)
                    )
                    break
                except Temporary as fault:
                    if isinstance(fault, UnexpectedAnswer) and fault.status:
                        raise
                    pauses.after(fault)
            self.store.keep(self.service, enrolment)
        self._connection.tokens.forget()
        return enrolment

    def change_key(self, new: DeviceKey) -> None:
        """Announce the key that is to follow, signed by the old one and by itself; may be repeated.

        The service takes the old key until the new one's first use.
        """
        enrolment = self.enrolment
        if enrolment is None:
            raise NotEnrolled
        old, nonce = self.store.key(), self._connection.nonce()
        claims = {"nonce": nonce, "jkt": new.thumbprint, "aud": self.service, "sub": enrolment.device_id}
        body = {
            "jwk": new.jwk,
            "old_proof": old.sign(ROLLOVER_TYPE, claims),
            "new_proof": new.sign(ROLLOVER_TYPE, claims),
        }
        self._connection.call("PUT", "device/key", json=body)

    def about(self, *, patience: float = PATIENCE) -> DeviceRecord:
        """Return the device's own record: group, organisation, consent, policy."""
        return DeviceRecord.read(self._connection.call("GET", "device", patience=patience))

    # People

    def user(self, user_id: str) -> UserStatus:
        """Tell whether this person may scan now, must sign in first, or is blocked."""
        return UserStatus.read(self._connection.call("GET", f"users/{user_id}"))

    # Scans

    def submit(
        self,
        manifest: Mapping[str, Any],
        document: bytes,
        *,
        sent: Callable[[int], None] = lambda _: None,
        patience: float = PATIENCE,
    ) -> ScanJob:
        """Hand over a scan in one request (multipart); the same id and manifest again is the same job.

        Args:
            manifest: as the device API has it.
            document: the bytes it describes, 10 MB at most on this way.
            sent: hears how many bytes have gone out.
            patience: seconds to spend waiting between attempts.
        """
        described = manifest["document"]
        parts: Mapping[str, tuple[str, str | bytes, str]] = {
            "manifest": ("manifest.json", json.dumps(manifest), "application/json"),
            "document": ("document", document, described["type"]),
        }
        content, kind = encode_multipart_formdata(parts)
        answer = self._connection.call("POST", "scans", patience=patience, multipart=(Body(content, sent), kind))
        return ScanJob.read(answer)

    def announce(self, manifest: Mapping[str, Any], *, patience: float = PATIENCE) -> ScanJob:
        """Announce a scan whose bytes go straight to storage: the answer's ``upload`` says where.

        The same manifest again renews an address that has expired; of a scan that the service already has,
        the answer brings no ``upload``.
        """
        return ScanJob.read(self._connection.call("POST", "scans", patience=patience, json=dict(manifest)))

    def commit(self, scan_id: str, *, patience: float = PATIENCE) -> ScanJob:
        """Say that the bytes are there; the service looks at them and accepts the scan."""
        return ScanJob.read(self._connection.call("POST", f"scans/{scan_id}/commit", patience=patience))

    def scan(self, scan_id: str, *, wait: int = 0, since: str | None = None) -> ScanJob:
        """Return the job; with ``wait`` (seconds) and ``since`` (its last ``updated_at``) wait for a change."""
        wait = min(wait, LONGEST_POLL)
        params = {"wait": str(wait), "since": since} if wait and since else None
        return ScanJob.read(self._connection.call("GET", f"scans/{scan_id}", params=params, extra_time=wait))

    def history(self, cursor: str | None = None) -> tuple[list[ScanJob], str | None]:
        """Return one page of the job history, newest first, and the cursor of the next one or None."""
        answer = self._connection.call("GET", "scans", params={"cursor": cursor} if cursor else None)
        if not isinstance(answer, Mapping) or not isinstance(answer.get("scans"), list):
            raise UnexpectedAnswer
        return [ScanJob.read(row) for row in answer["scans"]], answer.get("cursor")

    def cancel(self, scan_id: str) -> None:
        """Cancel a job that has not been sent."""
        self._connection.call("DELETE", f"scans/{scan_id}")

    # The sheet that shows how the device stands

    def status_sheet(self) -> bytes:
        """Return the status sheet as PDF."""
        answer: bytes = _offered(lambda: self._connection.call("GET", "status-sheet", accept="application/pdf"))
        return answer

    def status_facts(self) -> Mapping[str, Any]:
        """Return what stands on the status sheet."""
        answer = _offered(lambda: self._connection.call("GET", "status-sheet"))
        if not isinstance(answer, Mapping):
            raise UnexpectedAnswer
        return answer


class Server:
    """The device's own mail account (``email-server``) or fax account (``fax-server``).

    Every method raises ``NotAvailable`` where the service does not offer it.
    """

    def __init__(self, connection: Connection, path: str) -> None:
        self._connection = connection
        self._path = path
        self._handoffs = Handoffs(connection, f"{path}/sign-ins")

    def status(self) -> ServerStatus:
        """Return how the account stands."""
        return ServerStatus.read(_offered(lambda: self._connection.call("GET", self._path)))

    def start(self, service: str = "exchange_online") -> Invitation:
        """Begin a sign-in (Entra's device code): ``exchange_online`` or ``outlook_com``."""
        body = {"service": service, "locale": self._connection.language}
        answer = _offered(lambda: self._connection.call("POST", f"{self._path}/sign-ins", json=body))
        return Invitation.read(answer)

    def look(self, sign_in_id: str) -> Progress:
        """Ask once how a sign-in stands."""
        return self._handoffs.look(sign_in_id)

    def wait(self, begun: Invitation) -> Progress:
        """Ask at the service's interval until the sign-in is pending no more."""
        return self._handoffs.wait(begun)

    def cancel(self, sign_in_id: str) -> None:
        """Withdraw a sign-in."""
        self._handoffs.cancel(sign_in_id)

    def acknowledge(self, settings_version: int | str) -> None:
        """Say that the device has stored the settings of this version."""
        body = {"settings_version": settings_version}
        _offered(lambda: self._connection.call("POST", f"{self._path}/acknowledge", json=body))


def _offered(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except (Refused, UnexpectedAnswer) as refusal:
        if refusal.status != _NOT_FOUND:
            raise
        missing = NotAvailable(
            "not_available", status=_NOT_FOUND, who="operator", title="This service does not offer that (yet)"
        )
    raise missing
