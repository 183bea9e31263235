"""The target that nobody signs and that has a key all the same: the sealed format."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.fuzz.grammar import flipped, near
from tests.fuzz.target import Check, Edit, Modules, Target
from tests.fuzz.tokens import OID, OTHER_TID, TID


class Keys:
    """Two tenants' data keys, as they are once unwrapped."""

    def __init__(self, broken: type[Exception]) -> None:
        self._broken = broken
        self._keys = {TID: (b"A" * 16, b"a" * 32), OTHER_TID: (b"B" * 16, b"b" * 32)}

    def sealing_key(self, tid: str, *, anew: bool = False) -> tuple[bytes, bytes]:
        """The key of a tenant."""
        return self._keys[tid]

    def opening_key(self, tid: str, key_id: bytes) -> bytes:
        """The key of that id, where it is the tenant's."""
        if self._keys[tid][0] != key_id:
            raise self._broken("unknown key")
        return self._keys[tid][1]


PLACE = ("grants", TID, OID, "tokens", "epoch 1")
_PARTS = (0, 1, 17, 49, 61, 93)


def generate_sealed(rng: Random) -> dict[str, Any]:
    """Return what is done to sealed bytes, or to the place where they are to open."""
    return {"kind": rng.choice(["good", "flip", "flip", "mix", "mix", "place", "tenant", "junk"]),
            "number": rng.randrange(2**32), "text": rng.choice(["", "a", "token" * 40])}  # fmt: skip


def build_sealed(modules: Modules) -> Check:
    """Return the check: only what we sealed for this tenant and place opens, and to what it was."""
    room = modules("shared.vault.sealing")
    sealer = room.Sealer(Keys(room.SealBroken), "test")

    def check(given: dict[str, Any]) -> None:
        rng, kind, text = Random(given["number"]), given["kind"], given["text"].encode()
        sealed = sealer.seal(TID, text, *PLACE)
        given_bytes, tid, place = sealed, TID, PLACE
        if kind == "flip":
            given_bytes = flipped(rng, sealed)
        elif kind == "mix":  # parts of another seal: of another place, tenant, or of the same
            other = sealer.seal(rng.choice([TID, OTHER_TID]), text, *rng.choice([PLACE, (*PLACE[:3], "other")]))
            pieces = [
                (rng.choice([sealed, other]))[start:end] for start, end in zip(_PARTS, (*_PARTS[1:], None), strict=True)
            ]
            given_bytes = b"".join(pieces)
        elif kind == "place":
            at = rng.randrange(len(PLACE))
            joined = (*PLACE[:at], "".join(PLACE[at : at + 2]), *PLACE[at + 2 :])
            place = rng.choice(
                [(*PLACE[:at], near(rng, PLACE[at]), *PLACE[at + 1 :]), joined, PLACE[::-1], (*PLACE, "")]
            )
        elif kind == "tenant":
            tid = OTHER_TID
        elif kind == "junk":
            given_bytes = rng.choice([b"", b"\x02", b"\x01", sealed[:17]]) + rng.randbytes(rng.randrange(200))
        try:
            opened = sealer.open(tid, given_bytes, *place)
        except room.SealBroken:
            assert (given_bytes, tid, place) != (sealed, TID, PLACE), "what we sealed does not open"
            return
        assert (tid, place) == (TID, PLACE), "it opens elsewhere"
        assert given_bytes == sealed or (kind == "mix" and given_bytes == other), "other bytes open"
        assert opened == text, "another text"

    return check


SEALED = Target(
    "sealed format",
    "only what we sealed opens, for its tenant and at its place (G02 to G04, G06)",
    23_300,
    generate_sealed,
    build_sealed,
    ("shared.vault.sealing",),
    (
        (Edit("shared.vault.sealing", 'if sealed[:1] not in {VERSION, b""}:', "if False:"),),
        (
            Edit(
                "shared.vault.sealing", "if not hmac.compare_digest(commitment, sealed[_NONCED:_HEADER]):", "if False:"
            ),
            Edit(
                "shared.vault.sealing",
                "decrypt(nonce, sealed[_HEADER:], bound_to)",
                "decrypt(nonce, sealed[_HEADER:], None)",
            ),
            Edit("shared.vault.sealing", "zlib.compress(plaintext), bound_to)", "zlib.compress(plaintext), None)"),
        ),
        (
            Edit("shared.vault.sealing", "len(sealed) < _HEADER + TAG_BYTES", "len(sealed) < 1"),
            Edit(
                "shared.vault.sealing", "if not hmac.compare_digest(commitment, sealed[_NONCED:_HEADER]):", "if False:"
            ),
        ),
        (
            Edit(
                "shared.vault.sealing",
                'b"".join(len(part).to_bytes(4, "big") + part for part in parts)',
                'b"".join(parts)',
            ),
        ),
    ),
)

TARGETS = (SEALED,)
