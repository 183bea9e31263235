"""What answers mean together: asked of nobody, from answers as the rooms give them."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from shared import faults
from shared.doctor import Report, Result
from shared.doctor.doctor import verdict
from shared.doctor.rounds import Answers, Said
from shared.doctor.sign_in import NAMES
from shared.doctor.subjects import Known, Patient
from shared.faults import leaves
from shared.identity import errors
from shared.mail import Heard, Mailbox
from shared.organisations import RANGES, Organisation, Policy
from shared.texts import LANGUAGES, say
from shared.vault import PAUSED
from tests.doctor.conftest import failing, results

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
OID = "5d0a8f3e-1c7b-4d38-9a9e-0f6f8f1f7c21"
LARGE = RANGES["send-large"]
CEILING = 157_286_400
SMTP = ("smtp_auth_organisation", "smtp_auth_mailbox", "smtp_rules")


def known(allowed: str = "send-large", **changes: Any) -> Known:
    """An organisation, and Adele to ask with."""
    nobody: Any = None
    chosen = RANGES[allowed]
    told = {"name": "C", "consent": "consented", "range": chosen, "confirmed": True, "proven_by": "", "proven_oid": "0"}
    organisation = Organisation(**{"tid": "t", **told, "sign_in_days": None, "policy": Policy(), **changes})
    patient = Patient("t", OID, OID, nobody, chosen, nobody, personal=False, sender="", meant=lambda fault: fault)
    return Known(organisation, patient, hint="a•••@contoso.example")


def healthy(allowed: str = "send-large") -> Answers:
    """Answers of a healthy organisation."""
    token = SimpleNamespace(access_token="t", scopes=frozenset(RANGES[allowed].scopes))
    return Answers(
        keys=Said("key"),
        time=Said(0.4),
        graph=Said(),
        credential=Said(),
        credential_ends=Said(NOW + timedelta(days=200)),
        token=Said(token),
        smtp_token=Said(token),
        me=Said(Mailbox(OID, "adele.vance@contoso.example", "")),
        mailbox=Said(value=False),
        smtp=Said(Heard(CEILING, CEILING)),
    )


def ask(answers: Answers, about: Known | None = None, **told: Any) -> Report:
    """The verdict."""
    return verdict(about or known(), answers, NOW, **{"server": True, **told})


def refused(fault: faults.Fault) -> Answers:
    """Answers where Entra refuses a new token, and nothing more can be asked with anybody."""
    without = {"smtp_token": None, "me": None, "mailbox": None}
    return replace(healthy(), token=Said(fault=fault), **without)


def test_health_is_no_more_than_was_said() -> None:
    """With every answer a good one, all is in order but for what nobody can know."""
    found = results(ask(healthy()))
    assert found.pop("size_limits") == "unknown"
    assert set(found.values()) == {"ok"}


def test_without_answers_nothing_is_in_order() -> None:
    """What nobody was asked is never shown as in order, and neither is what nobody answered."""
    nobody = replace(known(), patient=None)
    silent = ask(Answers(), nobody)
    # Both are read from our own records.
    assert [check.name for check in silent.checks if check.result is Result.OK] == ["reach_storage", "consent_for_all"]


LATE = faults.NoConnection("no answer in time")
DEPEND = {
    "keys": {"reach_keys"},
    "time": {"clock"},
    "credential_ends": {"app_credential_ends"},
    "credential": {"app_credential"},
    "smtp_token": set(SMTP),
    "smtp": set(SMTP),
}


@pytest.mark.parametrize("name", [field.name for field in fields(Answers)])
def test_an_answer_that_did_not_come_proves_nothing(name: str) -> None:
    """Whichever question has no answer in time: what hangs on it is not in order, and something says what failed."""
    answers = replace(healthy(), **{name: Said(fault=LATE)})
    if name == "token":
        answers = refused(LATE)
    report = ask(answers)
    for check in report.checks:
        if check.name in DEPEND.get(name, ()):
            assert check.result is not Result.OK, check
    if name not in {"narrow", "credential_ends", "credential", "keys"}:
        assert [check for check in failing(report) if check.startswith("reach_")], name


NUMBERS = sorted(
    errors._EXPIRED | errors._BLOCKED | errors._DISABLED | errors._NO_CONSENT | errors._INTERACTION | {50105, 500208}
)


@pytest.mark.parametrize("number", NUMBERS)
def test_every_number_of_entras_fails_one_check(number: int) -> None:
    """Whatever Entra answers a silent refresh with: one check fails, with a remedy, and none beside it is claimed."""
    fault = errors.classify({"error": "invalid_grant", "error_codes": [number]})
    report = ask(refused(fault))
    found = results(report, *NAMES)
    assert sorted(found.values()) == ["fails", *["unknown"] * (len(NAMES) - 1)], found
    [check] = report.failing
    assert (check.answer, check.fault) == (fault.note, type(fault))
    assert check.remedy
    assert check.remedy.text


def test_what_blocks_is_named_apart() -> None:
    """G11: security defaults where Entra says so, Conditional Access for every other rule."""
    for number, wanted in ((530035, "security_defaults"), (53003, "conditional_access"), (53000, "conditional_access")):
        fault = errors.classify({"error": "invalid_grant", "error_codes": [number]})
        assert failing(ask(refused(fault))) == [wanted]
    by_code = faults.DeviceCodeBlocked("530036")
    assert failing(ask(refused(by_code))) == ["conditional_access"]


def test_an_exchange_that_is_ruled_apart_is_not_taken_for_graph() -> None:
    """A policy on Exchange alone refuses the second token: it is shown, and that Graph gave one does not hide it."""
    blocked = errors.classify({"error": "invalid_grant", "error_codes": [53003]})
    report = ask(replace(healthy(), smtp_token=Said(fault=blocked), smtp=Said(Heard(CEILING, 0))))
    assert failing(report) == ["conditional_access"]
    assert "SMTP" in report.check("conditional_access").asked
    assert set(results(report, *SMTP).values()) == {"not_asked"}


@pytest.mark.parametrize(
    ("leaf", "wanted"),
    [
        (faults.SmtpDisabledForOrganisation, "smtp_auth_organisation"),
        (faults.SmtpDisabledForMailbox, "smtp_auth_mailbox"),
        (faults.SmtpBlockedByPolicy, "smtp_rules"),
        (faults.AccountLocked, "smtp_rules"),
        (faults.Throttled, "reach_smtp"),
    ],
)
def test_exchanges_word_is_believed_for_what_it_names(leaf: type[faults.Fault], wanted: str) -> None:
    """G2: one check fails by what Exchange answers to AUTH; of the others it says nothing, and so do we."""
    report = ask(replace(healthy(), smtp=Said(Heard(CEILING, 0, leaf("smtp auth 535 5.7.139")))))
    assert failing(report) == [wanted]
    others = results(report, *(set(SMTP) - {wanted}))
    assert set(others.values()) == {"unknown"}
    assert results(report, "mailbox") == {"mailbox": "unknown"}


def test_a_pause_is_no_fault() -> None:
    """While Microsoft's own pause lasts nobody is asked with, and nothing fails because of it."""
    report = ask(refused(faults.Throttled(PAUSED, retry_after=60)))
    assert failing(report) == []
    assert set(results(report, *NAMES).values()) == {"not_asked"}


