"""The service in processes that can be killed: ``python -m tests.proof.worker``.

It has everything imported and forks for each line of its input, JSON with ``environment`` (settings), ``ahead`` (by so
many seconds its clock is), ``act`` (a function of this module) and what that takes. It answers with the id of the fork.
To a line with ``process``, such an id, it answers 1 while that lives and 0 when not; with ``kill`` it kills it first.
"""

import importlib
import json
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn

from local import app as local_app
from local.queue_door import QueueDoor
from shared import faults, settings
from shared.services import Services


def deliver(rooms: Services, told: dict[str, Any]) -> None:
    """Deliver what a queue message names, as the queue door does."""
    rooms.delivery.deliver(told["message"])


def refresh(rooms: Services, told: dict[str, Any]) -> None:
    """Get a person's access token."""
    rooms.grants.access_token(told["tid"], told["oid"], told["scopes"])


def renew(rooms: Services, told: dict[str, Any]) -> None:
    """Renew sleeping sign-ins, as the timer does."""
    rooms.keep_alive.run()


def look(rooms: Services, told: dict[str, Any]) -> None:
    """Look once at a mailbox's sign-in, and so activate it where that can be."""
    rooms.mailbox_sign_ins.look(told["sign_in"], begun_by=told["device"])


def churn(rooms: Services, told: dict[str, Any]) -> None:
    """Do what the service does with the same people and jobs as other workers, in an order by chance."""
    chance, tid, scopes = random.Random(told["seed"]), told["tid"], told["scopes"]

    def refused() -> None:
        oid = person()
        held = rooms.grants.access_token(tid, oid, scopes)
        rooms.grants.access_token(tid, oid, scopes, refused=held)

    def end() -> None:
        grant = rooms.grants.get(tid, person())
        if grant is not None:
            rooms.grants.end(grant, faults.SignInExpired)

    def postpone() -> None:
        grant = rooms.grants.get(tid, person())
        if grant is not None:
            rooms.grants.postpone(grant)

    def person() -> str:
        return str(chance.choice(told["sign_ins"])[0])

    deeds: list[tuple[int, Callable[[], object]]] = [
        (30, refused),
        (6, lambda: rooms.grants.store(tid, *chance.choice(told["sign_ins"]))),
        (3, end),
        (3, postpone),
        (1, lambda: rooms.grants.erase(tid, person())),
        (1, lambda: rooms.grants.rows.reseal(tid)),
        (40, lambda: rooms.delivery.deliver("/".join(chance.choice(told["jobs"])))),
        (6, rooms.sweep.run),
        (1, lambda: rooms.acceptance.cancel(_Printer(chance.choice(told["jobs"])[0]), chance.choice(told["jobs"])[1])),
    ]
    for _ in range(told["rounds"]):
        [(_, deed)] = chance.choices(deeds, [weight for weight, _ in deeds])
        with suppress(faults.Fault):
            deed()


@dataclass(frozen=True)
class _Printer:
    """So much of a device as a cancellation looks at."""

    id: str


def work(rooms: Services, told: dict[str, Any]) -> None:
    """Take messages from the queue as the Functions host does, and sweep, until killed."""
    stop = threading.Event()

    def sweeps() -> None:
        while not stop.wait(told["sweep_seconds"]):
            with suppress(Exception):
                rooms.sweep.run()

    threading.Thread(target=sweeps, daemon=True).start()
    QueueDoor(rooms.settings.data_storage, rooms).serve(stop)


SERVING: list[Services] = []


def serve(rooms: Services, told: dict[str, Any]) -> None:
    """Serve the HTTP doors until killed."""
    SERVING.append(rooms)
    config = uvicorn.Config(DOORS, port=told["port"], lifespan="off", log_level="warning", access_log=False)
    uvicorn.Server(config).run()


DOORS = local_app.Doors(lambda: SERVING[0])
"""Built once: it takes longer than what a test then does with them."""
ACTS: dict[str, Callable[[Services, dict[str, Any]], None]] = {
    act.__name__: act for act in (deliver, refresh, renew, look, churn, work, serve)
}


def _service(ahead: timedelta) -> Services:
    return Services(settings.read(os.environ), clock=lambda: datetime.now(UTC) + ahead)


def main() -> None:
    """Fork, kill and look until the input ends; whoever still lives then is killed."""
    for module in (
        *("azure.data.tables", "azure.storage.blob", "azure.storage.queue", "msal", "shared.identity.entra"),
        *("shared.mail.smtp", "shared.mail.graph.draft", "shared.mail.graph.send", "shared.scans.deliver"),
        *("shared.mailboxes.sign_ins", "shared.identity.device_code", "shared.vault.grants"),
        *("shared.vault.key_vault", "shared.vault.keep_alive", "shared.pages.render"),
    ):
        importlib.import_module(module)
    living: set[int] = set()
    for line in sys.stdin:
        told: dict[str, Any] = json.loads(line)
        if "act" in told:
            living.add(child := _forked(told))
            print(child, flush=True)  # noqa: T201
            continue
        # A process that has ended keeps its id until it is waited for, so no other one can be meant by it.
        for process in living & {told["process"]}:
            if told.get("kill"):
                os.kill(process, signal.SIGKILL)
            if os.waitpid(process, 0 if told.get("kill") else os.WNOHANG)[0]:
                living.discard(process)
        print(int(told["process"] in living), flush=True)  # noqa: T201
    for process in living:
        os.kill(process, signal.SIGKILL)


def _forked(told: dict[str, Any]) -> int:
    child = os.fork()
    if not child:
        try:
            os.environ.update(told["environment"])
            ACTS[told["act"]](_service(timedelta(seconds=told["ahead"])), told)
        except faults.Fault:
            pass  # it stands in the row
        finally:
            os._exit(0)
    return child


if __name__ == "__main__":
    main()
