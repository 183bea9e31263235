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

_WORDS_FOR_ADMINISTRATORS = _WORDS | {"held": N_("Kept until the person signs in")}
_BROKEN_OFF = N_("Broken off, and begun anew")


def state_words(state: str) -> str:
    """Return the message id for a state of the device API; an unknown state as it is."""
    return _WORDS.get(state, state)


def state_words_here(state: str) -> str:
    """Return the message id for a state, to an administrator."""
    return _WORDS_FOR_ADMINISTRATORS.get(state, state)


STATES = tuple(_WORDS)
"""The states, in the order of a scan's life."""


def attempt_words(outcome: str) -> str:
    """Return the message id for what an attempt brought: a state, or that its process ended before it did."""
    return _WORDS_FOR_ADMINISTRATORS.get(outcome, _BROKEN_OFF)
