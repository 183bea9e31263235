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
        self._jobs = rooms.storage.table("jobs")._client  # noqa: SLF001
        self._grants = rooms.storage.table("grants")._client  # noqa: SLF001
        self._documents = rooms.storage.blobs("documents")._client  # noqa: SLF001

    def deliver(self, message: str) -> None:
        """Do what is done at least."""
        if not self._storage:
            self._post()
            return
        from azure.core import MatchConditions

        device, _, job = message.partition("/")
        entity = self._jobs.get_entity(device, key("job", job))
        same = {"etag": entity.metadata["etag"], "match_condition": MatchConditions.IfNotModified}
        written = self._jobs.update_entity({**entity, "state": "sending"}, mode="replace", **same)
        self._grants.get_entity(TID, entity["oid"])
        self._documents.download_blob(entity["blob"], etag=entity["etag"], match_condition=same["match_condition"])
        rows = [{"PartitionKey": LISTS, "RowKey": f"{kind}|{uuid4()}"} for kind in ("slot", "mark")]
        self._jobs.submit_transaction([("create", row) for row in rows])
        self._post()
        same = {**same, "etag": written["etag"]}
        self._jobs.update_entity({**entity, "state": "sent"}, mode="replace", **same)
        self._documents.delete_blob(entity["blob"])
        rows.append({"PartitionKey": LISTS, "RowKey": entity["due"]})
        self._jobs.submit_transaction([("delete", row) for row in rows])

    def _post(self) -> None:
        headers = {"Content-Type": "application/json", "Authorization": "Bearer x"}
        assert self._session.post(self._url, data=self._body, headers=headers, timeout=60).status_code == 202


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
            continue
        stop.set()
        thread.join()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"seconds": timed.seconds, "cpu": process_time() - used, "peak": peak}), flush=True)


if __name__ == "__main__":
    main()
