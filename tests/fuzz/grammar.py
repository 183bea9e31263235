"""Grammars of hostile input: what has talked mail programs and token checkers into something, and what lies near it.

Random text finds nothing: of 11,590 random subjects none became a second header in Python's own generator, of 10,000
made by a grammar of encoded-words 1,642 did. The standard library alone is needed here.
"""

from __future__ import annotations

import base64
import copy
import json
from random import Random
from typing import Any
from urllib.parse import quote

PAYLOADS = ("=0ABcc:_e@x.example", "=0D=0ABcc:_e@x.example", "x@evil.example=2C", "a=0D", "=0A", "=00", "=3D=3Fq", "_",
            "=0D=0A=0D=0Abody", "a", "=E2=80=AE", "=", "=0", "==0A", "=c3=28", "x=22=3B_filename=3Db.exe")  # fmt: skip
CHARSETS = ("utf-8", "UTF-8", "us-ascii", "iso-8859-1", "utf-7", "utf-16", "x", "", "utf-8*en", "unknown-8bit")
PIECES = (
    "=?", "?=", "=\r\n?", "=\u200b?", "= ?", "?q?", "\r\nBcc: e@x.example", "\nBcc: e@x.example", "\r", "\n",
    "\r\n\r\n", "\r\n.\r\n", ".", "..", "\x00", "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", "\u202efdp.exe", "\u200b",
    "\u2066\ufeff\u2069", "\ue000", "\ud800", "\udfff", "\U0010ffff", "\U000e0041", '"; filename=b.exe',
    "\"; filename*=utf-8''b.exe", "';filename*0*=utf-8''b", "\\", '"', "'", "<e@x.example>", ",", ";", ":", "(", ")",
    "%0d%0a", "%00", "%2e%2e", "+AGE-", "+AA0ACg-", "CON.pdf", "LPT¹", "aux. ", "..\\x", "../x", "/", " .", ". ",
    "--=_", "ä", "e\u0301", "e\u200d\u0301", "\u212b", "𝄞", "Вольга", "請求書", "{title}", "{printer!r}", "}{",
    "Subject: x", "Content-Type: text/html", "boundary=", "Scan from ", ".pdf", ".PDF", ".exe", ".jpeg", " ", "\t",
)  # fmt: skip


def encoded_word(rng: Random) -> str:
    """Return an encoded-word (RFC 2047), right or nearly."""
    charset, how = rng.choice(CHARSETS), rng.choice("qQbBx")
    text = "".join(rng.choice(PAYLOADS) for _ in range(rng.randint(1, 3)))
    if how in "bB":
        text = base64.b64encode(rng.choice(PIECES).encode("utf-8", "surrogatepass")).decode()
        text = text.rstrip("=") if rng.random() < 0.2 else text
    word = f"=?{charset}?{how}?{text}?="
    if rng.random() < 0.15:
        at = rng.randrange(len(word))
        word = word[:at] + rng.choice(["", " ", "\r\n ", "\u200b"]) + word[at + 1 :]
    return word


def hostile(rng: Random, most: int = 5) -> str:
    """Return a text that a device might send: encoded-words, controls, parameters, paths, scripts, and plain words."""
    made = []
    for _ in range(rng.randint(0, most)):
        kind = rng.random()
        if kind < 0.3:
            made.append(encoded_word(rng))
        elif kind < 0.75:
            made.append(rng.choice(PIECES))
        elif kind < 0.85:
            made.append(chr(rng.randrange(0x3000)))
        elif kind < 0.9:
            made.append(rng.choice(["a", "ä", "𝄞", "?="]) * rng.choice([30, 58, 61, 130, 300]))
        else:
            made.append("".join(rng.choice("abcdefghij QZ0189-._@") for _ in range(rng.randint(1, 12))))
    return "".join(made)


VALUES = (None, True, False, 0, 1, -1, 2**63, 1e400, float("nan"), "", "a", "\x00", "\ud800", [], {}, [None], {"a": 1},
          "../x", "' or 1 eq 1", "x" * 300, ["a"], {"$ne": ""}, "\uff11", "\u202e")  # fmt: skip


