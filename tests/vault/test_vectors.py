"""The test vectors of docs/sealed-format.md: made once, and what they say holds for ever."""

import hmac
import json
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

from shared.storage import Storage
from shared.vault.key_encryption import KeyFile
from shared.vault.sealing import SealBroken
from tests.vault.processes import Process, start

FILE = Path(__file__).parent / "vectors" / "sealed-v2.json"
GIVEN: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
BINARY = {"key_id", "wrapped", "mac"}
BY_NAME = pytest.mark.parametrize("vector", GIVEN["vectors"], ids=lambda vector: vector["name"])
THAT_OPEN = [vector for vector in GIVEN["vectors"] if "plaintext" in vector]


@pytest.fixture
def process(storage: Storage, clock: Any) -> Process:
    """A process of the app over the vectors' rows of keys."""
    for row in GIVEN["rows"]:
        values = {name: bytes.fromhex(value) if name in BINARY else value for name, value in row.items()}
        values["created"] = datetime.fromisoformat(row["created"])
        del values["partition"], values["row"]
        storage.table("keys").insert(row["partition"], row["row"], values)
    secrets, wrapping = [bytes.fromhex(GIVEN["service_key"])], KeyFile([bytes.fromhex(GIVEN["file_key"])])
    return start(storage, clock, wrapping, environment=GIVEN["environment"], secrets=secrets)


@BY_NAME
def test_a_vector_opens_or_fails_as_it_says(process: Process, vector: dict[str, Any]) -> None:
    """Each opens to its plaintext, or is refused for the reason it names, and no other."""
    sealed = bytes.fromhex(vector["sealed"])
    if "plaintext" in vector:
        assert process.sealer.open(vector["tid"], sealed, *vector["place"]).decode() == vector["plaintext"]
        return
    with pytest.raises(SealBroken) as broken:
        process.sealer.open(vector["tid"], sealed, *vector["place"])
    assert str(broken.value) == vector["error"]


@pytest.mark.parametrize("vector", THAT_OPEN, ids=lambda vector: vector["name"])
def test_the_specification_is_enough_to_open_one(vector: dict[str, Any]) -> None:
    """Written from docs/sealed-format.md alone, with none of our code: another program can read the format."""

    def framed(*texts: str) -> bytes:
        return b"".join(len(text.encode()).to_bytes(4, "big") + text.encode() for text in texts)

    def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
        extracted = hmac.digest(salt or bytes(32), key, "sha256")
        return hmac.digest(extracted, info + b"\x01", "sha256")

    sealed = bytes.fromhex(vector["sealed"])
    key_id, salt, nonce, commitment = sealed[1:17], sealed[17:49], sealed[49:61], sealed[61:93]
    [row] = [row for row in GIVEN["rows"] if row.get("key_id") == key_id.hex()]
    data_key = aes_key_unwrap(bytes.fromhex(GIVEN["file_key"]), bytes.fromhex(row["wrapped"]))
    owner = framed(GIVEN["environment"], vector["tid"])
    assert hkdf(data_key, b"", b"to-my-email/2/key id\0" + owner)[:16] == key_id
    mac_key = hmac.digest(bytes.fromhex(GIVEN["service_key"]), b"data key rows", "sha256")
    vouched = framed(GIVEN["environment"], vector["tid"], str(int(row["row"])), key_id.hex())
    assert hmac.digest(mac_key, vouched, "sha256").hex() == row["mac"]
    associated = sealed[:17] + framed(GIVEN["environment"], vector["tid"], *vector["place"])
    assert hkdf(data_key, salt, b"to-my-email/2/commit\0" + associated) == commitment
    record_key = hkdf(data_key, salt, b"to-my-email/2/encrypt\0")
    opened = AESGCM(record_key).decrypt(nonce, sealed[93:], associated)
    assert zlib.decompress(opened).decode() == vector["plaintext"]


def test_every_failure_has_a_name() -> None:
    """The failures that the format promises to tell are all among the vectors."""
    assert {vector["name"] for vector in GIVEN["vectors"]} >= {
        "moved row",
        "moved column",
        "wrong tenant",
        "truncated ciphertext",
        "flipped bit in the ciphertext",
        "unknown key",
        "destroyed key",
    }
    assert {vector["error"] for vector in GIVEN["vectors"] if "error" in vector} == {
        "another place",
        "damaged",
        "key destroyed",
        "truncated",
        "unknown key",
        "unknown version",
    }