def test_sizes_say_what_was_learnt_and_announced() -> None:
    """What Exchange refused, and a server that announces too little, fail; the ceiling of everybody proves nothing."""
    assert failing(ask(healthy(), replace(known(), learnt=20_000_000))) == ["size_limits"]
    small = replace(healthy(), smtp=Said(Heard(10_000_000, 0)))
    assert failing(ask(small)) == ["size_limits"]
    own = replace(healthy(), smtp=Said(Heard(CEILING, 10_000_000)))
    assert failing(ask(own)) == ["size_limits"]
    assert "EHLO SIZE 10000000" in ask(own).check("size_limits").answer
    assert results(ask(healthy("send"), known("send"), server=False), "size_limits") == {"size_limits": "ok"}


def test_a_consent_that_is_proven_by_its_giver_alone_is_not_everybodys() -> None:
    """Whether it reaches others is known from another account only."""
    giver = known(confirmed=False, proven_oid=OID)
    other = known(confirmed=False, proven_oid="somebody else")
    nobody = known(confirmed=False, proven_oid="")
    for about, wanted in ((giver, "unknown"), (other, "ok"), (nobody, "unknown")):
        assert results(ask(healthy(), about), "consent_for_all") == {"consent_for_all": wanted}


def test_a_token_with_less_than_the_range_is_seen() -> None:
    """The token response is compared, permission by permission; what is lacking is named."""
    token = SimpleNamespace(access_token="t", scopes=frozenset(LARGE.scopes[:2]))
    report = ask(replace(healthy(), token=Said(token)))
    assert failing(report) == ["range"]
    assert report.check("range").answer == "- SMTP.Send"
    assert results(report, "consent") == {"consent": "ok"}


def test_every_fault_anywhere_gives_a_report() -> None:
    """Whatever leaf of the tree comes in answer to whatever question: no exception, and whatever fails has a remedy."""
    for leaf in leaves():
        for field in fields(Answers):
            answers = replace(healthy(), **{field.name: Said(fault=leaf("x"))})
            if field.name == "token":
                answers = refused(leaf("x"))
            report = ask(answers)
            for check in report.failing:
                assert check.remedy is not None
                assert check.remedy.text, (leaf, field.name, check)
            for language in LANGUAGES:
                told = report.as_json(language)
                assert "{" not in " ".join(check["asked"] + check["said"] for check in told["checks"])


def test_remedies_are_said_in_every_language() -> None:
    """Texts differ by language; lines and roles are Microsoft's and do not."""
    fault = errors.classify({"error": "invalid_grant", "error_codes": [50057]})
    told = {language: ask(refused(fault)).as_json(language) for language in LANGUAGES}
    remedies = [next(check["remedy"] for check in one["checks"] if check["remedy"]) for one in told.values()]
    assert len({remedy["text"] for remedy in remedies}) == len(LANGUAGES)
    assert {(*remedy["lines"], remedy["role"]) for remedy in remedies} == {
        (f"Update-MgUser -UserId {OID} -AccountEnabled:$true", "User Administrator")
    }
    assert say("Diagnosis", "de") == "Diagnose"
