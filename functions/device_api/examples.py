"""An example of every schema and parameter of the OpenAPI document: one printer, one person, one scan, throughout."""

from __future__ import annotations

from typing import Any

_DEVICE = "6f9a1c1e-2b7d-4a63-9d1e-0c4c5b8a7e21"
_ORGANISATION = "11111111-1111-4111-8111-111111111111"
_SCAN = "0b8e2f4a-6f5b-4f0e-9a5b-3f2d1c0b9a87"
_HANDOFF = "d0c1b2a3-9f8e-4d7c-8b6a-5f4e3d2c1b0a"
_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}
"""The public key of RFC 7517 appendix A.1."""
_JWS = "eyJ0eXAiOiJqd3QiLCJhbGciOiJFUzI1NiJ9.eyJub25jZSI6Ii4uLiJ9.c2lnbmF0dXJl"
_WORDS = "harbour velvet copper anvil"
_QR = '<svg viewBox="0 0 41 41"></svg>'
_MESSAGE = "Scan the code with your phone, or open https://scan.example.com/s and enter BCDF-GHJK."
_DOCUMENT = {
    "name": "scan.pdf",
    "type": "application/pdf",
    "size": 48213,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}
_STATE = {
    "id": _SCAN,
    "kind": "to_my_email",
    "state": "accepted",
    "title": "Contract",
    "attempts": 0,
    "created_at": "2026-03-02T09:15:00Z",
    "updated_at": "2026-03-02T09:15:00Z",
}
_SIGNED_IN = {"status": "signed_in", "delivered": True}
_SERVER = {
    **_SIGNED_IN,
    "service": "exchange_online",
    "account_hint": "s***@contoso.example",
    "settings": {
        "service": "exchange_online",
        "sender": "scanner@contoso.example",
        "kinds": ["email"],
        "largest_document": 2_250_000,
        "most_recipients": 50,
    },
    "settings_version": _HANDOFF,
    "last_success_at": "2026-03-02T09:10:00Z",
    "valid_until": "2026-05-31T09:10:00Z",
}
_NOT_SIGNED_IN = {
    "status": "not_signed_in",
    "delivered": False,
    "code": 370,
    "reason": "mailbox_not_signed_in",
}
_UPLOAD = {
    "url": "https://account.blob.core.windows.net/documents/6f9a1c1e/0b8e2f4a/5d6e7f80?sp=c&sig=...",
    "method": "PUT",
    "headers": {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"},
    "expires_at": "2026-03-02T09:25:00Z",
}
_SCHEMAS: dict[str, list[Any]] = {
    "AccessToken": [{"access_token": _JWS, "token_type": "Bearer", "expires_in": 600}],
    "ConsentStatus": [{"status": "consented", "range": "send"}, {"status": "none", "range": None}],
    "DeviceRecord": [
        {
            "device_id": _DEVICE,
            "status": "active",
            "name": "Printer 2F",
            "model": "Virtual",
            "serial": "S1",
            "group": "office",
            "location": "2nd floor",
            "locale": "de-AT",
            "organisation": "Contoso",
            "tenant": _ORGANISATION,
            "words": _WORDS,
            "consent": {"status": "consented", "range": "send"},
            "policy": {
                "kinds": ["to_my_email"],
                "types": ["application/pdf"],
                "largest_document": 2_250_000,
                "panel_browser": False,
            },
            "email_server": _SIGNED_IN,
            "fax_server": _NOT_SIGNED_IN,
        }
    ],
    "Document": [_DOCUMENT],
    "Enrolled": [{"device_id": _DEVICE, "organisation": "Contoso", "status": "pending", "words": _WORDS}],
    "Enrolment": [
        {
            "ticket": "BCDF-GHJK",
            "jwk": _KEY,
            "model": "Virtual",
            "serial": "S1",
            "name": "Printer 2F",
            "locale": "de-AT",
            "proof": _JWS,
        }
    ],
    "FieldProblem": [{"field": "body.locale", "problem": "string_type"}],
    "HandoffStarted": [
        {
            "id": _HANDOFF,
            "status": "pending",
            "verification_uri": "https://scan.example.com/s",
            "verification_uri_complete": "https://scan.example.com/s/0MGyo5-OTXyLal9OPSwbClBXn0Q",
            "user_code": "BCDF-GHJK",
            "qr_svg": _QR,
            "expires_in": 300,
            "interval": 5,
            "message": _MESSAGE,
        }
    ],
    "HandoffState": [
        {"id": _HANDOFF, "status": "pending", "interval": 5},
        {"id": _HANDOFF, "status": "confirm", "account_hint": "a***@contoso.example", "interval": 5},
        {
            "id": _HANDOFF,
            "status": "denied",
            "reason": "wrong_account",
            "code": 370,
            "who": "user",
            "message": "This is not the account of this printer user. ...",
            "interval": 5,
        },
    ],
    "History": [{"scans": [{**_STATE, "state": "sent", "attempts": 1}]}],
    "KeyRolledOver": [{"status": "waiting", "words": _WORDS}],
    "KeyRollover": [{"jwk": _KEY, "old_proof": _JWS, "new_proof": _JWS}],
    "MailboxSignInStarted": [
        {
            "id": _HANDOFF,
            "status": "pending",
            "user_code": "H7K2P9QRS",
            "verification_uri": "https://microsoft.com/devicelogin",
            "qr_svg": _QR,
            "expires_in": 900,
            "interval": 5,
            "message": "Open https://microsoft.com/devicelogin and enter H7K2P9QRS.",
        }
    ],
    "MailboxSignInState": [{"id": _HANDOFF, "status": "active", "account_hint": "s***@contoso.example", "interval": 5}],
    "NewConsent": [{"range": "send", "locale": "de-AT"}],
    "NewMailboxSignIn": [{"service": "exchange_online", "locale": "de-AT"}],
    "NewSignIn": [
        {"user": {"id": "adele", "email": "adele.vance@contoso.example", "name": "Adele Vance"}, "locale": "de-AT"}
    ],
    "Nonce": [{"nonce": "AAAAAGmlVvQkq2Zs0m6wHhS3n9m0cJrJ2u1yQfXk6QA", "expires_in": 300}],
    "Policy": [
        {
            "kinds": ["to_my_email"],
            "types": ["application/pdf", "image/jpeg"],
            "largest_document": 2_250_000,
            "panel_browser": False,
        }
    ],
    "Problem": [
        {
            "type": "/api/docs#device_token_expired",
            "title": "The printer's token is too old",
            "status": 401,
            "detail": "It was given more than ten minutes ago.",
            "reason": "device_token_expired",
            "who": "none",
            "remedy": "Fetch a new one.",
            "reference": "3f9a01c2d4e5",
            "code": 361,
        }
    ],
    "PublicKey": [_KEY],
    "RegisteredUser": [{"id": "adele", "email": "adele.vance@contoso.example", "name": "Adele Vance"}],
    "ScanAnnounced": [{**_STATE, "state": "awaiting_upload", "upload": _UPLOAD}],
    "ScanManifest": [
        {"id": _SCAN, "kind": "to_my_email", "user": "adele", "title": "Contract", "document": _DOCUMENT},
        {"id": _SCAN, "kind": "email", "to": ["ben.okoye@contoso.example"], "document": _DOCUMENT},
        {"id": _SCAN, "kind": "fax", "fax_number": "+375 17 200 00 00", "document": _DOCUMENT},
    ],
    "ScanState": [
        _STATE,
        {
            **_STATE,
            "state": "held",
            "code": 370,
            "reason": "sign_in_required",
            "who": "user",
            "message": "You must sign in first. ...",
        },
    ],
    "ServerSettings": [_SERVER["settings"]],
    "ServerState": [_SIGNED_IN, _NOT_SIGNED_IN],
    "ServerStatus": [_SERVER],
    "SettingsStored": [{"settings_version": _HANDOFF}],
    "TokenError": [
        {"error": "use_nonce", "error_description": "a fresh nonce from /api/v1/nonce is needed in the assertion"}
    ],
    "UploadAddress": [_UPLOAD],
    "UploadWish": [{"blocks": True}],
    "UserStatus": [
        {"status": "ready", "account_hint": "a***@contoso.example"},
        {
            "status": "sign_in_required",
            "code": 370,
            "reason": "sign_in_required",
            "who": "user",
            "message": "You must sign in first. ...",
        },
    ],
}
_PARAMETERS: dict[str, Any] = {
    "id": _SCAN,
    "user_id": "adele",
    "cursor": "",
    "wait": 20,
    "since": "2026-03-02T09:15:00Z",
}


def of_schema(name: str) -> list[Any]:
    """Return the examples of a schema (JSON Schema 2020-12 section 9.5). One without any is a mistake of ours."""
    return _SCHEMAS[name]


def of_parameter(name: str) -> dict[str, Any]:
    """Return the example of a parameter, as Example Objects."""
    return {name: {"value": _PARAMETERS[name]}}
