"""The device API in a process of its own, or a floor of it: ``python -m bench.door KIND PORT``.

KIND is ``service``, ``bare`` (takes the bytes and answers) or ``storage`` (makes the requests to storage as well that
accepting a scan is made of). It says ``ready`` when it serves.
"""

import os
import sys
import threading
import uuid
from datetime import UTC, datetime

import uvicorn
from fastapi import FastAPI, UploadFile

from local.app import running
from shared import settings
from shared.services import Services
from tests.vault.conftest import TID

LISTS = "lists"


def floor(rooms: Services, *, storage: bool) -> FastAPI:
    """Return an application of one route."""
    app = FastAPI()
    jobs, devices, people = (rooms.storage.table(name) for name in ("jobs", "devices", "people"))
    grants, documents = rooms.storage.table("grants"), rooms.storage.blobs("documents")
    deliveries = rooms.storage.queue("deliveries")

    @app.post("/scans", status_code=202)
    def accept(document: UploadFile) -> dict[str, str]:
        body, name = document.file.read(), str(uuid.uuid4())
        if storage:
            devices.get(name, "device")
            people.get(f"{TID}|bench|user", "person")
            grants.get(TID, name)
            values = {"device": name, "job": name, "made": datetime.now(UTC)}
            jobs.insert_together(LISTS, [(f"{kind}|{name}", values) for kind in ("trace", "kept", "of", "due")])
            etag = documents.put(name, body, len(body))
            rows = [
                (f"job|{name}", {**values, "etag": etag, "manifest": "x" * 300}),
                (f"history|{name}", {"job": name}),
            ]
            jobs.insert_together(name, rows)
            deliveries.send(f"{name}/{name}")
        return {"id": name}

    return app


def main() -> None:
    """Serve until killed."""
    kind, port = sys.argv[1], int(sys.argv[2])
    rooms = Services(settings.read(os.environ))
    if kind == "service":
        with running(rooms, port=port, queue=False):
            print("ready", flush=True)
            threading.Event().wait()
    config = uvicorn.Config(floor(rooms, storage=kind == "storage"), port=port, log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.05)
    print("ready", flush=True)
    thread.join()


if __name__ == "__main__":
    main()
