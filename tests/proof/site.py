"""A site: the service's processes, which can be killed at each call that leaves them, and what helps afterwards."""

import random
import secrets
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

import msal
import requests
from azure.data.tables import TableClient
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from local.microsoft.directory import Account
from local.person import LostError, Person
from shared import faults
from shared.organisations import Policy
from shared.organisations.ranges import RANGES
from shared.scans import Job
from shared.services import Services
from shared.storage import key
from tests.proof.killing import PATIENCE, Point, Workers
from tests.proof.wire import Request, Wire
from to_my_email import Api, Temporary

CONTOSO = "11111111-1111-4111-8111-111111111111"
SWEEP_SECONDS = 60
STORIES = 3
"""How often it is tried until it comes to the point: a connection to whom was killed before may be met first."""
CUT_OFF = (requests.RequestException, Temporary, LostError)
"""What a printer or a person meets when the service dies."""


class Site:
    """The service. ``rooms`` is a process that lives: it looks, sweeps and recovers, over no wire to storage.

    Args:
        rooms: beside the same storage and the same Microsoft.
        microsoft: the emulated Microsoft.
        wire: what the processes that are killed ask over.
        workers: starts and kills them.
        told: their settings.
        seed: of what is by chance.
    """

    def __init__(
        self, rooms: Services, microsoft: Any, wire: Wire, workers: Workers, told: Mapping[str, str], seed: str
    ) -> None:
        self.rooms = rooms
        self._direct = rooms.settings.data_storage
        self.workers = workers
        self.clock: Any = rooms.clock
        self.microsoft = microsoft
        self.wire = wire
        self.told = told
        self.random = random.Random(seed)
        self.port = int(str(urlsplit(told["PUBLIC_URL"]).port))
        self.url = told["PUBLIC_URL"]

    # Processes

    def another_day(self) -> None:
        """Let access tokens end, and put a new process in the place of the one that lives.

        MSAL looks at the machine's clock, so a managed identity's token would be kept by a process for ever.
        """
        self.clock.advance(hours=26)
        self.rooms = Services(self.rooms.settings, clock=self.clock)

    def start(self, act: str, **more: Any) -> int:
        """Start a process of the service; returns its id."""
        return self.workers.start(act, self.told, self.clock.ahead.total_seconds(), **more)

    @contextmanager
    def serving(self) -> Iterator[int]:
        """A process that serves HTTP; killed at the end if it still lives."""
        process = self.start("serve", port=self.port)
        ends = monotonic() + PATIENCE
        while not _listens(self.port):
            assert monotonic() < ends, "the service did not start"
            sleep(0.01)
        try:
            yield process
        finally:
            self.workers.kill(process)

    # Points

    def points(self, run: Callable[[], None]) -> list[Point]:
        """Let something happen that nothing disturbs, and return the moments before and after each of its calls."""
        calls: list[Point] = []
        count: Counter[str] = Counter()

        def note(request: Request) -> str:
            count[request.name] += 1
            calls.extend(Point(when, request.name, count[request.name]) for when in ("before", "after"))
            return ""

        self.microsoft.switchboard.forget()
        self.wire.decide = note
        run()
        self.wire.calm()
        steps = [entry.where for entry in self.microsoft.switchboard.journal() if entry.method == "SMTP"]
        # Nothing but the message's end has an effect: the moment after any other step is that before the next.
        ended = [Point("after", step) for step in steps if step == "smtp_dot"]
        return calls + [Point("before", step) for step in steps] + ended

    def arm(self, point: Point) -> Callable[[], bool]:
        """Let the call at a point be the last one; returns what tells whether it has come to that."""
        wire, board = self.wire, self.microsoft.switchboard
        wire.held.clear()
        wire.over.clear()
        if not point.number:
            mails = self.mails()
            board.forget()
            board.add(point.call, "silence" if point.when == "before" else "silence_after_applying")
            wire.decide = lambda _: ""
            return lambda: (
                any(entry.fault for entry in board.journal()) and (point.when == "before" or self.mails() > mails)
            )
        left = iter(range(point.number - 1, -1, -1))

        def decide(request: Request) -> str:
            if request.name != point.call or next(left, 1):
                return ""
            return "held" if point.when == "before" else "applied, held"

        wire.decide = decide
        return wire.held.is_set

    def killed(self, point: Point, start: Callable[[], int]) -> bool:
        """Start a process, wait until it comes to the point, and kill it there; False: it ended by itself."""
        moment = self.arm(point)
        return self.kill_when(moment, start())

    def kill_when(self, moment: Callable[[], bool], process: int) -> bool:
        """Kill a process when the moment has come, and let everything pass again; False: it ended by itself."""
        try:
            return self.workers.kill_when(process, moment)
        finally:
            self.wire.calm()
            self.microsoft.switchboard.remove()

    def dies_while(self, point: Point, story: Callable[[], object]) -> bool:
        """Serve HTTP and let a story happen, in which the process is killed at a point; False: it never came there."""
        with self.serving() as process:
            moment, came = self.arm(point), threading.Event()

            def watch() -> None:
                if self.kill_when(moment, process):
                    came.set()

            watcher = threading.Thread(target=watch)
            watcher.start()
            for _ in range(STORIES):
                with suppress(*CUT_OFF):
                    story()
                # Where the story was over before the call came, as after its answer, it has a moment left.
                if came.wait(1):
                    break
            self.workers.kill(process)
            watcher.join()
        return came.is_set()

    def until_ended(self, *processes: int, seconds: float = 900) -> None:
        """Wait until processes have ended by themselves."""
        ends = monotonic() + seconds
        while not all(self.workers.ended(process) for process in processes):
            assert monotonic() < ends, "it does not end"
            sleep(0.02)

    # What helps

    def recover(self, over: Callable[[], bool], *, within: float = 3600) -> float:
        """Let time pass with the sweep each minute and nothing else that wakes a job; returns seconds of the clock."""
        began = self.clock()
        self.messages()
        self.clock.advance(seconds=self.random.uniform(0, SWEEP_SECONDS))
        while True:
            with suppress(faults.StorageUnavailable):
                self.rooms.sweep.run()
                for message in self.messages():
                    self.rooms.delivery.deliver(message)
            spent = float((self.clock() - began).total_seconds())
            if over():
                return spent
            assert spent < within, f"not recovered within {within} seconds"
            self.clock.advance(seconds=SWEEP_SECONDS)

    def messages(self) -> list[str]:
        """Take the messages that are visible now, as the host does, whose way to storage is not ours to try."""
        with QueueClient.from_connection_string(
            self._direct, "deliveries", message_decode_policy=TextBase64DecodePolicy()
        ) as queue:
            found = list(queue.receive_messages(visibility_timeout=600))
            for message in found:
                queue.delete_message(message)
            return [str(message.content) for message in found]

    # People and printers

    def consent(self, permission_range: str, tid: str = CONTOSO, **policy: Any) -> None:
        """Let an organisation have consented to a range."""
        account = "contoso" if tid == CONTOSO else "fabrikam"
        granted = ("openid", "profile", "offline_access", "Mail.Send", "User.Read", "Mail.ReadWrite", "SMTP.Send")
        self.microsoft.cloud.grant(account, self.rooms.settings.client_id, granted)
        chosen = RANGES[permission_range]
        self.rooms.organisations.consented(tid, name=account, consented_range=chosen, proven_by="admin", oid="0")
        self.rooms.organisations.set_policy(tid, Policy(**policy))
        # What is remembered for five seconds is forgotten.
        self.clock.advance(seconds=6)

    def pin(self, name: str = "adele", account: str = "", group: str = "office") -> Account:
        """Let a printer's user have signed in."""
        found: Account = self.microsoft.cloud.account(account or f"contoso/{name}")
        self.rooms.grants.store(found.tid, found.oid, self.tokens(found))
        self.rooms.storage.table("people").put(
            key(found.tid, group, name),
            "person",
            {"tid": found.tid, "oid": found.oid, "account_hint": "a•••@x.example", "pinned": self.clock()},
        )
        return found

    def tokens(self, account: Account) -> str:
        """MSAL's cache after a sign-in."""
        cache = msal.SerializableTokenCache()
        token = self.microsoft.cloud.refresh_tokens.issue(account, self.rooms.settings.client_id).value
        app = self.rooms.entra._app(account.tid, cache)
        assert "access_token" in app.acquire_token_by_refresh_token(token, list(RANGES["send"].scopes))
        return str(cache.serialize())

    def printer(self, directory: Path, tid: str = CONTOSO) -> Api:
        """Enrol a printer, while the service serves."""
        device = self.device(directory)
        device.enrol(self.rooms.tickets.issue(tid, "office", "2nd floor"), model="V", serial="S", name="Printer")
        return device

    def device(self, directory: Path) -> Api:
        """A printer that is not enrolled, and does not try again by itself."""
        return Api(self.url, directory / secrets.token_hex(4), sleep=_at_once)

    def person(self) -> Person:
        """Somebody with a fresh browser."""
        return Person(Path(self.told["SSL_CERT_FILE"]))

    def mails(self, account: str = "contoso/adele") -> int:
        """How many messages lie in somebody's mailbox."""
        return len(self.microsoft.cloud.mailboxes.inbox(account))

    # What lies in storage

    def job(self, job: Job) -> Job:
        """A job as it stands."""
        found = self.rooms.jobs.get(job.device_id, job.manifest.id)
        assert found is not None
        return found

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Every row of a table."""
        with TableClient.from_connection_string(self.rooms.settings.data_storage, table) as client:
            return [dict(entity) for entity in client.list_entities()]

    def forget(self, *tables: str) -> None:
        """Empty tables."""
        for table in tables:
            with TableClient.from_connection_string(self.rooms.settings.data_storage, table) as client:
                for row in list(client.list_entities()):
                    client.delete_entity(row)

    def due(self) -> list[str]:
        """The places among what is due."""
        found = self.rooms.storage.table("jobs").query("lists", after=key("due", ""), before=key("due", "~"))
        return [row.row for row in found]

    def documents(self) -> list[str]:
        """The names of all stored documents."""
        with ContainerClient.from_connection_string(self.rooms.settings.data_storage, "documents") as container:
            return [blob.name for blob in container.list_blobs()]


def _at_once(_seconds: float) -> None:
    """The killed service is not waited for: the test says when the printer tries again."""


def _listens(port: int) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0