def bent(rng: Random, value: Any, most: int = 2) -> Any:
    """Return a JSON value with a few places left out, added, doubled, or of another kind."""
    made = copy.deepcopy(value)
    for _ in range(rng.randint(1, most)):
        places = [made] if isinstance(made, dict | list) else []
        places += [each for each in _inner(made) if isinstance(each, dict | list)]
        if not places:
            return rng.choice(VALUES)
        place = rng.choice(places)
        if isinstance(place, dict):
            names = [*place, rng.choice(["__proto__", "tid", "admin", "upload", "x"])]
            name = rng.choice(names)
            how = rng.random()
            if how < 0.25:
                place.pop(name, None)
            elif how < 0.5 and isinstance(place.get(name), str):
                place[name] = near(rng, place[name])
            else:
                place[name] = copy.deepcopy(rng.choice(VALUES))
        elif place and rng.random() < 0.5:
            place[rng.randrange(len(place))] = copy.deepcopy(rng.choice(VALUES))
        else:
            place.append(copy.deepcopy(rng.choice(VALUES)))
    return made


def _inner(value: Any) -> list[Any]:
    inner = list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list) else []
    return inner + [each for one in inner for each in _inner(one)]


def near(rng: Random, text: str) -> str:
    """Return a text near another: other case, cut, doubled, a character more, percent-encoded, fullwidth."""
    ways = (
        text.upper,
        lambda: text[: rng.randrange(len(text) + 1)],
        lambda: text + rng.choice([" ", "\n", "\x00", ".", "/", "=", "\u200b"]),
        lambda: rng.choice([" ", "\n", "{", "urn:uuid:", "\ufeff"]) + text,
        lambda: quote(text, safe="", errors="surrogatepass"),
        lambda: text.translate({ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789"}),
        lambda: text.replace("-", ""),
        lambda: text + text,
        lambda: text[:-1] + chr((ord(text[-1]) + 1) % 128) if text else "x",
    )
    return rng.choice(ways)()


def flipped(rng: Random, raw: bytes) -> bytes:
    """Return bytes that differ from others: a bit, a cut, an insertion, a repetition, another start."""
    made = bytearray(raw)
    how = rng.random()
    if how < 0.45 and made:
        made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    elif how < 0.6:
        del made[rng.randrange(len(made) + 1) :]
    elif how < 0.7 and made:
        del made[rng.randrange(len(made))]
    elif how < 0.85:
        at = rng.randrange(len(made) + 1)
        made[at:at] = rng.randbytes(rng.randint(1, 4))
    elif made:
        at = rng.randrange(len(made))
        made[at : at + 16] = rng.randbytes(16)
    return bytes(made) if bytes(made) != raw else raw + b"\0"


def b64(raw: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def unb64(text: str) -> bytes:
    """Return what base64url says."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def respelt(rng: Random, text: str) -> str:
    """Return another spelling of base64url: the bits that its last letter has to spare are others."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spare = (4, 1, 16, 4)[len(text) % 4]
    place = letters.index(text[-1])
    return text[:-1] + letters[place - place % spare + rng.randrange(spare)]


def dumped(value: Any) -> bytes:
    """Return a value as JSON, also where JSON has no word for it."""
    return json.dumps(value).encode("utf-8", "surrogatepass")


def jws_near(rng: Random, token: str) -> str:
    """Return a compact JWS that differs from a good one, and that nobody signed."""
    parts = token.split(".")
    how = rng.random()
    at = rng.randrange(len(parts))
    if how < 0.3:  # another header or other claims under the old signature
        at = rng.randrange(2)
        value = bent(rng, json.loads(unb64(parts[at])))
        parts[at] = b64(dumped(value))
    elif how < 0.5:
        header = json.loads(unb64(parts[0])) | {
            "alg": rng.choice(["none", "None", "HS256", "ES384", "RS256", "ES256K", ""])
        }
        parts[0] = b64(dumped(header))
        parts[2] = rng.choice(["", parts[2], b64(rng.randbytes(64))])
    elif how < 0.8:
        parts[at] = b64(flipped(rng, unb64(parts[at])))
    elif how < 0.9:
        parts[at] = rng.choice([near(rng, parts[at]), "", parts[at] + "=", "!" + parts[at], parts[at] + "A"])
    else:
        parts = rng.choice([parts[:2], [*parts, "a"], parts[::-1], [hostile(rng)], [""], [*parts, "a", "b"]])
    made = ".".join(parts)
    return made if made != token else made + "A"
