"""How a printer's mail server or fax server stands, in one line; translated where it is shown."""

from __future__ import annotations

from shared.faults import N_

_STATES = {
    "signed_in": N_("Signed in"),
    "not_signed_in": N_("Not signed in"),
    "expired": N_("Expired"),
    "blocked": N_("Blocked"),
}
_OPEN = N_("Signed in, but not delivered: press OK at the printer")


def server_words(status: str, *, delivered: bool) -> str:
    """Return the message id for a status; signed in without the printer's OK is one of its own (the guide's G4)."""
    return _OPEN if status == "signed_in" and not delivered else _STATES.get(status, status)
