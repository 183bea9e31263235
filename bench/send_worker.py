"""A process that takes messages from the queue by the host's rules: ``python -m bench.send_worker KIND SIZE``.

KIND is ``service``, ``bare`` (posts ready-made bytes and nothing else) or ``storage`` (makes the same requests to
storage as well). It says ``ready``; ``go`` begins and ``stop`` ends a measured part, answered by one line of JSON.
"""

import base64
import json
import os
import resource
import sys
import threading
from dataclasses import dataclass, field
from time import monotonic, process_time
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from local.queue_door import QueueDoor
from shared import settings
from shared.outbound import OutboundSession
from shared.services import Services
from shared.storage import key
from tests.vault.conftest import TID

LISTS = "lists"
SWEEP_EVERY = 60.0


@dataclass
class Timed:
    """Calls a delivery, and notes how long each took."""

    deliver_one: Any
    seconds: list[float] = field(default_factory=list)

    def deliver(self, message: str) -> None:
        """Deliver."""
        begun = monotonic()
        self.deliver_one(message)
        self.seconds.append(monotonic() - begun)


class Bare:
    """A client that posts ready-made bytes; with ``storage`` it makes the service's requests to storage, too."""

    def __init__(self, rooms: Services, size: int, *, storage: bool) -> None:
        self._url = f"{rooms.settings.graph_url}/v1.0/me/sendMail"
        self._session = OutboundSession()
        self._body = json.dumps({"message": {"contentBytes": base64.b64encode(bytes(size)).decode()}}).encode()
        self._storage = storage
        self._jobs = rooms.storage.table("jobs")
        self._grants = rooms.storage.table("grants")
        self._documents = rooms.storage.blobs("documents")

    def deliver(self, message: str) -> None:
        """Do what is done at least."""
        if not self._storage:
            self._post()
            return

        device, _, job = message.partition("/")
        entity = self._jobs.get(device, key("job", job))
        assert entity is not None
        self._grants.get(TID, entity["oid"])
        b"".join(self._documents.read(entity["blob"], entity["etag"]))
        slot = f"slot|{uuid4()}"
        self._jobs.insert(LISTS, slot, {"until": entity["updated"]})
        claimed = self._jobs.replace(entity, {**entity.values, "state": "sending"})
        self._post()
        self._jobs.replace(claimed, {**entity.values, "state": "sent"})
        self._documents.delete(entity["blob"])
        self._jobs.delete_together(LISTS, [entity["due"], slot])

    def _post(self) -> None:
        headers = {"Content-Type": "application/json", "Authorization": "Bearer x"}
        assert self._session.post(self._url, data=self._body, headers=headers, timeout=60).status_code == 202


def sweeping(rooms: Services, stop: threading.Event) -> None:
    """Wake what nobody else wakes: Azurite's queue loses sight of a message now and then."""
    while not stop.wait(SWEEP_EVERY):
        rooms.sweep.run()


def main() -> None:
    """Serve until the input ends."""
    kind, size = sys.argv[1], int(sys.argv[2])
    rooms = Services(settings.read(os.environ))
    one = rooms.delivery if kind == "service" else Bare(rooms, size, storage=kind == "storage")
    timed = Timed(one.deliver)
    served: Any = SimpleNamespace(delivery=timed, sweep=rooms.sweep)
    door = QueueDoor(rooms.settings.data_storage, served)
    print("ready", flush=True)
    stop, thread, used = threading.Event(), threading.Thread(), 0.0
    for line in sys.stdin:
        if line.strip() == "go":
            stop.clear()
            timed.seconds.clear()
            used = process_time()
            thread = threading.Thread(target=door.serve, args=(stop,))
            thread.start()
            if kind == "service":
                threading.Thread(target=sweeping, args=(rooms, stop), daemon=True).start()
            continue
        stop.set()
        thread.join()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"seconds": timed.seconds, "cpu": process_time() - used, "peak": peak}), flush=True)


if __name__ == "__main__":
    main()
