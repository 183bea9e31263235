"""Thirty-two devices that scan for ten minutes while things go wrong: ``python -m bench.soak [--minutes 10]``.

Worker processes of the service take scans from the queue of a real Azurite, another one serves HTTP; Microsoft is
emulated. Another tenant's printer scans beside them: alone at first, then with the load, then with each kind of
trouble. What is asked at the end: is every accepted scan in its mailbox, once, or shown as open; does a worker's memory
grow; was the neighbour slowed. Times are judged as a ratio of the same run, since all of it shares this machine with
whatever else runs. Everything is on the loopback, and ends by itself.
"""

import argparse
import json
import logging
import os
import random
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression, median, quantiles
from time import monotonic, sleep
from typing import Any

from local import azurite
from local.demo import free_ports
from local.environment import app_environment
from local.microsoft.directory import Account
from local.microsoft.keys import KeyRing
from local.tls import prepare
from tests.manifests import make_manifest
from tests.proof.conftest import FIGURES, opened
from tests.proof.site import CONTOSO, Site
from tests.proof.test_storage import Weather
from to_my_email import Api, Error

FABRIKAM = "22222222-2222-4222-8222-222222222222"
DEVICES, WORKERS = 32, 3
PRESSED_EVERY, MOST_AT_ONCE = 4.0, 64
"""Seconds between two scans of the neighbour, which stays below a person's limit; and how many may be on their way."""
DOCUMENT_BYTES = 50_000
ALONE_SECONDS = 60
SWEEP_SECONDS = 15
"""More often than in Azure: ten minutes are short."""
PHASES = (
    ("calm", 0.0),
    ("Microsoft fails", 0.25),
    ("storage fails", 0.45),
    ("workers die", 0.65),
    ("calm again", 0.85),
)
"""What goes on from which part of the time on."""
MICROSOFTS: list[tuple[str, str, dict[str, Any]]] = [
    ("sendMail", "throttled", {"retry_after": "2"}),
    ("sendMail", "unavailable", {}),
    ("sendMail", "slow", {"seconds": 3.0}),
    ("sendMail", "gateway_timeout_after_applying", {}),
    ("token", "server_error", {}),
    ("me", "reset", {}),
]
GROWTH = 0.1
"""By so much of itself a worker may grow from a third of the time on, when it is warm, to the end."""
SLOWER = 2.0
"""So many times as long as alone a neighbour may wait, in the median of a phase."""


