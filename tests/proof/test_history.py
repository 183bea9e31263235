"""Eight workers at the same people and the same jobs: what they did could have been done one after the other."""

from typing import Any

import pytest

from shared.organisations.ranges import RANGES
from tests.proof.conftest import Proof
from tests.proof.history import History, RowHistory, Seen, Written
from tests.proof.site import CONTOSO, Site
from tests.proof.test_killed_deliveries import DOCUMENT, accepted
from tests.proof.test_storage import Weather

WORKERS = 8
ROTATIONS = ("entra", "grace", "strict")
FINAL = {"sent", "cancelled", "uncertain"}


def test_eight_workers_do_nothing_that_one_could_not(site: Site, proof: Proof) -> None:
    """R05, R08, R11 to R13, R16, R18, R19: in bad weather, too: no lost update, no sign-in that comes back, one lease.

    Jobs go along the allowed edges alone, and what was sent is in the mailbox once.
    """
    rounds = 200 if proof.full else 12
    for rotation in ROTATIONS if proof.full else [proof.chance.choice(ROTATIONS)]:
        site.forget("jobs", "grants", "renewals")
        site.microsoft.cloud.mailboxes.clear()
        site.microsoft.cloud.refresh_tokens.rotation = rotation
        site.consent("send-verified")
        people = [site.pin(name) for name in ("adele", "ben", "olga")]
        jobs = [accepted(site, DOCUMENT, another_day=False) for _ in range(24 if proof.full else 8)]
        history, weather = History(), Weather(proof.chance, 3)
        site.wire.over.clear()
        site.wire.answered, site.wire.decide = history, weather
        workers = [
            site.start(
                "churn",
                seed=f"{proof.seed} {number}",
                rounds=rounds,
                tid=CONTOSO,
                scopes=list(RANGES["send"].scopes),
                sign_ins=[[person.oid, site.tokens(person)] for person in people for _ in range(2)],
                jobs=[[job.device_id, job.manifest.id] for job in jobs],
            )
            for number in range(WORKERS)
        ]
        site.until_ended(*workers)
        site.wire.calm()
        site.wire.answered = lambda _: None
        site.microsoft.cloud.refresh_tokens.rotation = "entra"
        assert history.anomalies() == []
        assert history.operations > WORKERS * rounds
        # Whoever was signed out or erased in the midst of it comes back.
        for person in people:
            site.pin(person.key.partition("/")[2])
        site.recover(lambda jobs=jobs: all(site.job(job).state in FINAL for job in jobs), within=90_000)
        states = [site.job(job).state for job in jobs]
        assert site.mails() == states.count("sent")
        assert set(states) <= {"sent", "cancelled"}
        proof.note(
            f"history-{rotation}",
            workers=WORKERS,
            operations=history.operations,
            anomalies=0,
            weather=dict(weather.met),
        )


def job(state: str, number: int, **more: Any) -> dict[str, Any]:
    """A version of a job."""
    return {"state": state, "updated": f"2026-11-28T00:00:{number:02d}Z", **more}


def grant(epoch: str, generation: int, **more: Any) -> dict[str, Any]:
    """A version of a grant."""
    return {"epoch": epoch, "generation": generation, "sealed": f"{epoch} {generation}", **more}


LEASED = {"lease": "a", "lease_until": "2026-11-28T00:10:00Z"}
TAKEN = {"lease": "b", "lease_until": "2026-11-28T00:11:00Z"}
IMPOSSIBLE: list[tuple[str, str, list[dict[str, Any]]]] = [
    ("jobs", "from sent to sending", [job("sent", 1), job("sending", 2)]),
    ("jobs", "from cancelled to sent", [job("cancelled", 1), job("sent", 2)]),
    ("jobs", "updated did not move", [job("accepted", 2), job("sending", 2)]),
    ("jobs", "two leases", [job("sending", 1, **LEASED), job("sending", 2, **TAKEN)]),
    ("jobs", "somebody else decided", [job("uncertain", 1, **LEASED), job("sent", 2, **TAKEN)]),
    ("grants", "earlier sign-in is back", [grant("a", 0), grant("b", 0), grant("a", 1)]),
    ("grants", "it had ended", [grant("a", 0, ended="x", sealed=""), grant("a", 1)]),
    ("grants", "ended, with tokens", [grant("a", 0), grant("a", 0, ended="x")]),
    ("grants", "left out", [grant("a", 0), grant("a", 2)]),
    ("grants", "with the old tokens", [grant("a", 0), grant("a", 1, sealed="a 0")]),
    ("grants", "two leases", [grant("a", 0, **LEASED), grant("a", 0, **TAKEN)]),
]


@pytest.mark.parametrize(("table", "anomaly", "versions"), IMPOSSIBLE)
def test_what_no_row_may_say_is_found(table: str, anomaly: str, versions: list[dict[str, Any]]) -> None:
    """Each rule of the checker finds what it is for, and nothing else is wrong with that history."""
    history = History()
    history.rows[table, "p", "job|r"] = RowHistory(
        [Written(f"v{number}", f"v{number + 1}", number, number + 0.5, each) for number, each in enumerate(versions)]
    )
    [found] = history.anomalies()
    assert anomaly in found


ACCEPTED = job("accepted", 1)
CLAIMED = job("sending", 2, **LEASED)
OUT_OF_ORDER: list[tuple[str, RowHistory]] = [
    ("whatever was there", RowHistory([Written(None, "v1", 0, 1, ACCEPTED)])),
    ("lost update", RowHistory([Written("v0", "v1", 0, 1, ACCEPTED), Written("v0", "v2", 0, 1, ACCEPTED)])),
    ("replaced before", RowHistory([Written("v0", "v1", 5, 6, ACCEPTED), Written("v1", "v2", 0, 1, CLAIMED)])),
    ("read before", RowHistory([Written("v0", "v1", 5, 6, ACCEPTED)], [Seen("v1", 0, 1)])),
    ("stale read", RowHistory([Written("v0", "v1", 0, 1, ACCEPTED)], [Seen("v0", 5, 6)])),
]


@pytest.mark.parametrize(("anomaly", "row"), OUT_OF_ORDER)
def test_what_has_no_order_is_found(anomaly: str, row: RowHistory) -> None:
    """Each way in which a history is not linearizable is found."""
    history = History()
    history.rows["jobs", "p", "job|r"] = row
    [found] = history.anomalies()
    assert anomaly in found
