"""Storage that misbehaves, for a whole life: enrolment, consent, first login, scans, refresh, delivery.

Answers get lost after the work was done (503, cut), requests get lost, come late, and come after their own repetition.
Nothing is lost or doubled by it, and nobody is told of a conflict that he has with nobody but ourselves.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from shared.faults import StorageUnavailable, Unexpected
from shared.services import Services
from shared.storage.account import READ_SECONDS
from tests.proof.conftest import Proof
from tests.proof.site import CUT_OFF, Site
from tests.proof.wire import Request
from tests.proof.works import WORKS, Doors

LOST = ("503", "cut", "applied, 503", "applied, cut")
TRIES = 40


@dataclass
class Weather:
    """What becomes of requests to storage: of so many in a hundred nothing good, and of Microsoft's nothing bad."""

    chance: Random
    percent: int
    late_percent: int = 0
    met: Counter[str] = field(default_factory=Counter)

    def __call__(self, request: Request) -> str:
        """Decide."""
        if request.name.startswith("microsoft"):
            return ""
        drawn = self.chance.randrange(100)
        fault = ""
        if drawn < self.percent:
            fault = self.chance.choice(LOST)
        elif drawn < self.percent + self.late_percent:
            fault = "late"
        self.met[fault or "let through"] += 1
        return fault


def again(do: Callable[[], object]) -> None:
    """Do it until it goes through; whatever is no interruption is a fault of the service."""
    for _ in range(TRIES):
        try:
            do()
        except (*CUT_OFF, StorageUnavailable) as error:
            if getattr(error, "reason", "") == Unexpected.reason:
                raise
            continue
        return
    raise AssertionError(f"it did not go through in {TRIES} tries")


def live(site: Site, doors: Doors, permission_range: str, weather: Callable[[Request], str]) -> None:
    """A whole life in this weather."""
    direct = site.rooms.settings
    for name, (before, happen, after) in WORKS.items():
        if name == "sign-in":
            site.consent(permission_range)
        getattr(doors, before)()
        with site.serving():
            site.rooms = Services(replace(direct, data_storage=site.told["DataStorage"]), clock=site.clock)
            site.wire.over.clear()
            site.wire.decide = weather
            try:
                again(getattr(doors, happen))
                again(getattr(doors, after))
            finally:
                site.wire.calm()
                site.rooms = Services(direct, clock=site.clock)


def test_a_life_in_bad_weather(site: Site, proof: Proof, tmp_path: Path) -> None:
    """R11 to R15: many requests to storage go wrong; all is as if none had, and each scan is one mail."""
    ranges = ["send", "send-verified"]
    lives = ranges * 2 if proof.full else [proof.chance.choice(ranges)]
    weather = Weather(proof.chance, 20 if proof.full else 10, 1 if proof.full else 0)
    # So late that it comes after its own repetition.
    site.wire.seconds = READ_SECONDS + 1
    for number, permission_range in enumerate(lives):
        doors = Doors(site, tmp_path / str(number))
        doors.directory.mkdir()
        # Where the mailbox cannot be asked, a record that could not be written leaves the outcome open.
        doors.ends = ("sent",) if permission_range == "send-verified" else ("sent", "uncertain")
        live(site, doors, permission_range, weather)
        doors.device.close()
    assert sum(weather.met[fault] for fault in LOST) > 5
    proof.note("storage", lives=len(lives), lost=0, doubled=0, requests=dict(weather.met))
