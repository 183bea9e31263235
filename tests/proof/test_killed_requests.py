"""kill -9 of the service before and after each call that leaves it while a printer or a person is there."""

from pathlib import Path

import pytest

from tests.proof.conftest import Proof
from tests.proof.site import Site
from tests.proof.works import WORKS, Doors

COUNTING = {"table assertions POST", "table assertions PUT"}
"""An organisation's uses are counted in one of several rows, by chance: once it is inserted, from then on replaced."""


@pytest.mark.parametrize("name", WORKS)
def test_the_service_killed_at_any_call_of_a_request(site: Site, proof: Proof, name: str, tmp_path: Path) -> None:
    """R02, R03, R04: whoever asked asks again, with the same ticket or scan, and all is as if nothing had been.

    A scan that was accepted is delivered although nobody asks again.
    """
    before, happen, after = WORKS[name]
    doors = Doors(site, tmp_path)
    site.consent("send")
    if name not in {"enrolment", "consent"}:
        doors.enrolled()
    getattr(doors, before)()

    def cleanly() -> None:
        with site.serving():
            getattr(doors, happen)()

    points = site.points(cleanly)
    with site.serving():
        getattr(doors, after)()
    chosen, missed = proof.some(points, few=2), 0
    for point in chosen:
        getattr(doors, before)()
        if not site.dies_while(point, getattr(doors, happen)):
            assert point.call in COUNTING, f"never came to {point}"
            missed += 1
        if after == "after_scan":
            doors.alone()
        with site.serving():
            getattr(doors, happen)()
            getattr(doors, after)()
    # What an announcement that died left over is met when its time is over.
    site.another_day()
    site.recover(lambda: not site.due())
    mine = f"{doors.device.enrolment.device_id}/" if doors.device else "nobody's"
    assert [document for document in site.documents() if document.startswith(mine)] == []
    doors.device = doors.device and doors.device.close()
    calls = sorted({point.call for point in points})
    proof.note(f"crash-{name}", points=len(chosen) - missed, by_chance=0, lost=0, calls=calls)
