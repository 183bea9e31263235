"""What printers and people do at the service's doors, and what must be true of it afterwards."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from local.person import LostError
from shared.organisations.ranges import RANGES
from tests.manifests import make_manifest
from tests.proof.site import CONTOSO, Site

ADELE = "adele.vance@contoso.example"
DOCUMENT = b"%PDF-1.7 the scan\n%%EOF\n"
ALONE = 180.0
"""Seconds within which an accepted scan is delivered although its printer never comes again."""


@dataclass
class Doors:
    """One work of the HTTP doors: what is done before, what happens, and what is true when it was done again.

    ``again`` is done without any disturbance after the kill, as a printer or a person would.
    """

    site: Site
    directory: Path
    device: Any = None
    manifest: Any = None
    document: bytes = DOCUMENT
    ticket: str = ""
    serial: str = ""
    ends: tuple[str, ...] = ("sent",)

    def enrolled(self) -> None:
        """A printer is there."""
        with self.site.serving():
            self.device = self.site.printer(self.directory)

    # Enrolment

    def before_enrolment(self) -> None:
        """A ticket is there, and a printer that is new."""
        self.device, self.serial = self.site.device(self.directory), secrets.token_hex(4)
        self.ticket = self.site.rooms.tickets.issue(CONTOSO, "office", "2nd floor")

    def enrol(self) -> None:
        """It enrols."""
        self.device.enrol(self.ticket, model="V", serial=self.serial, name="P")

    def after_enrolment(self) -> None:
        """It is let in, and it is one printer."""
        assert self.device.about().device_id == self.device.enrolment.device_id
        mine = [row for row in self.site.rows("devices") if row["RowKey"] == self.device.enrolment.device_id]
        assert len(mine) >= 1

    # Consent

    def before_consent(self) -> None:
        """Nobody has consented."""
        self.site.forget("organisations", "authorizations", "keys")
        self.site.another_day()

    def consent(self) -> None:
        """The administrator consents in his browser."""
        with self.site.person() as person:
            page = person.walk(f"{self.site.url}/consent", "contoso/admin")
            if page.status == 503:
                raise LostError("the page says that something is wrong")
            assert page.status == 200, page.text

    def after_consent(self) -> None:
        """The organisation has consented."""
        assert self.site.rooms.organisations.get(CONTOSO).consent == "consented"
        assert len({row["PartitionKey"] for row in self.site.rows("organisations")}) == 1

    # First login

    def before_sign_in(self) -> None:
        """The organisation has consented, and the person never signed in."""
        self.site.forget("people", "grants", "renewals", "handoffs", "keys")
        self.site.another_day()
        # Anew, since the first person's success is written down, and what is written once is not called again.
        allowed = self.site.rooms.organisations.get(CONTOSO).range
        assert allowed is not None
        self.site.consent(allowed.slug)

    def sign_in(self) -> None:
        """From panel to panel."""
        begun = self.device.sign_ins.start({"user": {"id": "adele", "email": ADELE, "name": "Adele"}})
        with self.site.person() as person:
            page = person.walk(begun.verification_uri_complete, "contoso/adele")
            if page.status == 503:
                raise LostError("the page says that something is wrong")
            assert page.status == 200, page.text
        if self.device.sign_ins.look(begun.id).status == "confirm":
            self.device.sign_ins.confirm(begun.id)

    def after_sign_in(self) -> None:
        """The person may scan, and his sign-in works."""
        assert self.device.user("adele").status == "ready"
        [grant] = self.site.rows("grants")
        oid = self.site.microsoft.cloud.account("contoso/adele").oid
        assert grant["RowKey"] == oid
        assert self.site.rooms.grants.access_token(CONTOSO, oid, RANGES["send"].scopes)

    # Scans

    def before_scan(self) -> None:
        """A scan that is new."""
        self.site.microsoft.cloud.mailboxes.clear()
        self.site.messages()
        self.site.another_day()
        self.site.pin()
        self.manifest = make_manifest(self.document, name="a.pdf", media_type="application/pdf", user_id="adele")

    def scan(self) -> None:
        """It is handed over in one request."""
        self.device.submit(self.manifest, self.document, patience=0)

    def upload(self) -> None:
        """It is announced, uploaded to storage, and committed."""
        announced = self.device.announce(self.manifest, patience=0)
        if announced.upload is not None:
            where = announced.upload
            answer = requests.put(where["url"], data=self.document, headers=where["headers"], timeout=10)
            # 403 or 409: it is there, from before; the address creates and does not write over.
            if answer.status_code not in {403, 409}:
                answer.raise_for_status()
        self.device.commit(self.manifest["id"], patience=0)

    def after_scan(self) -> None:
        """It is delivered once."""
        self.site.recover(lambda: self.device.scan(self.manifest["id"]).state in self.ends)
        assert self.site.mails() == 1

    def alone(self) -> None:
        """What was accepted before the kill is delivered although the printer never comes again."""
        job = self.site.rooms.jobs.get(self.device.enrolment.device_id, self.manifest["id"])
        if job is not None and job.state == "accepted":
            self.site.recover(lambda: self.site.job(job).state == "sent", within=ALONE)


WORKS = {
    "enrolment": ("before_enrolment", "enrol", "after_enrolment"),
    "consent": ("before_consent", "consent", "after_consent"),
    "sign-in": ("before_sign_in", "sign_in", "after_sign_in"),
    "acceptance": ("before_scan", "scan", "after_scan"),
    "acceptance-upload": ("before_scan", "upload", "after_scan"),
}
"""What is done before a work, what happens, and what is true afterwards: methods of :class:`Doors`."""
