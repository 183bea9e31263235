"""What Azure is told: indexed in a process of its own, with nothing in the environment."""

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from functions import HTTP_DOORS
from local import app as local_app
from local import queue_door
from shared.storage import QUEUES

HOUSE = Path(__file__).resolve().parent.parent.parent
INDEX = """
import json, sys
sys.path.insert(0, sys.argv[1])
import function_app
print(json.dumps([json.loads(str(function)) | {"name": function.get_function_name()}
                  for function in function_app.app.get_functions()]))
"""


@pytest.fixture(scope="module")
def functions() -> dict[str, dict[str, Any]]:
    """The bindings that come in, by the function's name."""
    answer = subprocess.run(
        [sys.executable, "-I", "-c", INDEX, str(HOUSE)], capture_output=True, text=True, timeout=60, env={}, check=True
    )
    found = {}
    for function in json.loads(answer.stdout):
        [incoming] = [binding for binding in function["bindings"] if binding["direction"].upper() == "IN"]
        found[function["name"]] = incoming
    return found


@pytest.fixture(scope="module")
def host() -> dict[str, Any]:
    """host.json."""
    read: dict[str, Any] = json.loads((HOUSE / "host.json").read_text("utf-8"))
    return read


def of_type(functions: dict[str, dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """The functions with such a trigger."""
    return {name: binding for name, binding in functions.items() if binding["type"].lower() == kind.lower()}


def test_the_app_is_indexed_without_any_setting(functions: dict[str, dict[str, Any]]) -> None:
    """Azure indexes before it knows our settings; every door, both queue doors and the timers are there."""
    assert {"deliver", "give_up", "sweep", "expire"} <= set(functions)
    assert len(of_type(functions, "httpTrigger")) == len(HTTP_DOORS)


def test_the_routes_are_the_doors_and_none_is_reserved(functions: dict[str, dict[str, Any]]) -> None:
    """One function for each first segment; Azure reserves what begins with admin or runtime."""
    routes = {binding["route"] for binding in of_type(functions, "httpTrigger").values()}
    assert routes == {f"{first}/{{*path}}" if first else "{*path}" for first in HTTP_DOORS}
    assert not [route for route in routes if route.startswith(("admin", "runtime"))]
    for name, binding in of_type(functions, "httpTrigger").items():
        assert binding["authLevel"].lower() == "anonymous", name
        assert {"GET", "POST", "PUT", "DELETE"} <= set(binding["methods"]), name
        assert "TRACE" not in binding["methods"], name  # H10


def test_the_routes_have_no_prefix(host: dict[str, Any]) -> None:
    """The paths of the device API are normative."""
    assert host["extensions"]["http"]["routePrefix"] == ""


def test_the_queue_doors_listen_where_the_app_writes(functions: dict[str, dict[str, Any]]) -> None:
    """R06: the queue that acceptance writes to, its poison queue, and the setting that names the data account."""
    queues = of_type(functions, "queueTrigger")
    assert {name: binding["queueName"] for name, binding in queues.items()} == {
        "deliver": "deliveries",
        "give_up": "deliveries-poison",
    }
    assert {binding["queueName"] for binding in queues.values()} == set(QUEUES)
    assert {binding["connection"] for binding in queues.values()} == {"DataStorage"}


def test_one_machine_treats_messages_as_the_host_does(host: dict[str, Any]) -> None:
    """R07, R09: base64, five tries, and the same pause after a failure."""
    queues = host["extensions"]["queues"]
    assert queues["messageEncoding"] == "base64"
    assert queues["maxDequeueCount"] == queue_door.rules().most_dequeues
    assert queues["visibilityTimeout"] == f"00:00:{queue_door.rules().visible_again:02d}"


def test_the_sweep_runs_every_minute(functions: dict[str, dict[str, Any]]) -> None:
    """R04, R07: NCRONTAB with seconds; no timer runs when an instance starts; local/ has the same pace."""
    timers = of_type(functions, "timerTrigger")
    assert timers["sweep"]["schedule"].split()[1:] == ["*"] * 5
    assert timers["expire"]["schedule"].split()[2:] == ["*"] * 4
    for name, binding in timers.items():
        assert len(binding["schedule"].split()) == 6, name
        assert not binding.get("runOnStartup"), name
    assert local_app.SWEEP_EVERY == 60
    assert local_app.EXPIRE_EVERY == 3600


def test_a_delivery_has_time_to_end(host: dict[str, Any]) -> None:
    """R51: the host's limit is longer than getting ready, the largest document and the most patient transport take."""
    from shared.scans.claims import LOOKED_AT_AGAIN
    from shared.scans.deliver import SENDING_BY_SMTP, SLOWEST

    hours, minutes, seconds = map(int, host["functionTimeout"].split(":"))
    slowest = LOOKED_AT_AGAIN + SENDING_BY_SMTP + timedelta(seconds=150_000_000 / SLOWEST)
    assert timedelta(hours=hours, minutes=minutes, seconds=seconds) > slowest


def test_an_idle_queue_is_asked_every_second(host: dict[str, Any]) -> None:
    """A scan that finds an idle service waits no longer than that."""
    assert host["extensions"]["queues"]["maxPollingInterval"] == "00:00:01"
    assert queue_door.rules().longest_pause == 1


def test_there_are_enough_threads_for_the_queue() -> None:
    """R51: a delivery that was taken from the queue never waits inside of the process for a thread."""
    infrastructure = (HOUSE / "infra" / "main.bicep").read_text("utf-8")
    found = re.search(r"^param threads int = (\d+)$", infrastructure, re.MULTILINE)
    assert found
    assert int(found[1]) >= queue_door.rules().threads
