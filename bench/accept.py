"""How fast scans are accepted and people looked up, over HTTP: ``python -m bench.accept [--quick]``.

One process serves the device API; real device clients (``clients/python``) hand over scans with tokens and proofs of
their own, each one after the other, and ask whether a person can scan. Beside it serve two floors: a FastAPI
application of one route that takes the bytes, and one that makes the requests to storage as well. What clients cost is
not counted. Microsoft is not asked by either, so there is no delay of its.
"""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import requests

from bench.figures import Figures, arguments, cpu_of, keep, peak_of, percentile
from bench.office import Office, office
from bench.send import HOUSE
from shared.storage import key
from tests.manifests import make_manifest
from tests.vault.conftest import TID
from to_my_email import Api

WHO = {"service": "service", "storage": "same storage calls", "bare": "takes the bytes"}
HEAD = ("a second", "p50 ms", "p99 ms", "CPU ms each", "of all processes", "peak MiB")
SCANS_OF_DEVICE = 40
"""A device may hand over 150 in five minutes, a person 100 (docs/limits.md)."""
LOOKS = 100
USER = "user{}"


@contextmanager
def door(found: Office, kind: str, port: int) -> Iterator[int]:
    """The device API or a floor, in a process of its own; yields its id."""
    environment = {**os.environ, **found.staff.told, "PUBLIC_URL": f"http://127.0.0.1:{port}"}
    command = [sys.executable, "-m", "bench.door", kind, str(port)]
    with subprocess.Popen(command, env=environment, cwd=HOUSE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process.pid
        finally:
            process.kill()


def free_port() -> int:
    """Return a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def measure(found: Office, pid: int, calls: list[Callable[[], None]], times: int) -> list[float]:
    """Let every caller call so many times, all at once; the first call of each is not counted."""

    def warm(call: Callable[[], None]) -> None:
        call()

    def one_after_the_other(call: Callable[[], None]) -> list[float]:
        taken = []
        for _ in range(times):
            begun = monotonic()
            call()
            taken.append((monotonic() - begun) * 1000)
        return taken

    with ThreadPoolExecutor(len(calls)) as pool:
        list(pool.map(warm, calls))
        begun, own, storage = monotonic(), cpu_of(pid), cpu_of(found.storage)
        taken = [each for one in pool.map(one_after_the_other, calls) for each in one]
        spent, own, storage = monotonic() - begun, cpu_of(pid) - own, cpu_of(found.storage) - storage
    count = len(taken)
    return [
        count / spent,
        percentile(taken, 0.5),
        percentile(taken, 0.99),
        own / count * 1000,
        (own + storage) / count * 1000,
        peak_of(pid),
    ]


def enrolled(found: Office, url: str, count: int, folder: Path) -> list[Api]:
    """Return devices that have a token, each with a person who has signed in."""
    rooms = found.staff.rooms
    made = []
    people = found.staff.hire(count)
    for number, account in enumerate(people):
        rooms.storage.table("people").insert(
            key(TID, "bench", f"{folder.name}-{number}"),
            "person",
            {"tid": TID, "oid": account.oid, "account_hint": "", "pinned": datetime.now(UTC)},
        )
        device = Api(url, folder / str(number))
        device.enrol(rooms.tickets.issue(TID, "bench", ""), model="V", serial=f"{folder.name}{number}", name="P")
        made.append(device)
    return made


def submitting(device: Api, user: str, document: bytes) -> Callable[[], None]:
    """Return what hands over a new scan."""

    def submit() -> None:
        device.submit(make_manifest(document, name="a.pdf", media_type="application/pdf", user_id=user), document)

    return submit


def posting(url: str, document: bytes) -> Callable[[], None]:
    """Return what hands over bytes to a floor."""
    session = requests.Session()
    files: Any = {"document": ("document", document, "application/pdf")}

    def post() -> None:
        answer = session.post(f"{url}/scans", files=files, timeout=60)
        assert answer.status_code == 202, answer.text

    return post


def main() -> None:
    """Show the tables."""
    asked = arguments(__doc__).parse_args()
    figures, times = Figures(), 5 if asked.quick else SCANS_OF_DEVICE
    document = b"%PDF-1.7 " + os.urandom(99_900) + b"\n%%EOF\n"
    with tempfile.TemporaryDirectory() as name, office(Path(name)) as found:
        counts = (8,) if asked.quick else (1, 8, 32)
        figures.table("accept", "devices", "who", *HEAD)
        for count in counts:
            for kind, who in WHO.items():
                port = free_port()
                url, folder = f"http://127.0.0.1:{port}", Path(name) / f"{kind}{count}"
                with door(found, kind, port) as pid:
                    if kind == "service":
                        devices = enrolled(found, url, count, folder)
                        calls = [
                            submitting(device, f"{folder.name}-{number}", document)
                            for number, device in enumerate(devices)
                        ]
                    else:
                        calls = [posting(url, document) for _ in range(count)]
                    figures.row(count, who, *measure(found, pid, calls, times))
        port = free_port()
        url, folder = f"http://127.0.0.1:{port}", Path(name) / "looks"
        with door(found, "service", port) as pid:
            devices = enrolled(found, url, max(counts), folder)
            figures.table("warm sign-in check", "devices", *HEAD)
            for count in counts:
                looks = [
                    lambda device=device, number=number: device.user(f"{folder.name}-{number}")  # type: ignore[misc]
                    for number, device in enumerate(devices[:count])
                ]
                figures.row(count, *measure(found, pid, looks, 5 if asked.quick else LOOKS))
        for each in devices:
            each.close()
    keep(figures, asked.json)


if __name__ == "__main__":
    main()
