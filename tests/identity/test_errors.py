"""What Entra's errors mean: by OAuth's error and suberror first, refined by the number."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared import faults
from shared.identity.errors import classify

OWN = [50012, 50013, 500133, 700027, 7000215, 7000222, 7000218, 700025, 70021, 700211, 700212, 700213, 700229]


def answer(error: str, *numbers: int, **more: Any) -> dict[str, Any]:
    """Make an error answer of the token endpoint."""
    return {"error": error, "error_codes": list(numbers), "error_description": "words", **more}


@pytest.mark.parametrize(
    ("numbers", "error", "leaf"),
    [
        # The person signs in again.
        ([70008, 700082, 70043, 70044], "invalid_grant", faults.SignInExpired),
        ([50173, 70000, 50132, 50133, 50085, 50089, 54005], "invalid_grant", faults.SignInRevoked),
        ([50085, 700084, 50014, 700005], "invalid_grant", faults.SignInRevoked),
        ([530036, 50056, 50064, 50126, 700020], "invalid_grant", faults.InteractionRequired),
        ([50140, 50199, 50134], "interaction_required", faults.InteractionRequired),
        ([50072, 50074, 50076, 50078, 50079, 50158], "interaction_required", faults.InteractionRequired),
        ([50076, 50079, 50055, 50144, 50125, 50135], "invalid_grant", faults.InteractionRequired),
        ([50058, 160021, 50197], "login_required", faults.InteractionRequired),
        ([16000], "interaction_required", faults.InteractionRequired),
        ([50020, 90072], "invalid_grant", faults.OtherOrganisation),
        ([50020], "interaction_required", faults.OtherOrganisation),
        ([500208], "invalid_request", faults.PersonalAccountNotAllowed),
        ([65004], "access_denied", faults.SignInDeclined),
        # The administrator must act.
        ([53000, 53001, 53002, 53003, 53004, 53010, 53011, 50005], "invalid_grant", faults.BlockedByPolicy),
        ([53003, 53000, 50097, 50131], "interaction_required", faults.BlockedByPolicy),
        ([530032, 530034, 530035, 500021, 500022, 500212, 500213], "access_denied", faults.BlockedByPolicy),
        ([50002, 50129, 50155, 50187, 54000, 135010, 135011, 1000031], "invalid_grant", faults.BlockedByPolicy),
        ([1000031], "unauthorized_client", faults.BlockedByPolicy),
        ([50057, 500341, 50034, 51004, 50053], "invalid_grant", faults.AccountDisabled),
        ([50105], "invalid_grant", faults.NotAssigned),
        ([50105], "interaction_required", faults.NotAssigned),
        ([65001], "invalid_grant", faults.ConsentWithdrawn),
        ([65001], "consent_required", faults.ConsentWithdrawn),
        ([700016, 7000112, 7000229, 70001], "unauthorized_client", faults.ConsentWithdrawn),
        ([650052], "invalid_client", faults.ConsentWithdrawn),
        ([650054], "invalid_resource", faults.ConsentWithdrawn),
        ([90093, 90094, 90095, 90099], "access_denied", faults.ConsentWithdrawn),
        # It passes.
        ([90033, 90006, 90012, 90055], "temporarily_unavailable", faults.MicrosoftUnavailable),
        ([50033, 90024, 90090, 90091, 70012], "invalid_grant", faults.MicrosoftUnavailable),
        ([80001, 80002, 80005, 80012, 80014], "invalid_grant", faults.MicrosoftUnavailable),
        ([50087, 50088, 50196], "invalid_grant", faults.MicrosoftUnavailable),
        # We must act.
        (OWN, "invalid_client", faults.OwnCredentialRefused),
        (OWN, "invalid_grant", faults.OwnCredentialRefused),
        (OWN, "unauthorized_client", faults.OwnCredentialRefused),
        ([700021, 700023, 700024, 500112, 70002], "invalid_client", faults.OwnCredentialRefused),
        ([90036, 90092], "invalid_grant", faults.ServiceMisconfigured),
        ([65005, 650056, 650057, 500011], "invalid_resource", faults.ServiceMisconfigured),
        ([50011, 500113, 900144, 90014, 90023, 9002332, 50059], "invalid_request", faults.ServiceMisconfigured),
        ([50049, 50128, 90019, 50194, 90008, 9002313, 90013, 900561], "invalid_request", faults.ServiceMisconfigured),
        ([90130, 9001023, 90124, 501481, 50147, 501491], "invalid_request", faults.ServiceMisconfigured),
        ([70005, 70007, 700054, 7000114], "unsupported_response_type", faults.ServiceMisconfigured),
        ([700022], "invalid_scope", faults.ServiceMisconfigured),
        ([70011, 28002], "invalid_scope", faults.ServiceMisconfigured),
        ([70003], "unsupported_grant_type", faults.ServiceMisconfigured),
        ([90002], "invalid_tenant", faults.ServiceMisconfigured),
    ],
)
def test_every_code_that_matters_has_its_fault(numbers: list[int], error: str, leaf: type[faults.Fault]) -> None:
    """The table of Microsoft's codes: who must act and with which panel code, from JSON and from a redirect alike."""
    for number in numbers:
        assert type(classify(answer(error, number))) is leaf, number
        told = {"error": error, "error_description": f"AADSTS{number}: Words. Trace ID: 0 Timestamp: 2026"}
        assert type(classify(told)) is leaf, number