@dataclass
class Soak:
    """What happened so far."""

    site: Site
    pause: float
    chance: random.Random
    phase: str = "alone"
    stopped: threading.Event = field(default_factory=threading.Event)
    accepted: list[tuple[str, str, str]] = field(default_factory=list)
    """Device, scan, account."""
    trouble: Counter[str] = field(default_factory=Counter)
    waited: dict[str, list[float]] = field(default_factory=dict)
    """Seconds from the neighbour's press to his mail, by phase."""
    memory: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the start, and MiB of the worker that is never killed."""
    workers: list[int] = field(default_factory=list)

    def scan(self, device: Api, user: str, account: str) -> str:
        """Scan once, and try until it is accepted; returns the scan's id."""
        document = b"%PDF-1.7 " + self.chance.randbytes(DOCUMENT_BYTES) + b"\n%%EOF\n"
        manifest = make_manifest(document, name="a.pdf", media_type="application/pdf", user_id=user)
        manifest["title"] = manifest["id"]
        while True:
            try:
                device.submit(manifest, document, patience=0)
            except Error as error:
                self.trouble[error.reason] += 1
                sleep(1)
                continue
            self.accepted.append((str(device.enrolment.device_id), manifest["id"], account))  # type: ignore[union-attr]
            return str(manifest["id"])

    def office(self, device: Api, user: str, account: str) -> None:
        """Scan now and then."""
        self.stopped.wait(self.chance.uniform(0, self.pause))
        while not self.stopped.is_set():
            self.scan(device, user, account)
            self.stopped.wait(self.chance.uniform(0.5, 1.5) * self.pause)

    def neighbour(self, device: Api, user: str, account: str) -> None:
        """Press every few seconds, whatever became of the scans before; so one that is stuck hides no other."""
        pressed = []
        with ThreadPoolExecutor(MOST_AT_ONCE) as pressing:
            while not self.stopped.wait(PRESSED_EVERY):
                pressed.append(pressing.submit(self.press, device, user, account))
        for each in pressed:
            each.result()

    def press(self, device: Api, user: str, account: str) -> None:
        """Scan, and wait for the mail; the phase of the press counts. What still waits at the end is not counted."""
        phase, begun = self.phase, monotonic()
        title = self.scan(device, user, account)
        while not any(title in mail.subject for mail in self.site.microsoft.cloud.mailboxes.inbox(account)):
            if self.stopped.wait(0.02):
                return
        self.waited.setdefault(phase, []).append(monotonic() - begun)

    def weigh(self) -> None:
        """Weigh the worker that is never killed, every two seconds."""
        begun, page = monotonic(), os.sysconf("SC_PAGE_SIZE")
        while not self.stopped.wait(2):
            pages = int(Path(f"/proc/{self.workers[0]}/statm").read_text("ascii").split()[1])
            self.memory.append((monotonic() - begun, pages * page / 2**20))

    def microsoft(self) -> None:
        """Switch a fault of Microsoft's on for the office, every two seconds another one."""
        board = self.site.microsoft.switchboard
        while self.phase == "Microsoft fails":
            where, kind, more = self.chance.choice(MICROSOFTS)
            board.add(where, kind, tenant="contoso", times=5, **more)
            self.trouble[f"{where} {kind}"] += 5
            self.stopped.wait(2)
            board.remove()

    def deaths(self) -> None:
        """Kill a worker every few seconds, never the first one, and start another."""
        while self.phase == "workers die":
            number = self.chance.randrange(1, WORKERS)
            self.site.workers.kill(self.workers[number])
            self.trouble["worker killed"] += 1
            self.workers[number] = self.site.start("work", sweep_seconds=SWEEP_SECONDS)
            self.stopped.wait(self.chance.uniform(4, 10))

    def troubles(self, seconds: float) -> None:
        """Go through the phases."""
        begun = monotonic()
        weather = Weather(self.chance, 5)
        for (phase, _), ends in zip(PHASES, [*(start for _, start in PHASES[1:]), 1.0], strict=True):
            self.phase = phase
            print(f"{monotonic() - begun:5.0f} s  {phase}: {len(self.accepted)} scans accepted", flush=True)
            work: dict[str, Callable[[], None]] = {"Microsoft fails": self.microsoft, "workers die": self.deaths}
            thread = threading.Thread(target=work.get(phase, lambda: None))
            self.site.wire.over.clear()
            self.site.wire.decide = weather if phase == "storage fails" else lambda _: ""
            thread.start()
            self.stopped.wait(max(0.0, begun + seconds * ends - monotonic()))
            self.phase = ""
            thread.join()
        self.trouble.update(
            {f"storage {fault}": count for fault, count in weather.met.items() if fault != "let through"}
        )

    def settle(self) -> Counter[str]:
        """Let everything come to its end, and count how each scan ended; ``lost``: none of the ends there are."""
        site, open_ones = self.site, self.accepted

        def state(device: str, scan: str) -> str:
            job = site.rooms.jobs.get(device, scan)
            return job.state if job else "lost"

        def over() -> bool:
            return all(state(device, scan) not in UNDER_WAY for device, scan, _ in open_ones)

        site.wire.calm()
        site.microsoft.switchboard.remove()
        site.recover(over, within=90_000)
        ends: Counter[str] = Counter()
        inboxes = [site.microsoft.cloud.mailboxes.inbox(who) for who in {who for *_, who in open_ones}]
        mails = Counter(mail.subject for inbox in inboxes for mail in inbox)
        for device, scan, _ in open_ones:
            ended = state(device, scan)
            count = sum(times for subject, times in mails.items() if scan in subject)
            good = count == 1 if ended == "sent" else count <= 1
            ends[ended if good else f"{ended}, {count} mails"] += 1
        return ends


UNDER_WAY = {"accepted", "sending", "waiting"}


def hire(site: Site, count: int) -> list[Account]:
    """Let so many people be in the directory, and signed in at the office's printers."""
    for number in range(count):
        name, oid = f"soak{number}", f"aaaaaaaa-0000-4000-8000-{number:012d}"
        address = f"{name}@contoso.example"
        made = Account(f"contoso/{name}", CONTOSO, oid, name, address, address, "of the soak")
        with site.microsoft.cloud.lock:
            site.microsoft.cloud.state.accounts[made.key] = made
    return [site.pin(f"soak{number}") for number in range(count)]


@contextmanager
def site_of_its_own(directory: Path, seed: str) -> Iterator[Site]:
    """A site on an Azurite of its own."""
    tls = prepare(directory / "tls")
    os.environ.pop("CURL_CA_BUNDLE", None)
    os.environ.update(REQUESTS_CA_BUNDLE=str(tls.ca_file), SSL_CERT_FILE=str(tls.ca_file))
    ports = free_ports()
    process, connection = azurite.start(log=directory / "azurite.log")
    with process, opened(connection, tls, KeyRing(), app_environment(directory, ports), ports.app_url, seed) as site:
        yield site


