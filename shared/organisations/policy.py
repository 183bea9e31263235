"""What an organisation decides for itself, with the values it has until somebody decides otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Policy:
    """One organisation's decisions. Every field has a default, so that a new one needs no new rows."""

    hold_hours: int = 24
    """How long a scan waits in private storage for its person to sign in; 0: it is refused instead."""
    unknown_outcome: Literal["leave", "send_again"] = "leave"
    """What becomes of a scan that was handed over without an answer, where the mailbox cannot be asked."""
    largest_verified: int = 25 * MEGABYTE
    """Bytes of the largest document in the range send-verified: what the organisation's Exchange takes."""
    failure_notices: bool = True
    """Whether a person gets a mail when a scan of his failed for good."""
    subject: str = ""
    """Template of the subject, with {title}, {printer}, {location}, {date}; empty: the title or the printer's name."""
    text: str = ""
    """Template of the mail's text, with the same placeholders; empty: ours, in the person's language."""
    allowed_domains: tuple[str, ...] = ()
    """Domains to which printers may send mail of their own, beside that of the printer's own work mailbox."""
    fax_address: str = ""
    """Template of the fax provider's address with one {number} before the @ (digits, without +); empty: no fax."""
    fax_country: str = ""
    """Dial rule: a number that begins with 0 belongs to this country, such as +375; empty: only + is taken."""
    fax_cover: str = ""
    """Text of the mail to the fax provider, which prints it as cover page; empty: none."""

    def written(self) -> str:
        """Return the policy as it lies in the organisation's row."""
        return json.dumps(asdict(self))


def read_policy(written: str) -> Policy:
    """Return a policy from its row; what the row does not say, or says of fields that are gone, is the default."""
    told: Mapping[str, Any] = json.loads(written) if written else {}
    known = {field.name for field in fields(Policy)}
    values: dict[str, Any] = {
        # JSON has no tuples.
        name: tuple(value) if isinstance(value, list) else value
        for name, value in told.items()
        if name in known
    }
    return Policy(**values)
