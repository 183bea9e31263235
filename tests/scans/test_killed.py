"""kill -9 of a delivering process at every step, in every way of sending: no scan is lost, copies are as promised."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from local.tls import Tls
from shared import faults
from shared.organisations import Policy
from tests.scans.conftest import CONTOSO, DOCUMENT, consent
from tests.scans.stalling import stalling

HOUSE = Path(__file__).resolve().parent.parent.parent
PATIENCE = 30
LARGE = b"%PDF-1.7 " + bytes(3_200_000) + b"%%EOF"


@pytest.fixture(scope="module")
def deliveries(tls: Tls) -> Iterator["Callable[[dict[str, str], Any], int]"]:
    """Start a process that delivers a job; returns its id."""
    command = [sys.executable, "-m", "tests.scans.deliveries"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=HOUSE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def deliver(environment: dict[str, str], job: Any) -> int:
            told = {"environment": environment, "message": f"{job.device_id}/{job.manifest.id}"}
            process.stdin.write(json.dumps(told) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield deliver
        process.stdin.close()
        process.wait(PATIENCE)


@dataclass(frozen=True)
class Way:
    """A way of sending, and what is promised of it when a delivery died."""

    permission_range: str
    document: bytes
    outcome: str
    states: frozenset[str]
    most_mails: int
    least_requests: int


WAYS = {
    "graph": Way("send", DOCUMENT, "leave", frozenset({"sent", "uncertain"}), 1, 9),
    "graph, sent again": Way("send", DOCUMENT, "send_again", frozenset({"sent"}), 2, 9),
    "graph-draft": Way("send-verified", DOCUMENT, "leave", frozenset({"sent"}), 1, 10),
    "exchange-smtp": Way("send-large", LARGE, "leave", frozenset({"sent", "uncertain"}), 1, 10),
}


def prepared(office: Any, way: Way) -> None:
    """The organisation has chosen this way."""
    consent(office.rooms, way.permission_range)
    office.rooms.organisations.set_policy(CONTOSO, replace(Policy(), unknown_outcome=way.outcome))


def accepted(office: Any, document: bytes) -> Any:
    """A scan that was accepted, whatever its size."""
    if document is DOCUMENT:
        return office.accept()
    job = office.accept()
    manifest = office.manifest(document, id=job.manifest.id)
    etag = office.rooms.storage.blobs("documents").put(job.blob, document, len(document))
    text = json.dumps(vars(manifest))
    office.rooms.storage.table("jobs").change(
        job.device_id, f"job|{job.manifest.id}", lambda _: {"manifest": text, "etag": etag}
    )
    return office.job(job)


def ended(process: int) -> bool:
    """Whether a process has ended."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def kill_when(process: int, moment: Callable[[], bool]) -> bool:
    """Kill a process when the moment has come; False: it ended before."""
    ends = monotonic() + PATIENCE
    while not moment():
        if ended(process):
            return False
        assert monotonic() < ends
        sleep(0.01)
    os.kill(process, signal.SIGKILL)
    while not ended(process):
        sleep(0.01)
    return True


def check(office: Any, way: Way, job: Any, mails: int, step: object) -> str:
    """Recover, and say how the job ended: as promised."""
    office.recover()
    found = office.job(job)
    assert found.state in way.states, step
    assert mails <= way.most_mails, step
    now = len(office.mails())
    assert now <= way.most_mails, step
    assert now >= 1 or found.state == "uncertain", step
    assert (found.state == "uncertain") == (found.fault is faults.OutcomeUnknown), step
    assert office.due() == [], step
    assert (found.blob in office.documents()) == (found.state == "uncertain"), step
    office.cloud.mailboxes.clear()
    # To a new process, whose clock is the real one, those of the killed ones are still taken.
    office.rooms.slots.forget_person(CONTOSO, job.oid)
    return str(found.state)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_killed_before_each_request_to_storage(office: Any, deliveries: Any, way: Way) -> None:
    """R03, R07, R43: before and after claim, token, document, mark, every note of a draft, record, clearing up."""
    prepared(office, way)
    with stalling(office.told["DataStorage"]) as (stalls, connection):
        for step in range(30):
            job = accepted(office, way.document)
            stalls.allow(step)
            process = deliveries({**office.told, "DataStorage": connection}, job)
            killed = kill_when(process, stalls.stalled.is_set)
            stalls.over.set()
            assert killed or office.job(job).state == "sent"
            check(office, way, job, len(office.mails()), step)
            if not killed:
                break
    assert not killed
    assert step >= way.least_requests


MOMENTS = [
    ("graph", "me", "slow", 0, "sent"),
    ("graph", "sendMail", "slow", 0, "uncertain"),
    ("graph", "sendMail", "slow_after_applying", 1, "uncertain"),
    ("graph, sent again", "sendMail", "slow", 0, "sent"),
    ("graph, sent again", "sendMail", "slow_after_applying", 1, "sent"),
    ("graph-draft", "messages", "slow", 0, "sent"),
    ("graph-draft", "messages", "slow_after_applying", 0, "sent"),
    ("graph-draft", "send", "slow", 0, "sent"),
    ("graph-draft", "send", "slow_after_applying", 1, "sent"),
    ("exchange-smtp", "smtp_body", "silence", 0, "uncertain"),
    ("exchange-smtp", "smtp_dot", "silence_after_applying", 1, "uncertain"),
]


@pytest.mark.parametrize(("name", "where", "kind", "mails", "state"), MOMENTS)
def test_killed_while_microsoft_takes_its_time(
    office: Any, deliveries: Any, name: str, where: str, kind: str, mails: int, state: str
) -> None:
    """R07, R43, R44: before the first byte and after the last one, with and without Microsoft having taken it."""
    way = WAYS[name]
    prepared(office, way)
    job = accepted(office, way.document)
    office.switchboard.add(where, kind, seconds=PATIENCE)

    def moment() -> bool:
        reached = any(entry.where == where for entry in office.switchboard.journal())
        return reached and (not mails or len(office.mails()) == mails)

    assert kill_when(deliveries(office.told, job), moment)
    office.switchboard.remove()
    assert office.job(job).state == "sending"
    assert len(office.mails()) == mails
    assert check(office, way, job, mails, where) == state
