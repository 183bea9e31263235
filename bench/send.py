"""How fast scans are delivered, beside two floors: ``python -m bench.send [--quick] [--goal] [--scans 400]``.

Two worker processes of the service take scans that wait in the queue of a real Azurite and post them to a mail service
that takes 0 or 150 ms (``bench.upstream``). The floors are measured in the same run, in such processes, too: a client
that posts ready-made bytes, and one that makes the same requests to storage as well. A device has one person.
"""

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import requests

from bench.figures import Figures, arguments, cpu_of, keep, percentile
from bench.office import office
from local.tls import prepare
from shared.devices import Device
from shared.scans import Manifest
from shared.storage import key
from tests.vault.conftest import TID, Staff

HOUSE = Path(__file__).resolve().parent.parent
WORKERS = 2
KINDS = {"service": "service", "storage": "same storage calls", "bare": "ready-made bytes"}
HEAD = ("a second", "p50 ms", "p99 ms", "CPU ms each", "of all processes", "peak MiB")
WARM = 64
PORT = 24990


class Bench:
    """Storage, people and devices, and a mail service of a given delay.

    Args:
        staff: the service on storage of its own.
        beside: the processes of storage and of the mail service, whose CPU is counted, too.
        url: of the mail service.
    """

    def __init__(self, staff: Staff, beside: list[int], url: str) -> None:
        self.staff = staff
        self.url = url
        self._beside = beside
        self._asking = requests.Session()
        self.devices: list[Device] = []

    def hire(self, count: int) -> None:
        """Let there be so many devices, each with a person who has signed in."""
        for account in self.staff.hire(count - len(self.devices)):
            number = len(self.devices)
            self.staff.rooms.storage.table("people").insert(
                key(TID, "bench", f"user{number}"),
                "person",
                {"tid": TID, "oid": account.oid, "account_hint": "", "pinned": datetime.now(UTC)},
            )
            self.devices.append(Device(str(uuid.uuid4()), TID, "bench", "", f"P{number}", "V", "S", "en", "active", {}))

    def fill(self, scans: int, devices: int, size: int) -> None:
        """Hand over scans, evenly from the devices."""
        document = b"%PDF-1.7 " + os.urandom(size - 15) + b"%%EOF\n"
        digest = hashlib.sha256(document).hexdigest()
        for number in range(scans):
            user = number % devices
            manifest = Manifest(
                str(uuid.uuid4()), "to_my_email", f"user{user}", "", "en", "a.pdf", "application/pdf", size, digest
            )
            self.staff.rooms.acceptance.accept(self.devices[user], manifest, io.BytesIO(document))

    def taken(self) -> int:
        """How many mails the mail service took."""
        return int(self._asking.get(f"{self.url}/count", timeout=10).text)

    def run(self, kind: str, devices: int, size: int, scans: int) -> list[float]:
        """Let the workers deliver ``scans`` scans; all of them wait in the queue when it begins."""
        with workers(self.staff, self.url, kind, size) as processes:
            self._part(processes, WARM, devices, size)
            return self._part(processes, scans, devices, size)

    def _part(self, processes: list[Any], scans: int, devices: int, size: int) -> list[float]:
        self.fill(scans, devices, size)
        goal = self.taken() + scans
        begun, used = monotonic(), self._used()
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        while self.taken() < goal:
            sleep(0.05)
            if monotonic() - begun > 300:
                raise TimeoutError("the scans were not delivered")
        spent = monotonic() - begun
        for process in processes:
            process.stdin.write("stop\n")
            process.stdin.flush()
        told = [json.loads(process.stdout.readline()) for process in processes]
        used = self._used() - used
        milliseconds = [each * 1000 for one in told for each in one["seconds"]]
        own = sum(one["cpu"] for one in told)
        return [
            scans / spent,
            percentile(milliseconds, 0.5),
            percentile(milliseconds, 0.99),
            own / scans * 1000,
            (own + used) / scans * 1000,
            max(one["peak"] for one in told) / 1024,
        ]

    def _used(self) -> float:
        return sum(map(cpu_of, self._beside))


@contextmanager
def workers(staff: Staff, url: str, kind: str, size: int) -> Iterator[list[Any]]:
    """Worker processes that are ready."""
    environment = {**os.environ, **staff.told, "GRAPH_URL": url}
    command = [sys.executable, "-m", "bench.send_worker", kind, str(size)]
    with ExitStack() as closing:
        processes = []
        for _ in range(WORKERS):
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=HOUSE,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            closing.callback(process.wait)
            closing.callback(process.kill)
            processes.append(process)
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield processes


@contextmanager
def mail_service(directory: Path, seconds: float, port: int) -> Iterator[tuple[str, int]]:
    """The mail service, in a process of its own."""
    tls = prepare(directory / "tls")
    command = [sys.executable, "-m", "bench.upstream", str(port), str(seconds)]
    process = subprocess.Popen(
        [*command, str(tls.certificate_file), str(tls.key_file)], cwd=HOUSE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield f"https://localhost:{port}", process.pid
    finally:
        process.kill()
        process.wait()


@contextmanager
def fresh(delay: int, devices: int) -> Iterator[Bench]:
    """The service on empty storage: what lies in Azurite from lines before would slow those that follow."""
    with (
        tempfile.TemporaryDirectory() as name,
        office(Path(name)) as found,
        mail_service(Path(name), delay / 1000, PORT) as (url, process),
    ):
        bench = Bench(found.staff, [found.storage, process], url)
        bench.hire(devices)
        yield bench


def main() -> None:
    """Show the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--scans", type=int, default=0, help="for each line; 400, or 60 in the short form")
    parser.add_argument("--goal", action="store_true", help="8 devices at 150 ms alone")
    asked = parser.parse_args()
    scans = asked.scans or (60 if asked.quick else 400)
    narrow = asked.quick or asked.goal
    figures = Figures()
    figures.table("deliver", "upstream ms", "devices", "who", *HEAD)
    for delay in (150,) if narrow else (0, 150):
        for devices in (8,) if narrow else (1, 8, 32):
            with fresh(delay, devices) as bench:
                for kind, who in KINDS.items():
                    figures.row(delay, devices, who, *bench.run(kind, devices, 100_000, scans))
    if not asked.goal:
        figures.table("deliver by size", "KB", "who", *HEAD)
        for size in (10_000, 3_000_000) if asked.quick else (10_000, 100_000, 1_000_000, 3_000_000):
            with fresh(150, 8) as bench:
                for kind, who in KINDS.items():
                    figures.row(size // 1000, who, *bench.run(kind, 8, size, min(scans, 100)))
    keep(figures, asked.json)


if __name__ == "__main__":
    main()
