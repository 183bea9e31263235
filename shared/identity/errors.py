"""What Entra's answers mean for us.

The switch is on OAuth's ``error`` and ``suberror``; an AADSTS number only refines it. Microsoft
says that code must not depend on the numbers, so an unknown number falls back to its class.
Source: Microsoft, "Microsoft Entra authentication and authorization error codes"; RFC 6749
sections 4.1.2.1 and 5.2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shared import faults

_CODE = re.compile(r"[a-z_]{1,40}")
_NUMBER = re.compile(r"AADSTS(\d{5,7})")

_EXPIRED = {70008, 700082, 70043, 70044}
_BLOCKED = {
    53000, 53001, 53002, 53003, 53004, 53010, 53011, 530032, 530034, 530035,
    50005, 50097, 50129, 50131, 50155, 50187, 500021, 500022, 500212, 500213, 50002,
    54000, 135010, 135011, 1000031,
}  # fmt: skip
SECURITY_DEFAULTS = frozenset({530035})
"""Of what a rule blocks: what Entra ascribes to security defaults, and to no policy."""
_DISABLED = {50057, 500341, 50034, 51004, 50053}
"""Among them an account that is locked for a while: its sign-in is kept, too."""
_NO_CONSENT = {65001, 650052, 650054, 7000112, 7000229, 700016, 70001, 90093, 90094, 90095, 90099}
_MISREGISTERED = {65005, 650056, 650057, 90036, 90092}
_INTERACTION = {
    16000, 50072, 50074, 50076, 50078, 50079, 50158, 50055, 50144, 50125, 50135, 530036,
    50056, 50064, 50126, 700020,
}  # fmt: skip
_OWN_CREDENTIAL = {
    50012, 50013, 500133, 700027, 7000215, 7000222, 7000218, 700025, 70021, 700211, 700212, 700213,
    700229,
}  # fmt: skip
_OTHER_TENANT = {50020, 90072}
_PASSING = {
    50033, 90006, 90012, 90024, 90033, 90055, 90090, 90091, 70012, 80001, 80002, 80005, 80012, 80014,
    50087, 50088, 50196,
}  # fmt: skip
_LOOP = 50196
_LOOP_RESTS = 300
"""Seconds after which somebody whom Entra found asking in a loop may ask again."""

_BY_SUBERROR: Mapping[str, type[faults.Fault]] = {
    "consent_required": faults.ConsentWithdrawn,
    "token_expired": faults.SignInExpired,
    "user_password_expired": faults.InteractionRequired,
    # Conditional Access; no sign-in of the person's mends it.
    "protection_policy_required": faults.BlockedByPolicy,
    "device_authentication_failed": faults.BlockedByPolicy,
}
_BY_ERROR: Mapping[str, type[faults.Fault]] = {
    "consent_required": faults.ConsentWithdrawn,
    "interaction_required": faults.InteractionRequired,
    "login_required": faults.InteractionRequired,
    "invalid_grant": faults.SignInRevoked,
    "access_denied": faults.SignInDeclined,
    "permission_denied": faults.SignInDeclined,
}


def classify(answer: Mapping[str, Any]) -> faults.Fault:
    """Turn an error answer of Entra (token endpoint or authorization response) into a fault."""
    error = _word(answer.get("error"))
    suberror = _word(answer.get("suberror") or answer.get("classification"))
    numbers = _numbers(answer)
    note = " ".join([error, suberror, *map(str, sorted(numbers))]).strip()
    by_number: list[tuple[set[int], type[faults.Fault]]] = [
        ({50105}, faults.NotAssigned),
        (_BLOCKED, faults.BlockedByPolicy),
        (_DISABLED, faults.AccountDisabled),
        (_NO_CONSENT, faults.ConsentWithdrawn),
        (_MISREGISTERED, faults.ServiceMisconfigured),
        ({500208}, faults.PersonalAccountNotAllowed),
        (_EXPIRED, faults.SignInExpired),
        (_INTERACTION, faults.InteractionRequired),
        ({65004}, faults.SignInDeclined),
        (_OTHER_TENANT, faults.OtherOrganisation),
    ]
    leaf: type[faults.Fault]
    # 650052 (no service principal of the resource) comes as invalid_client, and is the organisation's.
    if numbers & _OWN_CREDENTIAL or (error == "invalid_client" and not numbers & _NO_CONSENT):
        leaf = faults.OwnCredentialRefused
    elif error in {"temporarily_unavailable", "server_error"} or numbers & _PASSING:
        leaf = faults.MicrosoftUnavailable
    elif refined := next((leaf for known, leaf in by_number if numbers & known), None):
        leaf = refined
    else:
        # Anything else (invalid_request, invalid_scope, invalid_resource …) is our own set-up.
        leaf = _BY_SUBERROR.get(suberror) or _BY_ERROR.get(error, faults.ServiceMisconfigured)
    fault = leaf(note, retry_after=_LOOP_RESTS if _LOOP in numbers else None)
    fault.numbers = frozenset(numbers)
    return fault


def _word(given: object) -> str:
    """Return an error code as it may be logged: through a browser anybody can send anything (threats G13, G14)."""
    return given if isinstance(given, str) and _CODE.fullmatch(given) else ""


def _numbers(answer: Mapping[str, Any]) -> set[int]:
    codes = answer.get("error_codes")
    if isinstance(codes, list) and codes:
        return {code for code in codes if isinstance(code, int)}
    # Authorization responses carry the number only in the description.
    found = _NUMBER.search(str(answer.get("error_description") or ""))
    return {int(found[1])} if found else set()