@pytest.mark.parametrize(
    ("error", "suberror", "leaf"),
    [
        ("invalid_grant", "", faults.SignInRevoked),
        ("invalid_grant", "bad_token", faults.SignInRevoked),
        ("invalid_grant", "token_expired", faults.SignInExpired),
        ("invalid_grant", "consent_required", faults.ConsentWithdrawn),
        ("invalid_grant", "protection_policy_required", faults.BlockedByPolicy),
        ("interaction_required", "device_authentication_failed", faults.BlockedByPolicy),
        ("invalid_grant", "user_password_expired", faults.InteractionRequired),
        ("invalid_grant", "client_mismatch", faults.SignInRevoked),
        ("interaction_required", "basic_action", faults.InteractionRequired),
        ("interaction_required", "additional_action", faults.InteractionRequired),
        ("interaction_required", "message_only", faults.InteractionRequired),
        ("consent_required", "", faults.ConsentWithdrawn),
        ("interaction_required", "", faults.InteractionRequired),
        ("login_required", "", faults.InteractionRequired),
        ("access_denied", "", faults.SignInDeclined),
        ("permission_denied", "", faults.SignInDeclined),
        ("invalid_client", "", faults.OwnCredentialRefused),
        ("temporarily_unavailable", "", faults.MicrosoftUnavailable),
        ("server_error", "", faults.MicrosoftUnavailable),
        ("unauthorized_client", "", faults.ServiceMisconfigured),
        ("invalid_scope", "", faults.ServiceMisconfigured),
        ("something_new", "", faults.ServiceMisconfigured),
        ("", "", faults.ServiceMisconfigured),
    ],
)
def test_an_unknown_number_falls_back_to_its_class(error: str, suberror: str, leaf: type[faults.Fault]) -> None:
    """Microsoft: do not depend on the numbers. An unknown one, or none, is decided by error and suberror."""
    assert type(classify(answer(error, 123456789, suberror=suberror))) is leaf
    assert type(classify({"error": error, "suberror": suberror})) is leaf
    # MSAL calls it "classification", and the browser brings no list of codes.
    told = {"error": error, "classification": suberror, "error_description": "AADSTS9999999: New."}
    assert type(classify(told)) is leaf


@settings(deadline=None)
@given(
    st.sampled_from(OWN),
    st.lists(st.sampled_from([65001, 53003, 50057, 70008, 90033, 50076, 65004, 50020, 50105]), max_size=4),
    st.sampled_from(["invalid_client", "invalid_grant", "interaction_required", "temporarily_unavailable", ""]),
)
def test_our_own_bad_credential_is_never_the_persons(own: int, others: list[int], error: str) -> None:
    """G15: a number of our own credential decides, whatever stands beside it, and no person's sign-in is touched."""
    fault = classify(answer(error, *others, own, suberror="bad_token"))
    assert type(fault) is faults.OwnCredentialRefused
    assert not isinstance(fault, faults.PersonMust)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(["error", "suberror", "classification", "error_codes", "error_description"]),
        st.one_of(st.none(), st.text(), st.integers(), st.lists(st.one_of(st.integers(), st.text(), st.none()))),
    )
)
def test_any_answer_has_a_class(told: dict[str, Any]) -> None:
    """G04: nonsense in an error answer becomes a fault, not an exception of ours."""
    assert isinstance(classify(told), faults.Fault)


def test_a_loop_rests() -> None:
    """R25: whom Entra finds asking in a loop asks again after five minutes, and no sooner."""
    fault = classify(answer("invalid_grant", 50196))
    assert (type(fault), fault.retry_after) == (faults.MicrosoftUnavailable, 300)


def test_the_note_holds_no_text_of_microsofts() -> None:
    """G11, G13: a description may name accounts; only error, suberror and number are kept."""
    told = "AADSTS50020: User account 'adele@contoso.example' does not exist."
    fault = classify({"error": "invalid_grant", "error_description": told})
    assert "adele" not in str(fault)
    assert "50020" in str(fault)


@pytest.mark.parametrize("forged", ["adele@contoso.example", "a\n{}", "access_denied\nADMIN", "x" * 65, "<script>"])
def test_a_forged_error_leaves_no_trace_in_the_log(forged: str) -> None:
    """G13, G14: error and suberror can come through anybody's browser; what is no OAuth word is not kept."""
    fault = classify({"error": forged, "suberror": forged})
    assert forged not in str(fault)
    assert type(fault) is faults.ServiceMisconfigured


@pytest.mark.parametrize(
    ("numbers", "leaf"),
    [
        ([16000, 50072, 50074, 50076, 50078, 50079, 50158], faults.InteractionRequired),
        ([65005, 650056, 650057, 90036, 90092], faults.ServiceMisconfigured),
        ([90006, 90012, 90033, 90055], faults.MicrosoftUnavailable),
        ([70008, 700082, 70043, 70044], faults.SignInExpired),
    ],
)
def test_a_known_number_refines_the_widest_error(numbers: list[int], leaf: type[faults.Fault]) -> None:
    """``invalid_grant`` says little; what is known of the number decides who must act."""
    for number in numbers:
        assert type(classify(answer("invalid_grant", number))) is leaf, number


def test_only_a_loop_says_when_it_may_be_asked_again() -> None:
    """50196: Entra found somebody asking in a loop, who rests for five minutes; no other answer names a time."""
    assert classify(answer("invalid_grant", 50196)).retry_after == 300
    assert classify(answer("invalid_grant", 90033)).retry_after is None


def test_an_empty_list_of_numbers_says_nothing() -> None:
    """The number in the description counts then, as in an authorization response."""
    told = {"error": "invalid_grant", "error_codes": [], "error_description": "AADSTS700082: Words."}
    assert type(classify(told)) is faults.SignInExpired
