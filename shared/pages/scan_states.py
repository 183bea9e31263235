"""The states of a scan in words."""

from __future__ import annotations

from shared.faults import N_

_WORDS = {
    "awaiting_upload": N_("On its way from the printer"),
    "accepted": N_("Accepted, about to be sent"),
    "sending": N_("Being sent"),
    "held": N_("Kept until you sign in"),
    "waiting": N_("Will be tried again"),
    "uncertain": N_("Perhaps sent"),
    "sent": N_("Sent"),
    "failed": N_("Not sent"),
    "cancelled": N_("Cancelled"),
}


def state_words(state: str) -> str:
    """Return the message id for a state of the device API; an unknown state as it is."""
    return _WORDS.get(state, state)


STATES = tuple(_WORDS)
"""The states, in the order of a scan's life."""
