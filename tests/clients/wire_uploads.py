"""The service's side of large uploads on the wire: addresses signed for real storage (Azurite), and the commit."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobSasPermissions, BlobServiceClient, generate_blob_sas
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from tests.clients.wire import DeviceApi, problem

CONTAINER = "documents"


class UploadApi(DeviceApi):
    """The device API with announced scans. ``storage_url`` is what the device is told, such as a proxy's."""

    def __init__(self, connection: str) -> None:
        super().__init__()
        self._blobs = BlobServiceClient.from_connection_string(connection)
        self.storage_url = f"http://{self._blobs.primary_hostname}"
        self.sas_life = timedelta(minutes=10)
        self.addresses = 0
        self.proxy: Any = None
        self.manifests: dict[str, dict[str, Any]] = {}
        self.blobs: dict[str, str] = {}

    @property
    def origin(self) -> str:
        """Where storage really listens."""
        return f"http://{self._blobs.primary_hostname.partition('/')[0]}"

    def routes(self) -> list[Route | Mount]:
        """Add the commit."""
        return [*super().routes(), Route("/scans/{id}/commit", self._answer(self._commit), methods=["POST"])]

    async def _submit(self, request: Request) -> Response:
        if not request.headers["content-type"].startswith("application/json"):
            return await super()._submit(request)
        told = await request.json()
        assert told.pop("upload") == {"blocks": True}
        scan_id = told["id"]
        if self.manifests.setdefault(scan_id, told) != told:
            return problem(409, "id_taken")
        if self.scans.get(scan_id, {}).get("state", "awaiting_upload") != "awaiting_upload":
            return JSONResponse(self.scans[scan_id], 201)
        self.scans.setdefault(scan_id, self.new_scan(told) | {"state": "awaiting_upload"})
        blob = self.blobs.setdefault(scan_id, str(uuid.uuid4()))
        self.addresses += 1
        account = self._blobs.account_name
        expires = datetime.now(UTC) + self.sas_life
        sas = generate_blob_sas(
            str(account),
            CONTAINER,
            blob,
            account_key=self._blobs.credential.account_key,
            permission=BlobSasPermissions(create=True, write=True),
            expiry=expires,
        )
        upload = {
            "url": f"{self.storage_url}/{CONTAINER}/{blob}?{sas}",
            "method": "PUT",
            "headers": {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"},
            "expires_at": expires.isoformat(),
        }
        return JSONResponse(self.scans[scan_id] | {"upload": upload}, 201)

    async def _commit(self, request: Request) -> Response:
        scan_id = request.path_params["id"]
        scan = self.scans[scan_id]
        if scan["state"] == "awaiting_upload":
            blob = self._blobs.get_blob_client(CONTAINER, self.blobs[scan_id])
            try:
                content = blob.download_blob().readall()
            except ResourceNotFoundError:
                return problem(409, "not_uploaded")
            wanted = self.manifests[scan_id]["document"]
            if (len(content), hashlib.sha256(content).hexdigest()) != (wanted["size"], wanted["sha256"]):
                blob.delete_blob()
                return problem(422, "document_mismatch")
            assert blob.get_blob_properties().content_settings.content_type == wanted["type"]
            self.documents[scan_id] = content
            self.move(scan_id, "accepted")
        return JSONResponse(self.scans[scan_id], 202)
