"""``/console/policy``: what the organisation decides for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

from fastapi import APIRouter, Request, Response

from functions.answers import page, see_other
from functions.console.callers import Acting, Form, Looking, Rooms, audited
from functions.console.frames import frame
from shared import faults
from shared.administrators import Administrator
from shared.organisations.policy import (
    LARGEST_DOCUMENT,
    LONGEST_HOLD,
    MEGABYTE,
    SUBJECT_LONGEST,
    TEXT_LONGEST,
    Policy,
    PolicyInvalid,
)
from shared.pages import CHOICES, POLICY, ConsolePolicy, Option, PolicyField
from shared.services import Services

PATH = "/console/policy"
LONGEST_SIGN_IN = 730
"""Days."""
SIGN_IN, DOMAINS = "sign_in_days", "allowed_domains"
_NUMBERS = {"hold_hours": (0, LONGEST_HOLD), "largest_document": (1, LARGEST_DOCUMENT // MEGABYTE)}
_FLAGS = ("failure_notices", "panel_browser")
_CHOICES = {"unknown_outcome": ("leave", "send_again"), **dict.fromkeys(_FLAGS, ("yes", "no"))}
_TEXTS = {
    "subject": (SUBJECT_LONGEST, False),
    "text": (TEXT_LONGEST, True),
    "allowed_domains": (TEXT_LONGEST * 4, True),
    "fax_address": (300, False),
    "fax_country": (4, False),
    "fax_cover": (TEXT_LONGEST, True),
}
router = APIRouter()


@router.get("/policy")
def show(request: Request, rooms: Rooms, administrator: Looking) -> Response:
    """Show the policy."""
    organisation = rooms.organisations.get(administrator.tid)
    told = _told(organisation.policy, organisation.sign_in_days)
    return page(rooms.pages, request, _view(request, rooms, administrator, told, frozenset()))


@router.post("/policy")
def save(request: Request, rooms: Rooms, administrator: Acting, form: Form) -> Response:
    """Write the policy down, whole or not at all."""
    organisation = rooms.organisations.get(administrator.tid)
    before = _told(organisation.policy, organisation.sign_in_days)
    told = {name: form.get(name, "").replace("\r\n", "\n") for name in before}
    policy, days, wrong = _read(organisation.policy, told)
    if wrong:
        return page(rooms.pages, request, _view(request, rooms, administrator, told, wrong), 422)
    if organisation.consent == "none":
        raise faults.ConsentRequired("policy")

    def write() -> None:
        rooms.organisations.set_policy(administrator.tid, policy)
        rooms.organisations.set_sign_in_days(administrator.tid, days)

    changed = [_said(name, before[name], told[name]) for name in told if told[name] != before[name]]
    audited(rooms, administrator, "policy_changed", write, detail=", ".join(changed))
    return see_other(f"{PATH}?done=saved")


def _told(policy: Policy, days: int | None) -> dict[str, str]:
    """Return the policy as the form has it."""
    told = {name: str(value) for name, value in asdict(policy).items() if name in POLICY}
    return {
        **told,
        "largest_document": str(policy.largest_document // MEGABYTE),
        "allowed_domains": "\n".join(policy.allowed_domains),
        **{name: "yes" if getattr(policy, name) else "no" for name in _FLAGS},
        SIGN_IN: "" if days is None else str(days),
    }


def _read(before: Policy, told: Mapping[str, str]) -> tuple[Policy, int | None, frozenset[str]]:
    """Return the policy that a form asks for, the days of a sign-in, and the names of what cannot be used."""
    numbers = {name: _number(told[name]) for name in (*_NUMBERS, SIGN_IN)}
    wrong = {name for name, number in numbers.items() if number is None}
    days = numbers.pop(SIGN_IN)
    if told[SIGN_IN] == "":
        wrong.discard(SIGN_IN)
    elif days is None or not 1 <= days <= LONGEST_SIGN_IN:
        wrong.add(SIGN_IN)
    wrong |= {name for name, values in _CHOICES.items() if told[name] not in values}
    if wrong:
        return before, None, frozenset(wrong)
    numbers["largest_document"] = _bytes(before.largest_document, numbers["largest_document"] or 0)
    texts = {name: told[name] for name in ("unknown_outcome", *_TEXTS) if name != DOMAINS}
    domains = tuple(told[DOMAINS].lower().split())
    flags = {name: told[name] == "yes" for name in _FLAGS}
    policy = replace(before, **numbers, **texts, **flags, allowed_domains=domains)  # type: ignore[arg-type]
    try:
        policy.require_valid()
    except PolicyInvalid as invalid:
        said = {name for name in POLICY for line in invalid.problems if line.startswith((f"{name} ", f"{name}:"))}
        return before, None, frozenset(said)
    return policy, days, frozenset()


def _number(text: str) -> int | None:
    """Return a whole number that somebody typed, or None."""
    typed = text.strip()
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= len(str(LARGEST_DOCUMENT)) else None


def _bytes(before: int, megabytes: int) -> int:
    """Return a size; what was set elsewhere, to the byte, stays when its megabytes are not touched."""
    return before if megabytes == before // MEGABYTE else megabytes * MEGABYTE


def _said(name: str, before: str, now: str) -> str:
    """Return a change as the audit tells it: what a template says is not repeated."""
    unit = " MB" if name == "largest_document" else ""
    return name if name in _TEXTS else f"{name} {before or '-'} -> {now or '-'}{unit}"


def _view(
    request: Request, rooms: Services, administrator: Administrator, told: Mapping[str, str], wrong: frozenset[str]
) -> ConsolePolicy:
    def field(name: str) -> PolicyField:
        label, meaning = POLICY[name]
        least, most = _NUMBERS.get(name, (1, LONGEST_SIGN_IN))
        longest, lines = _TEXTS.get(name, (0, False))
        options = [Option(value, CHOICES[value], value == told[name]) for value in _CHOICES.get(name, ())]
        return PolicyField(name, label, meaning, told[name], least, most, options, longest, lines, wrong=name in wrong)

    return ConsolePolicy(
        frame=frame(rooms, administrator, PATH, request=request),
        action=PATH,
        fields=[field(name) for name in told],
    )
