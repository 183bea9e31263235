"""What devices send to the device API: closed schemas. What they get is in ``replies``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(max_length=200)]
Locale = Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z0-9-]*$", description="BCP 47, such as de-AT")]
UserId = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9._-]{1,128}$", description="The device group's id of a person; never an address")
]
ScanId = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        description="UUID, lower case, made by the device",
    ),
]
MediaType = Literal["application/pdf", "image/jpeg", "image/tiff", "image/png"]


class Closed(BaseModel):
    """A body from outside: unknown fields and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PublicKey(Closed):
    """An EC P-256 public key (RFC 7517). Other members are left alone, but a private one ("d") is refused."""

    model_config = ConfigDict(extra="allow", strict=True)
    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: Annotated[str, Field(max_length=64)]
    y: Annotated[str, Field(max_length=64)]


class Enrolment(Closed):
    """A device that wants to belong to an organisation."""

    ticket: Annotated[
        str,
        Field(max_length=64, description="From the administrator: pasted, or the code that was typed at the panel"),
    ]
    jwk: PublicKey
    model: Text
    serial: Text
    name: Annotated[str, Field(min_length=1, max_length=200)]
    locale: Locale = ""
    proof: Annotated[
        str,
        Field(
            max_length=4096,
            description='JWS by the new key; header typ "enrolment-proof+jwt", claims nonce, jkt (RFC 7638), aud',
        ),
    ]


_ROLLOVER = 'header typ "key-rollover+jwt", claims nonce, aud, sub (the device id), jkt (RFC 7638, of the new key)'


class KeyRollover(Closed):
    """A device's next key."""

    jwk: PublicKey
    old_proof: Annotated[
        str,
        Field(
            max_length=4096,
            description=f"JWS by the key in force; {_ROLLOVER}. Once the new one is in force: by the former",
        ),
    ]
    new_proof: Annotated[str, Field(max_length=4096, description=f"JWS by the new key; {_ROLLOVER}")]


class RegisteredUser(Closed):
    """A person as the device's user registry knows him."""

    id: UserId
    email: Annotated[str, Field(min_length=3, max_length=320)]
    name: Text = ""


class NewSignIn(Closed):
    """A first login."""

    user: RegisteredUser
    locale: Locale = ""


class NewConsent(Closed):
    """An admin consent from the panel."""

    range: Literal["send", "send-large", "send-verified"] = "send"
    locale: Locale = ""


class Document(Closed):
    """What the device says of the bytes."""

    name: Text
    type: MediaType
    size: Annotated[int, Field(ge=1, description="Bytes")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class UploadWish(Closed):
    """How the device will upload. It is not part of the manifest: another wish makes no other scan."""

    blocks: Annotated[bool, Field(description="In pieces: Put Block and Put Block List")] = False


def _for(kind: str, member: str, otherwise: dict[str, Any]) -> dict[str, Any]:
    """Return, in JSON Schema, that a scan of this kind has this sort of recipient and no other."""
    recipients: dict[str, Any] = {name: {"type": "null"} for name in ("user", "to", "fax_number")}
    return {
        "if": {"properties": {"kind": {"const": kind}}},
        "then": {"required": [member], "properties": {**recipients, member: {"not": {"type": "null"}}}},
        "else": otherwise,
    }


class ScanManifest(Closed):
    """A scan. ``user`` with kind to_my_email, ``to`` with email, ``fax_number`` with fax; and no other recipient."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra=_for("to_my_email", "user", _for("email", "to", _for("fax", "fax_number", {}))),
    )
    id: ScanId
    kind: Literal["to_my_email", "email", "fax"]
    user: UserId | None = None
    to: Annotated[list[str], Field(max_length=50)] | None = None
    fax_number: Text | None = None
    title: Text = ""
    locale: Locale = ""
    document: Document
    upload: UploadWish | None = None


class NewMailboxSignIn(Closed):
    """A sign-in of the printer's own mailbox."""

    service: Literal["exchange_online", "outlook_com"]
    locale: Locale = ""


class SettingsStored(Closed):
    """The device has stored the settings of this version."""

    settings_version: Annotated[str, Field(max_length=64)]
