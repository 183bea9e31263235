"""kill -9 of a delivery before and after each call that leaves its process, in each way of sending: no scan is lost.

The moments are not listed by hand: each work is done once undisturbed, and every call that it makes is a moment before
and a moment after. ``make proof`` takes all of them and then some by chance; the suite takes those around Microsoft's
answer, and a few of the others, other ones each time.
"""

import io
import uuid
from dataclasses import dataclass
from hashlib import sha256
from time import sleep

import pytest

from shared import faults
from shared.devices import Device
from shared.scans import Job, Manifest
from tests.proof.conftest import Proof
from tests.proof.site import CONTOSO, Site

DOCUMENT = b"%PDF-1.7 the scan\n%%EOF\n"
LARGE = b"%PDF-1.7 " + bytes(3_200_000) + b"\n%%EOF\n"
PRINTER = Device(str(uuid.uuid4()), CONTOSO, "office", "2nd floor", "Printer 2F", "Virtual", "S1", "en", "active", {})
RECOVERED = 180.0
"""Seconds of the service's clock within which whatever died is taken up again."""
RANDOM_KILLS = 25


@dataclass(frozen=True)
class Way:
    """A way of sending, what is promised of it when a delivery died, and the call with which the mail leaves."""

    permission_range: str
    document: bytes
    outcome: str
    states: frozenset[str]
    most_mails: int
    leaves: str


WAYS = {
    "send": Way("send", DOCUMENT, "leave", frozenset({"sent", "uncertain"}), 1, "sendMail"),
    "send, send_again": Way("send", DOCUMENT, "send_again", frozenset({"sent"}), 2, "sendMail"),
    "send-large": Way("send-large", LARGE, "leave", frozenset({"sent", "uncertain"}), 1, "smtp_dot"),
    "send-large, send_again": Way("send-large", LARGE, "send_again", frozenset({"sent"}), 2, "smtp_dot"),
    "send-verified": Way("send-verified", DOCUMENT, "leave", frozenset({"sent"}), 1, "/send"),
    "send-verified, large": Way("send-verified", LARGE, "leave", frozenset({"sent"}), 1, "/send"),
}


def accepted(site: Site, document: bytes, *, another_day: bool = True) -> Job:
    """A scan that was accepted a moment ago, whose person's access token has ended long ago (``another_day``)."""
    manifest = Manifest(
        *(str(uuid.uuid4()), "to_my_email", "adele", "Lease", "en", "lease.pdf", "application/pdf"),
        size=len(document),
        sha256=sha256(document).hexdigest(),
    )
    # A day: the entry among the renewals moves along with every refresh.
    if another_day:
        site.another_day()
    job = site.rooms.acceptance.accept(PRINTER, manifest, io.BytesIO(document))
    site.messages()
    return job


def delivering(site: Site, job: Job) -> int:
    """Start a process that delivers it."""
    return site.start("deliver", message=f"{job.device_id}/{job.manifest.id}")


def recovered(site: Site, way: Way, job: Job, point: object) -> tuple[str, float]:
    """Recover from a killed delivery, and say how the job ended, and after how long: as promised."""
    assert site.mails() <= way.most_mails, point
    attempts = site.job(job).attempts
    taken_up: list[float] = []
    began = site.clock()

    def over() -> bool:
        found = site.job(job)
        if not taken_up and (found.attempts > attempts or found.state in {"sent", "uncertain"}):
            taken_up.append((site.clock() - began).total_seconds())
        return found.state in {"sent", "failed", "uncertain"} and not site.due()

    site.recover(over)
    found = site.job(job)
    assert found.state in way.states, point
    assert site.mails() <= way.most_mails, point
    assert site.mails() >= 1 or found.state == "uncertain", point
    assert (found.state == "uncertain") == (found.fault is faults.OutcomeUnknown), point
    assert (found.blob in site.documents()) == (found.state == "uncertain"), point
    # The queue brings the message of the killed process again in the end.
    mails = site.mails()
    site.rooms.delivery.deliver(f"{job.device_id}/{job.manifest.id}")
    assert (site.job(job).state, site.mails()) == (found.state, mails), point
    site.microsoft.cloud.mailboxes.clear()
    site.rooms.slots.forget_person(CONTOSO, job.oid)
    assert taken_up[0] <= RECOVERED, point
    return found.state, taken_up[0]


@pytest.mark.parametrize("name", WAYS)
def test_a_delivery_killed_at_any_call(site: Site, proof: Proof, name: str) -> None:
    """R07, R17, R43, R44: no scan is lost, copies are as promised, and within three minutes it is taken up again."""
    way = WAYS[name]
    site.consent(way.permission_range, unknown_outcome=way.outcome)
    site.pin()

    def cleanly() -> None:
        job = accepted(site, way.document)
        process = delivering(site, job)
        site.kill_when(lambda: site.job(job).state == "sent" and not site.due(), process)
        site.microsoft.cloud.mailboxes.clear()

    points = site.points(cleanly)
    assert any(way.leaves in point.call for point in points)
    assert {"table", "blob", "microsoft"} <= {point.call.split()[0] for point in points}
    chosen = proof.some(points, few=2, around=way.leaves)
    ends: dict[str, int] = {}
    longest = {"before": 0.0, "after": 0.0}
    for point in chosen:
        job = accepted(site, way.document)
        assert site.killed(point, lambda job=job: delivering(site, job)), f"never came to {point}"
        state, seconds = recovered(site, way, job, point)
        ends[state] = ends.get(state, 0) + 1
        longest[point.when] = max(longest[point.when], seconds)
    by_chance = RANDOM_KILLS if proof.full else 0
    for _ in range(by_chance):
        job = accepted(site, way.document)
        process = delivering(site, job)
        sleep(site.random.uniform(0, 0.4))
        site.workers.kill(process)
        state, seconds = recovered(site, way, job, "by chance")
        ends[state] = ends.get(state, 0) + 1
    proof.note(
        f"crash-delivery-{name.replace(', ', '-')}",
        points=len(chosen),
        by_chance=by_chance,
        lost=0,
        ends=ends,
        longest_seconds=max(longest.values()),
        calls=sorted({point.call for point in points}),
    )
