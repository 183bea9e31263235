"""The device's client of the device API, version 1: synchronous, typed, and nothing but the API.

A call that the service refuses, or that gets no answer, raises ``Problem``; ``connection`` says what
is tried again before that.
"""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from local.printer.answers import Enrolment, Invitation, Progress, Scan, UserStatus
from local.printer.connection import Connection, json_object
from local.printer.key import DeviceKey
from local.printer.problem import Problem

LONGEST_POLL = 20
"""Seconds; the device API's own limit."""

_SLOWER = 5
"""Seconds."""


class Device:
    """One enrolled (or enrollable) device of the service at ``service`` (its PUBLIC_URL).

    Keeps its key and its enrolment in ``folder``. Safe for use from several threads.
    """

    def __init__(
        self,
        service: str,
        folder: Path,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._key = DeviceKey.keep(folder / "device-key.pem")
        self._enrolment_file = folder / "enrolment.json"
        self._clock = clock
        self._sleep = sleep
        self._connection = Connection(service, self._key, clock=clock, sleep=sleep)
        self.sign_ins = Approvals(self._connection, "sign-ins", sleep)
        self.consents = Approvals(self._connection, "consents", sleep)
        enrolment = self.enrolment
        if enrolment:
            self._connection.device_id = enrolment.device_id

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
        """The kept enrolment at this service, or None: an enrolment elsewhere counts for nothing here."""
        try:
            kept = json.loads(self._enrolment_file.read_text("utf-8"))
        except FileNotFoundError:
            return None
        return Enrolment.model_validate(kept["enrolment"]) if kept["service"] == self.service else None

    def enrol(self, ticket: str, *, model: str, serial: str, name: str) -> Enrolment:
        """Enrol under a console ticket with a proof of possession of the device's key, and keep the answer."""
        proof = self._key.sign(
            "enrolment-proof+jwt", {"nonce": self._connection.nonce(), "jkt": self._key.thumbprint, "aud": self.service}
        )
        answer = self._connection.call(
            "POST",
            "enrolments",
            anonymous=True,
            json={
                "ticket": ticket.strip(),
                "jwk": self._key.jwk,
                "model": model,
                "serial": serial,
                "name": name,
                "locale": self.language,
                "proof": proof,
            },
        )
        enrolment = Enrolment.model_validate(answer)
        kept = {"service": self.service, "enrolment": enrolment.model_dump()}
        self._enrolment_file.write_text(json.dumps(kept, ensure_ascii=False, indent=2), "utf-8")
        self._connection.device_id = enrolment.device_id
        self._connection.forget_token()
        return enrolment

    def about(self) -> dict[str, Any]:
        """Return the device's own record: group, organisation, consent, policy, limits."""
        return json_object(self._connection.call("GET", "device"))

    # People

    def user(self, user_id: str) -> UserStatus:
        """Tell whether this person may scan now, must sign in first, or is blocked."""
        return UserStatus.model_validate(self._connection.call("GET", f"users/{user_id}"))

    # Scans

    def submit(self, manifest: Mapping[str, Any], document: bytes) -> Scan:
        """Hand over a scan in one request (multipart); the same id and manifest again is the same job.

        Args:
            manifest: what ``make_manifest`` made.
            document: the bytes it describes, 10 MB at most on this way.
        """
        described = manifest["document"]
        parts = {
            "manifest": ("manifest.json", json.dumps(manifest), "application/json"),
            "document": (described["name"], document, described["type"]),
        }
        return Scan.model_validate(self._connection.call("POST", "scans", files=parts))

    def scan(self, scan_id: str, *, wait: int = 0, since: str | None = None) -> Scan:
        """Return the job; with ``wait`` (seconds) and ``since`` (its last ``updated_at``) wait for a change."""
        params = {"wait": str(min(wait, LONGEST_POLL)), "since": since} if wait and since else None
        return Scan.model_validate(self._connection.call("GET", f"scans/{scan_id}", params=params, extra_time=wait))

    def follow(self, scan: Scan, *, patience: float, seen: Callable[[Scan], None] = lambda _: None) -> Scan:
        """Follow a job until its state is final or ``patience`` (seconds) is over; ``seen`` hears every change."""
        ends = self._clock() + patience
        while not scan.final and self._clock() < ends:
            later = self.scan(scan.id, wait=LONGEST_POLL, since=scan.updated_at)
            if later.updated_at == scan.updated_at:
                self._sleep(1)  # a service that does not wait must not be hammered
            elif later.state != scan.state:
                seen(later)
            scan = later
        return scan

    def history(self, cursor: str | None = None) -> tuple[list[Scan], str | None]:
        """Return one page of the job history, newest first, and the cursor of the next one or None."""
        answer = json_object(self._connection.call("GET", "scans", params={"cursor": cursor} if cursor else None))
        return [Scan.model_validate(row) for row in answer["scans"]], answer.get("cursor")

    def cancel(self, scan_id: str) -> None:
        """Cancel a job that has not been sent."""
        self._connection.call("DELETE", f"scans/{scan_id}")


class Approvals:
    """Sign-ins and consents: the same four calls, a person elsewhere, an OK at the panel."""

    def __init__(self, connection: Connection, path: str, sleep: Callable[[float], None]) -> None:
        self._connection = connection
        self._sleep = sleep
        self._path = path

    def start(self, request: Mapping[str, Any]) -> Invitation:
        """Begin one: ``{user: {id, email, name?}}`` for a sign-in, ``{range?}`` for a consent; adds the locale."""
        body = {"locale": self._connection.language, **request}
        return Invitation.model_validate(self._connection.call("POST", self._path, json=body))

    def look(self, approval_id: str) -> Progress:
        """Ask once how it stands; asking too fast raises Problem ``slow_down`` with its retry_after."""
        return Progress.model_validate(self._connection.call("GET", f"{self._path}/{approval_id}"))

    def wait(self, begun: Invitation) -> Progress:
        """Ask at the service's interval until it is pending no more; the service ends it after ``expires_in``.

        Told to slow down, it does as RFC 8628 section 3.5 says: from then on five seconds more.
        """
        interval = float(begun.interval)
        while True:
            try:
                progress = self.look(begun.id)
            except Problem as problem:
                if problem.reason != "slow_down":
                    raise
                interval = max(interval + _SLOWER, problem.retry_after or 0)
            else:
                if progress.status != "pending":
                    return progress
            self._sleep(interval)

    def confirm(self, approval_id: str) -> Progress:
        """Say the person's OK."""
        answer = self._connection.call("POST", f"{self._path}/{approval_id}/confirm")
        return Progress.model_validate(answer or {"status": "active"})

    def cancel(self, approval_id: str) -> None:
        """Withdraw it; what the person does afterwards has no effect."""
        self._connection.call("DELETE", f"{self._path}/{approval_id}")


def make_manifest(
    document: bytes, *, name: str, media_type: str, user_id: str, title: str | None = None, locale: str = "en"
) -> dict[str, Any]:
    """Describe a scan to the person's own mailbox, under a new id that the device makes (UUID)."""
    manifest: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "kind": "to_my_email",
        "user": user_id,
        "locale": locale,
        "document": {
            "name": name,
            "type": media_type,
            "size": len(document),
            "sha256": hashlib.sha256(document).hexdigest(),
        },
    }
    if title:
        manifest["title"] = title
    return manifest
