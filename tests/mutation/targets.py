"""The security code, and the tests that are to notice when a check of it is gone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """Modules that are mutated together, and the tests that run against them."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


TARGETS: dict[str, Target] = {
    "mail": Target(
        ("shared/mail/headers.py", "shared/mail/readback.py", "shared/mail/message.py"),
        ("tests/mail/test_mime.py", "tests/mail/test_message.py"),
    ),
    "errors": Target(("shared/identity/errors.py",), ("tests/identity/test_errors.py",)),
    "id-token": Target(("shared/identity/id_token.py",), ("tests/identity/test_id_token.py",)),
    "authorizations": Target(
        ("shared/identity/authorizations.py",),
        ("tests/identity/test_authorizations.py", "tests/identity/test_entra.py"),
    ),
    "keys": Target(
        ("shared/devices/base64url.py", "shared/devices/keys.py", "shared/devices/signatures.py"),
        ("tests/devices/test_keys.py", "tests/devices/test_signatures.py", "tests/devices/test_nonces.py"),
    ),
    "assertions": Target(
        (
            "shared/devices/nonces.py",
            "shared/devices/assertions.py",
            "shared/devices/once.py",
        ),
        (
            "tests/devices/test_nonces.py",
            "tests/devices/test_assertions.py",
            "tests/devices/test_rollover.py",
        ),
    ),
    "dpop": Target(("shared/devices/dpop.py",), ("tests/devices/test_dpop.py",)),
    "device-tokens": Target(
        ("shared/devices/tokens.py",),
        (
            "tests/devices/test_tokens.py",
            "tests/devices/test_assertions.py",
            "tests/devices/test_dpop.py",
            "tests/devices/test_http.py",
        ),
    ),
    "enrolment": Target(
        ("shared/devices/enrolment.py", "shared/devices/tickets.py"),
        ("tests/devices/test_enrolment.py", "tests/devices/test_tickets.py", "tests/devices/test_approval.py"),
    ),
    "rollover": Target(("shared/devices/rollover.py",), ("tests/devices/test_rollover.py",)),
    "limits": Target(("shared/devices/limits.py",), ("tests/devices/test_limits.py",)),
    "sealing": Target(("shared/vault/sealing.py",), ("tests/vault/test_envelope.py", "tests/vault/test_vectors.py")),
    "data-keys": Target(
        ("shared/vault/data_keys.py",), ("tests/vault/test_data_keys.py", "tests/vault/test_key_upkeep.py")
    ),
    "grants": Target(
        ("shared/vault/grant_rows.py", "shared/vault/grants.py", "shared/vault/refreshes.py"),
        (
            "tests/vault/test_grants.py",
            "tests/vault/test_refresh.py",
            "tests/vault/test_keep_alive.py",
            "tests/vault/test_key_upkeep.py",
            "tests/scans/test_throttling.py",
            "tests/scans/test_outcomes.py",
            "tests/doctor/test_questions.py",
        ),
    ),
    "handoffs": Target(
        (
            "shared/handoffs/handoff.py",
            "shared/handoffs/handoffs.py",
            "shared/handoffs/links.py",
            "shared/short_codes/codes.py",
            "shared/short_codes/guesses.py",
        ),
        (
            "tests/handoffs/test_handoff.py",
            "tests/short_codes/test_codes.py",
            "tests/short_codes/test_networks.py",
            "tests/devices/test_approval.py",
        ),
    ),
    "sessions": Target(
        ("shared/privacy/sessions.py", "shared/administrators/sessions.py", "shared/administrators/roles.py"),
        ("tests/privacy/test_sessions.py", "tests/console/test_sessions.py", "tests/journeys/test_me.py"),
    ),
    "doors": Target(
        ("functions/console/callers.py", "functions/answers.py", "functions/doors.py", "functions/forms.py"),
        (
            "tests/console/test_safety.py",
            "tests/console/test_sessions.py",
            "tests/journeys/test_first_login.py",
            "tests/journeys/test_bad_input.py",
            "tests/pages/test_choice_of_language.py",
        ),
    ),
    "consent": Target(
        ("shared/organisations/consent.py",),
        (
            "tests/organisations/test_consents.py",
            "tests/journeys/test_consent.py",
            "tests/journeys/test_first_login.py",
        ),
    ),
}