def run(seconds: float, pause: float, seed: str) -> dict[str, Any]:
    """Run the soak; returns its figures."""
    with tempfile.TemporaryDirectory(prefix="soak-") as name, ExitStack() as closing:
        site = closing.enter_context(site_of_its_own(Path(name), seed))
        site.consent("send")
        site.consent("send", FABRIKAM)
        people = hire(site, DEVICES)
        neighbour = site.pin("ben", "fabrikam/ben")
        soak = Soak(site, pause, random.Random(seed))
        closing.enter_context(site.serving())
        soak.workers = [site.start("work", sweep_seconds=SWEEP_SECONDS) for _ in range(WORKERS)]
        closing.callback(lambda: [site.workers.kill(worker) for worker in soak.workers])
        devices = [site.printer(Path(name)) for _ in people]
        beside = site.printer(Path(name), FABRIKAM)
        told = [
            (device, person.key.partition("/")[2], person.key) for device, person in zip(devices, people, strict=True)
        ]
        office = [threading.Thread(target=soak.office, args=each) for each in told]
        first = [threading.Thread(target=soak.neighbour, args=(beside, "ben", neighbour.key))]
        first.append(threading.Thread(target=soak.weigh))
        # Whoever is first, and what has to be read once, is not measured.
        soak.scan(beside, "ben", neighbour.key)
        sleep(5)
        load = [os.getloadavg()[0]]
        for thread in first:
            thread.start()
        sleep(min(ALONE_SECONDS, seconds / 4))
        for thread in office:
            thread.start()
        soak.troubles(seconds)
        load.append(os.getloadavg()[0])
        soak.stopped.set()
        for thread in (*first, *office):
            thread.join()
        for worker in soak.workers:
            site.workers.kill(worker)
        ends = soak.settle()
    return figures(soak, ends, seconds, load)


def figures(soak: Soak, ends: Counter[str], seconds: float, load: list[float]) -> dict[str, Any]:
    """Return what is to be told of it."""
    alone = median(soak.waited["alone"])
    warm = [point for point in soak.memory if point[0] > soak.memory[-1][0] / 3]
    slope = linear_regression([at for at, _ in warm], [mib for _, mib in warm]).slope
    return {
        "minutes": round(seconds / 60, 1),
        "devices": DEVICES,
        "workers": WORKERS,
        "accepted": len(soak.accepted),
        "ends": dict(ends),
        "lost": sum(count for end, count in ends.items() if end not in {"sent", "uncertain"}),
        "trouble": dict(soak.trouble),
        "memory_mib": [round(soak.memory[0][1], 1), round(warm[0][1], 1), round(soak.memory[-1][1], 1)],
        "memory_mib_per_hour": round(slope * 3600, 1),
        "neighbour": {
            phase: {
                "scans": len(found),
                "p50": round(median(found), 2),
                "p95": round(quantiles(found, n=20)[-1] if len(found) > 1 else found[0], 2),
                "longest": round(max(found), 1),
                "ratio": round(median(found) / alone, 2),
            }
            for phase, found in soak.waited.items()
            if phase
        },
        "load": [round(each, 1) for each in load],
        "cores": os.cpu_count(),
    }


def broken(found: dict[str, Any]) -> list[str]:
    """Return the promises that these figures break: nothing lost, memory flat, the neighbour not slowed down."""
    _, warm, last = found["memory_mib"]
    said = [f"{found['lost']} scans lost"] if found["lost"] else []
    if last > warm * (1 + GROWTH):
        said.append(f"a worker grew from {warm} to {last} MiB")
    waited = found["neighbour"]
    said += [f"the neighbour pressed in vain: {phase}" for phase, _ in PHASES if phase not in waited]
    slow = [phase for phase, each in waited.items() if each["ratio"] > SLOWER]
    return [*said, *(f"the neighbour waited more than {SLOWER} times as long: {phase}" for phase in slow)]


def main() -> int:
    """Print the figures; 0 only if they keep every promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--pause", type=float, default=16, help="seconds between two scans of a device, about")
    parser.add_argument("--seed", default=os.urandom(4).hex())
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    print(f"seed {asked.seed}", flush=True)
    found = run(asked.minutes * 60, asked.pause, asked.seed)
    FIGURES.mkdir(parents=True, exist_ok=True)
    (FIGURES / "soak.json").write_text(json.dumps(found, indent=1), "utf-8")
    print(json.dumps(found, indent=1))
    for promise in (not_kept := broken(found)):
        print(promise, file=sys.stderr)
    return int(bool(not_kept))


if __name__ == "__main__":
    sys.exit(main())
