"""Cold start: from the spawn of Microsoft's Python worker to the first good answer, for every door.

``python -m bench.cold`` measures the built package (``make package``) and, in turn with it, a FastAPI application of
one route that stands on the same packages, in the same worker. Azurite and a throw-away set of settings are beside it,
so that the doors do what they do in Azure. Wall time is what the host's clock says; CPU time is what all threads of the
worker spent. The least of several rounds is compared: whatever else the machine does can only add to it.

What it cannot measure is Azure's own part: finding an instance, starting the host, mounting the package.
"""

from __future__ import annotations

import argparse
import ast
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

from bench.figures import Figures, keep
from local import azurite
from local.environment import Ports, app_environment, process_environment
from local.functions_host import tool_folder, tool_python
from shared.storage import create_all

HOUSE = Path(__file__).resolve().parent.parent
PACKAGE = HOUSE / ".run" / "package" / "app"
WORKER = HOUSE / ".run" / "worker"
"""An environment with what Azure's image brings, and nothing else: in particular no aiohttp."""
WORKER_NEEDS = ("grpcio", "protobuf")
GOAL = 1.25
VENDORED = ".python_packages"
HELLO = """\
import azure.functions as func
from fastapi import FastAPI

fast = FastAPI()


@fast.get("/hello")
def hello() -> dict[str, str]:
    return {"hello": "world"}


app = func.AsgiFunctionApp(app=fast, http_auth_level=func.AuthLevel.ANONYMOUS)
"""
UNKNOWN_JOB = f"{uuid.UUID(int=1)}/{uuid.UUID(int=2)}"
DOORS = {
    "front /": "GET /",
    "front /healthz": "GET /healthz",
    "device_api": "GET /api/v1/nonce",
    "sign_in": "GET /s",
    "consent": "GET /consent",
    "me": "GET /me",
    "deliver (queue)": f"deliver {UNKNOWN_JOB}",
    "give_up (queue)": f"give_up {UNKNOWN_JOB}",
    "sweep (timer)": "sweep",
    "renew (timer)": "renew",
    "expire (timer)": "expire",
    "rotate_keys (timer)": "rotate_keys",
}
"""What each door is asked: a GET, or a function's name with its message."""
_UP = re.compile(r"up in .* ms (\{.*\})")


@dataclass
class Times:
    """Milliseconds, one for each start."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    """MB resident after the answer."""


def start(app: Path, asked: str, environment: dict[str, str]) -> tuple[float, float, float]:
    """Start the worker on ``app``, ask once, and end it; returns wall and CPU milliseconds and MB."""
    port = _free_port()
    host = subprocess.Popen(
        [
            *(tool_python(), tool_folder() / "minihost.py", "--app", app, "--port", str(port)),
            *("--python", WORKER / "bin" / "python", "--no-timers", "--no-queues", "--quiet"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    try:
        assert host.stdout is not None
        up = next(found for line in host.stdout if (found := _UP.search(line)))
        loaded = float(ast.literal_eval(up[1])["loaded"])
        began = time.perf_counter()
        _ask(f"http://127.0.0.1:{port}", asked)
        first = (time.perf_counter() - began) * 1000
        [worker] = Path(f"/proc/{host.pid}/task/{host.pid}/children").read_text().split()
        return loaded + first, _cpu(worker), _memory(worker)
    finally:
        host.terminate()
        host.wait(20)


def _ask(url: str, asked: str) -> None:
    verb, _, rest = asked.partition(" ")
    if verb == "GET":
        answer = requests.get(url + rest, timeout=60, allow_redirects=False)
    else:
        answer = requests.post(f"{url}/admin/functions/{verb}?wait=1", json={"input": rest}, timeout=60)
    if answer.status_code >= 400:
        raise RuntimeError(f"{asked}: {answer.status_code} {answer.text[:300]}")


def _cpu(pid: str) -> float:
    spent = (path.read_text().split()[0] for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    return sum(map(int, spent)) / 1e6


def _memory(pid: str) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def surroundings() -> Iterator[dict[str, str]]:
    """Azurite with every table, and the environment of an app beside it."""
    with tempfile.TemporaryDirectory() as folder:
        process, connection = azurite.start(log=Path(folder) / "azurite.log")
        with process:
            create_all(connection)
            told = app_environment(Path(folder) / "run", Ports()) | {"DataStorage": connection}
            # Nothing is asked of Microsoft here, and the machine's own bundle need not exist.
            for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
                told.pop(name)
            yield process_environment(told)


def prepare(folder: Path) -> Path:
    """Make the worker's environment where it is missing, and the application to compare with."""
    if not (WORKER / "bin" / "python").exists():
        from infra.package import python_3_13

        subprocess.run([python_3_13(), "-m", "venv", WORKER], check=True, timeout=120)
        pip: list[str | Path] = [
            WORKER / "bin" / "python",
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "--quiet",
        ]
        subprocess.run([*pip, *WORKER_NEEDS], check=True, timeout=600)
    hello = folder / "hello"
    hello.mkdir()
    (hello / "function_app.py").write_text(HELLO)
    shutil.copy(PACKAGE / "host.json", hello)
    (hello / VENDORED).symlink_to(PACKAGE / VENDORED)
    return hello


def main() -> int:
    """Measure, print a table, and say whether every door is within the goal."""
    parser = argparse.ArgumentParser(prog="python -m bench.cold", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="two doors, once each")
    parser.add_argument("--doors", nargs="*", default=list(DOORS), choices=list(DOORS))
    parser.add_argument("--json", type=Path, help="write every figure here, too")
    given = parser.parse_args()
    if not PACKAGE.is_dir():
        print("There is no package: make package", file=sys.stderr)
        return 2
    if given.quick:
        given.rounds, given.doors = 1, given.doors[1:3]
    times: dict[str, Times] = {name: Times() for name in ("hello", *given.doors)}
    with tempfile.TemporaryDirectory() as folder, surroundings() as environment:
        hello = prepare(Path(folder))
        start(hello, "GET /hello", environment)  # into the page cache
        for _ in range(given.rounds):
            for name, measured in times.items():
                app, asked = (hello, "GET /hello") if name == "hello" else (PACKAGE, DOORS[name])
                for figures, figure in zip(
                    (measured.wall, measured.cpu, measured.memory), start(app, asked, environment), strict=True
                ):
                    figures.append(figure)
    return report(times, given.json)


def report(times: dict[str, Times], file: Path | None = None) -> int:
    """Show medians; 1 where a door needs more CPU than the goal allows."""
    base, figures, worst = min(times["hello"].cpu), Figures(), 0.0
    figures.table("cold start", "door", "wall ms", "least", "CPU ms", "least CPU", "times hello", "MB")
    for name, measured in times.items():
        factor = min(measured.cpu) / base
        worst = max(worst, factor)
        figures.row(
            name,
            *(statistics.median(measured.wall), min(measured.wall)),
            *(statistics.median(measured.cpu), min(measured.cpu), factor),
            statistics.median(measured.memory),
        )
    print(f"The slowest door needs {worst:.2f} times a FastAPI application of one route; the goal is {GOAL}.")
    keep(figures, file)
    return int(worst > GOAL)


if __name__ == "__main__":
    sys.exit(main())
