"""Guessing codes from four processes of the service at once: together they get no guess more than one would."""

import itertools
import json
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from shared.services import Services
from shared.short_codes.codes import new_code
from shared.short_codes.guesses import WRONG_IN_ALL, WRONG_PER_NETWORK
from tests.devices.printer import CONTOSO
from tests.devices.test_approval import window  # noqa: F401  (a fixture)

HOUSE = Path(__file__).parents[2]
PROCESSES = 4
EACH, FEW = 25, 2
LEFT = 30
"""Guesses that the window of everybody still has when they come from everywhere."""
TABLES = {"enrolment": "tickets", "sign-in": "handoffs"}
Guess = tuple[str, str, str]


class Guessers:
    """Four processes that guess together."""

    def __init__(self, started: list[subprocess.Popen[str]]) -> None:
        self._started = started

    def all_at_once(self, guesses: Iterator[Guess], each: int = EACH) -> Counter[str]:
        """Give each its share, all in the same moment; what they heard together."""
        for process in self._started:
            assert process.stdin
            process.stdin.write(json.dumps(list(itertools.islice(guesses, each))) + "\n")
        for process in self._started:
            assert process.stdin
            process.stdin.flush()
        heard: Counter[str] = Counter()
        for process in self._started:
            assert process.stdout
            heard.update(json.loads(process.stdout.readline()))
        assert heard.total() == PROCESSES * each
        return heard


@pytest.fixture
def guessers(
    window: Any,  # noqa: F811
    machine_environment: dict[str, str],
    connection: str,
) -> Iterator[Guessers]:
    """The processes, under the test's clock and on its storage."""
    told = {**machine_environment, "DataStorage": connection}
    with ExitStack() as ending:
        started = []
        for _ in range(PROCESSES):
            command = [sys.executable, "-m", "tests.devices.guesser"]
            process = subprocess.Popen(
                command, cwd=HOUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1 << 20
            )
            ending.enter_context(process)
            ending.callback(process.kill)
            assert process.stdin
            process.stdin.write(json.dumps((told, window.ahead.total_seconds())) + "\n")
            process.stdin.flush()
            started.append(process)
        for process in started:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        yield Guessers(started)


def wrong_codes(door: str, right: str, network: str | None = None) -> Iterator[Guess]:
    """Codes by chance that are not the right one; from one network, or each from another."""
    for number in itertools.count():
        code = new_code(secrets.randbelow)
        address = f"{network}.{number % 250}" if network else f"10.{number // 250}.{number % 250}.7"
        if code != right.replace("-", ""):
            yield door, code, f"{address}:{40000 + number}"


def test_four_processes_have_one_budget(guessers: Guessers, rooms: Services) -> None:
    """B06, D01, I01: of a hundred guesses 20 are looked at from a network, and what is left of 500 from everywhere.

    Not one more, whichever processes they come to; then not even the right one is. What cannot be counted because all
    want the same row is refused as well.
    """
    code = rooms.tickets.issue_code(CONTOSO, "office", "")
    guessed(guessers, rooms, "enrolment", code, looked="ticket_invalid")
    begun = rooms.handoffs.start("sign_in", {"tid": CONTOSO}, device_id="device")
    guessed(guessers, rooms, "sign-in", begun.user_code, looked="link_unknown")


def guessed(guessers: Guessers, rooms: Services, door: str, right: str, looked: str) -> None:
    """The same at one of the two doors where codes are typed."""
    refused = {"too_many_requests", "storage_unavailable"}

    def rightly(network: str) -> Counter[str]:
        return guessers.all_at_once(itertools.repeat((door, right, f"{network}.9")), FEW)

    assert rightly("203.0.113")["found"] > 0, "the code is good"
    heard = guessers.all_at_once(wrong_codes(door, right, "203.0.113"))
    assert heard.keys() <= {looked, *refused}
    assert 0 < heard[looked] <= WRONG_PER_NETWORK
    while (more := guessers.all_at_once(wrong_codes(door, right, "203.0.113"), FEW))[looked]:
        heard += more
    assert heard[looked] <= WRONG_PER_NETWORK
    assert rightly("203.0.113")["found"] == 0
    table = rooms.storage.table(TABLES[door])
    [everybody] = [row for row in table.every() if row.row == "guesses" and row.partition.endswith("|all")]
    table.replace(everybody, {**everybody.values, "wrong": WRONG_IN_ALL - LEFT})
    heard = guessers.all_at_once(wrong_codes(door, right))
    while (more := guessers.all_at_once(wrong_codes(door, right), FEW))[looked]:
        heard += more
    assert heard.keys() <= {looked, *refused}
    assert 0 < heard[looked] <= LEFT
    assert rightly("198.51.100")["found"] == 0
