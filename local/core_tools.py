"""Azure Functions Core Tools on one machine: ``python -m local.core_tools`` writes ``local.settings.json``.

``func start`` reads the app's settings from that file. It is git's and the package's to ignore, because it holds this
machine's keys; so no example of it lies in the tree, and it is written from what ``make run`` tells the app.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from local.environment import NotAPortError, Ports, app_environment

FILE = Path("local.settings.json")
PORT = 7072
"""Beside the app of ``make run``, as a second instance of the same service."""
HOSTS_OWN: Mapping[str, str] = {"FUNCTIONS_WORKER_RUNTIME": "python", "PYTHON_THREADPOOL_THREAD_COUNT": "24"}
"""What the host and the worker read; ``AzureWebJobsStorage`` comes with it."""


def contents(settings: Mapping[str, str]) -> str:
    """Return the file for these settings of the app; the host keeps its timers in the same Azurite."""
    values = {**HOSTS_OWN, "AzureWebJobsStorage": settings["DataStorage"], **settings}
    return json.dumps({"IsEncrypted": False, "Host": {"LocalHttpPort": PORT}, "Values": values}, indent=2) + "\n"


def write(path: Path, settings: Mapping[str, str]) -> None:
    """Write the file so that its owner alone reads it; one that is there is replaced whole."""
    made = path.with_suffix(".new")
    made.unlink(missing_ok=True)
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(contents(settings))
    made.replace(path)


def main() -> int:
    """Write the file into the folder that one stands in: the app's."""
    try:
        write(FILE, app_environment(Path(".run"), Ports.chosen(os.environ)))
    except NotAPortError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{FILE} is written: `make run` in one terminal, `func start` in another (http://127.0.0.1:{PORT}).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
