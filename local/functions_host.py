"""The app in Microsoft's own Python worker, behind a small stand-in for the Functions host.

The stand-in is a tool beside this project (``functions-host``: ``minihost.py`` and ``check``), not a
part of it; FUNCTIONS_HOST names its folder where it lies elsewhere. HTTP, queues and timers then come
through the worker as they do in Azure.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import requests

from local.environment import process_environment
from local.machine import HTTP_OK, Machine
from local.processes import Process, http_status

HOUSE = Path(__file__).resolve().parent.parent
CHECK_SECONDS = 900
"""The first ``check`` on a machine installs the worker's packages."""
START_SECONDS = 120


class NotThereError(Exception):
    """The tool is not beside the project, or cannot run the app; the message says why."""


def start(machine: Machine, port: int, settings: Mapping[str, str]) -> None:
    """Start the app behind the stand-in and return when it answers.

    Args:
        machine: watches and ends it.
        port: TCP port of 127.0.0.1.
        settings: the app's settings; ``DataStorage`` is where its queues are.

    Raises:
        NotThereError: the tool is missing or says that the app does not load.
        ProcessFailedError: it ended, or did not answer in time.
    """
    tool = tool_folder()
    environment = process_environment(settings)
    _check(tool, environment)
    command: list[str | Path] = [
        *(tool_python(), tool / "minihost.py", "--app", HOUSE),
        *("--port", str(port), "--storage", settings["DataStorage"]),
    ]
    process = Process("app", command, log=machine.log("app"), environment=environment, directory=HOUSE)
    machine.adopt(process)
    health = f"http://127.0.0.1:{port}/healthz"
    process.wait_until(lambda: http_status(health) == HTTP_OK, seconds=START_SECONDS)


def run_timer(port: int, name: str) -> bool:
    """Let the worker run a timer now (the host's ``/admin/functions``); says whether it ran without a fault."""
    answer = requests.post(
        f"http://127.0.0.1:{port}/admin/functions/{name}?wait=1", json={"input": ""}, timeout=START_SECONDS
    )
    return answer.ok


def tool_folder() -> Path:
    """Return the folder of the stand-in.

    Raises:
        NotThereError: it is not beside the project.
    """
    named = os.environ.get("FUNCTIONS_HOST")
    tool = Path(named) if named else HOUSE.parent / "shared" / "tools" / "functions-host"
    if not (tool / "minihost.py").is_file():
        raise NotThereError(f"There is no functions-host in {tool}; the variable FUNCTIONS_HOST names its folder.")
    return tool


def _check(tool: Path, environment: Mapping[str, str]) -> None:
    """Let the tool install its packages and load the app once."""
    ours = {"PYTHON313": sys.executable} if sys.version_info[:2] == (3, 13) else {}
    answer = subprocess.run(
        [tool / "check", HOUSE],
        capture_output=True,
        text=True,
        check=False,
        timeout=CHECK_SECONDS,
        # Without our authority: the packages come over the public internet.
        env={**ours, **os.environ, "DataStorage": environment["DataStorage"]},
    )
    if answer.returncode:
        raise NotThereError(f"{tool / 'check'} says:\n{answer.stdout}{answer.stderr}")


def tool_python() -> Path:
    """Return the interpreter of the environment that ``check`` makes; its rule, its variables."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("FUNCTIONS_HOST_VENV") or f"{cache}/functions-host-venv") / "bin" / "python"
