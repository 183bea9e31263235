"""What is stored about a person, as he sees it, and as an administrator sees everybody of a tenant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.privacy.traces import JOB, Traces

if TYPE_CHECKING:
    from shared.devices import Devices
    from shared.organisations import Organisations
    from shared.people import People
    from shared.scans import Job, Jobs
    from shared.vault import Grant, Grants

SCANS = 20
"""Scans that are shown, the newest."""


@dataclass(frozen=True)
class Printer:
    """A printer as a person knows it. ``location`` is empty where it is not known."""

    name: str
    location: str


@dataclass(frozen=True)
class Place:
    """A device group in which he is pinned, and those of its printers that he has used."""

    group: str
    printers: tuple[Printer, ...]


@dataclass(frozen=True)
class Overview:
    """What is stored about one person.

    Attributes:
        grant: his sign-in.
        places: where he is pinned.
        scans: the newest :data:`SCANS`.
        consented: name of the organisation whose consent his account proved, or empty.
        anything: whether there is anything to erase; a first login that is under way, for example.
    """

    grant: Grant | None
    places: tuple[Place, ...]
    scans: tuple[Job, ...]
    consented: str
    anything: bool


@dataclass(frozen=True)
class Resident:
    """Somebody of a tenant. ``account`` is masked; it and ``grant`` may not be there."""

    oid: str
    account: str
    grant: Grant | None


class Overviews:
    """Makes overviews. Every look-up is by ``(tid, oid)``, so nobody can ask for another's (I05).

    Args:
        traces: where a person's things lie.
        grants: the sign-ins.
        people: the pins.
        jobs: the scans.
        devices: says in which group a printer is.
        organisations: says whose account proved a consent.
    """

    def __init__(
        self,
        traces: Traces,
        grants: Grants,
        people: People,
        jobs: Jobs,
        devices: Devices,
        organisations: Organisations,
    ) -> None:
        self._traces = traces
        self._grants = grants
        self._people = people
        self._jobs = jobs
        self._devices = devices
        self._organisations = organisations

    def of(self, tid: str, oid: str) -> Overview:
        """Return what is stored about a person."""
        scans = tuple(self._scans(tid, oid))
        used: dict[str, dict[Printer, None]] = {}
        for group, pin in self._people.pinned(tid, oid):
            first = Printer(pin.printer, pin.location)
            used.setdefault(group, {}).update({first: None} if pin.printer else {})
        for device_id in dict.fromkeys(job.device_id for job in scans):
            device = self._devices.get(device_id)
            if device is not None and device.tid == tid and device.group in used:
                used[device.group][Printer(device.name, device.location)] = None
        places = tuple(Place(group, tuple(printers)) for group, printers in sorted(used.items()))
        grant, organisation = self._grants.get(tid, oid), self._organisations.get(tid)
        consented = (organisation.name or tid) if organisation.proven_oid == oid else ""
        anything = bool(grant or consented or self._traces.has_any(tid, oid))
        return Overview(grant, places, scans, consented, anything)

    def residents(self, tid: str) -> Iterator[Resident]:
        """Yield everybody of a tenant about whom something is stored."""
        grants = {grant.oid: grant for grant in self._grants.of_tenant(tid)}
        for oid in sorted({*grants, *self._traces.people(tid)}):
            account = next((pin.account_hint for _, pin in self._people.pinned(tid, oid)), "")
            yield Resident(oid, account, grants.get(oid))

    def _scans(self, tid: str, oid: str) -> Iterator[Job]:
        for trace in self._traces.of(tid, oid, JOB, SCANS):
            _, device_id, job_id, blob = trace.parts
            job = self._jobs.get(device_id, job_id)
            # The trace is written before the job, and may be of an attempt that came to nothing.
            if job is not None and (job.tid, job.oid, job.blob) == (tid, oid, blob):
                yield job
