"""Manifests as a device makes them, for tests that say things no device would."""

import hashlib
import uuid
from typing import Any


def make_manifest(
    document: bytes, *, name: str, media_type: str, user_id: str, title: str | None = None, locale: str = "en"
) -> dict[str, Any]:
    """Describe a scan to the person's own mailbox, under a new id."""
    manifest: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "kind": "to_my_email",
        "user": user_id,
        "locale": locale,
        "document": {
            "name": name,
            "type": media_type,
            "size": len(document),
            "sha256": hashlib.sha256(document).hexdigest(),
        },
    }
    if title:
        manifest["title"] = title
    return manifest
