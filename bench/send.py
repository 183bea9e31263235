"""How fast scans are delivered, beside two floors: ``python -m bench.send [--scans 400] [--quick]``.

Two worker processes of the service take scans that wait in the queue of a real Azurite and post them to a mail service
that takes 0 or 150 ms (``bench.upstream``). The floors are measured in the same run, in such processes, too: a client
that posts ready-made bytes, and one that makes the same requests to storage as well. A device has one person.
"""

import argparse
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
from statistics import median
from time import monotonic, sleep
from typing import Any

import requests

from bench.renewals import office
from local.tls import prepare
from shared.devices import Device
from shared.scans import Manifest
from shared.storage import key
from tests.vault.conftest import TID, Staff

HOUSE = Path(__file__).resolve().parent.parent
WORKERS = 2
KINDS = ("service", "storage", "bare")
WARM = 64
PORT = 24990


class Bench:
    """Storage, people and devices, and a mail service of a given delay.

    Args:
        staff: the service on storage of its own.
        url: of the mail service.
    """

    def __init__(self, staff: Staff, url: str) -> None:
        self.staff = staff
        self.url = url
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
        return int(requests.get(f"{self.url}/count", timeout=10).text)

    def run(self, kind: str, devices: int, size: int, scans: int) -> dict[str, float]:
        """Let the workers deliver ``scans`` scans; all of them wait in the queue when it begins."""
        with workers(self.staff, self.url, kind, size) as processes:
            self._part(processes, WARM, devices, size)
            return self._part(processes, scans, devices, size)

    def _part(self, processes: list[Any], scans: int, devices: int, size: int) -> dict[str, float]:
        self.fill(scans, devices, size)
        goal = self.taken() + scans
        begun = monotonic()
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        while self.taken() < goal:
            sleep(0.02)
            if monotonic() - begun > 300:
                raise TimeoutError("the scans were not delivered")
        spent = monotonic() - begun
        for process in processes:
            process.stdin.write("stop\n")
            process.stdin.flush()
        told = [json.loads(process.stdout.readline()) for process in processes]
        seconds = sorted(each for one in told for each in one["seconds"])
        return {
            "rate": scans / spent,
            "p50": median(seconds) * 1000,
            "p99": seconds[int(len(seconds) * 0.99)] * 1000,
            "cpu": sum(one["cpu"] for one in told) / scans * 1000,
            "peak": max(one["peak"] for one in told) / 1024,
        }


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
def mail_service(directory: Path, seconds: float, port: int) -> Iterator[str]:
    """The mail service, in a process of its own."""
    tls = prepare(directory / "tls")
    command = [sys.executable, "-m", "bench.upstream", str(port), str(seconds)]
    process = subprocess.Popen(
        [*command, str(tls.certificate_file), str(tls.key_file)], cwd=HOUSE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield f"https://localhost:{port}"
    finally:
        process.kill()
        process.wait()


def told(name: str, found: dict[str, float]) -> None:
    """Print a line of a table."""
    figures = " | ".join(f"{found[each]:.0f}" for each in ("rate", "p50", "p99"))
    print(f"| {name} | {figures} | {found['cpu']:.1f} | {found['peak']:.0f} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=400)
    parser.add_argument("--quick", action="store_true", help="8 devices at 150 ms alone")
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load before the run {load:.1f}, {WORKERS} workers, {asked.scans} scans each\n")
    head = "deliveries/s | p50 ms | p99 ms | CPU ms each | peak MiB |\n|---|---|---|---|---|---|"
    with tempfile.TemporaryDirectory() as name, office(Path(name)) as staff, ExitStack() as closing:
        delays = (0.15,) if asked.quick else (0.0, 0.15)
        urls = [closing.enter_context(mail_service(Path(name), s, PORT + n)) for n, s in enumerate(delays)]
        print(f"| upstream, devices, who | {head}")
        bench = Bench(staff, urls[0])
        bench.hire(8 if asked.quick else 32)
        for seconds, url in zip(delays, urls, strict=True):
            bench.url = url
            for devices in (8,) if asked.quick else (1, 8, 32):
                for kind in KINDS:
                    found = bench.run(kind, devices, 100_000, asked.scans)
                    told(f"{seconds * 1000:.0f} ms, {devices}, {kind}", found)
        if not asked.quick:
            print(f"\n| size, who | {head}")
            for size in (10_000, 1_000_000, 3_000_000):
                for kind in KINDS:
                    told(f"{size:,} B, {kind}", bench.run(kind, 8, size, min(asked.scans, 100)))


if __name__ == "__main__":
    main()
