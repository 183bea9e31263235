"""The console's pages with values as they occur; ``local.show_pages`` shows them beside the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from local.show_doctor import doctor_pages
from local.show_mailboxes import mailbox_pages
from shared.faults import (
    BlockedByPolicy,
    ConsoleRoleMissing,
    GuestNotAllowed,
    MailboxFull,
    OutcomeUnknown,
    SignInExpired,
    SignInRequired,
    Throttled,
    WrongState,
)
from shared.pages import (
    CHOICES,
    PLACES,
    POLICY,
    STATES,
    AttemptRow,
    AuditRow,
    Bar,
    Concern,
    ConsoleAgain,
    ConsoleAudit,
    ConsoleConsent,
    ConsoleJob,
    ConsoleJobs,
    ConsoleOverview,
    ConsolePeople,
    ConsolePerson,
    ConsolePolicy,
    ConsolePrinter,
    ConsolePrinters,
    ConsoleStart,
    ConsoleTicket,
    Frame,
    JobRow,
    NavLink,
    Option,
    PersonRow,
    PolicyField,
    PrinterRow,
    RangeChoice,
    Step,
    View,
    state_words_here,
)

SINCE = datetime(2026, 9, 14, 7, 5, tzinfo=UTC)
DEVICE = "7a2f63c0-5a55-4f6a-9a51-3f4f6e0d2b11"
SCAN = "0d5b8f7e-3f0b-45a4-8f0c-7a6c31f0e2d9"
OID = "5d0a8f3e-1c7b-4d38-9a9e-0f6f8f1f7c21"
TENANT = "11111111-1111-4111-8111-111111111111"


def _frame(path: str, *, reader: bool = False) -> Frame:
    nav = [NavLink(label, to, to == path) for label, to in PLACES]
    return Frame(nav, "contoso.example", "alex.admin@contoso.example", reader)


def console_pages(ranges: tuple[RangeChoice, ...]) -> Iterator[tuple[str, View]]:
    """Yield the console's views in their states; each under a name for its file."""
    yield "console-start", ConsoleStart("/console/sign-in")
    yield "console-start-refused", ConsoleStart("/console/sign-in", GuestNotAllowed)
    yield "console-start-role", ConsoleStart("/console/sign-in", ConsoleRoleMissing)
    yield "console-start-too-late", ConsoleStart("/console/sign-in", too_late=True)
    yield "console-again", ConsoleAgain(_frame(""), "/console/again", f"/console/people/{OID}")
    yield from _overviews()
    consent = ConsoleConsent(
        frame=_frame("/console/consent"),
        action="/console/consent",
        ranges=ranges,
        chosen="send",
        consented=True,
        withdrawn=False,
        account="alex.admin@contoso.example",
        confirmed=False,
        tenant=TENANT,
    )
    yield "console-consent", consent
    yield "console-consent-none", replace(consent, consented=False, account="")
    reader = replace(consent, frame=_frame("/console/consent", reader=True))
    yield "console-consent-withdrawn", replace(reader, consented=False, withdrawn=True)
    yield from _printers()
    yield from _people()
    yield from _jobs()
    yield from _policy()
    yield from doctor_pages(_frame("/console/doctor"), SINCE)
    yield from mailbox_pages(_frame("/console/mail"))
    acts = ("policy_changed", "printer_approved", "job_retried", "signed_in")
    rows = [
        AuditRow(SINCE - timedelta(hours=hours), "a•••@contoso.example", OID, act, subject, detail, failed=hours == 1)
        for hours, (act, subject, detail) in enumerate(
            zip(acts, ("", DEVICE, f"{DEVICE}/{SCAN}", ""), ("hold_hours 24 -> 48", "", "", "admin"), strict=True)
        )
    ]
    audit = ConsoleAudit(_frame("/console/audit"), rows, "/console/audit?cursor=1", "/a/csv", "/a/json")
    yield "console-audit", audit
    yield "console-audit-empty", replace(audit, rows=[], more="")


def _overviews() -> Iterator[tuple[str, View]]:
    done = ("Agree for your organisation", "Check the permission")
    steps = [
        Step(
            "Agree for your organisation",
            "You choose what the service may do, and Microsoft asks you.",
            "/console/consent",
            done=True,
        ),
        Step(
            "Check the permission",
            "It decides how large a scan may be. You can change it at any time.",
            "/console/consent",
            done=True,
        ),
        Step(
            "Let the first printer in",
            "You get a code to type at its panel, or a ticket to paste.",
            "/console/printers",
            done=False,
        ),
        Step(
            "Let the first person sign in",
            "At the printer, with the telephone: scan, and follow the panel.",
            "/console/people",
            done=False,
        ),
    ]
    assert all(step.done == (step.title in done) for step in steps)
    counts = (12, 31, 28, 0, 2, 25, 40, 38, 36, 29, 3, 1, 33, 17)
    bars = [
        Bar(
            (SINCE + timedelta(days=day)).date(),
            scans,
            scans // 12,
            4 + day % 5 * 3 if scans else None,
            (scans // 9, day % 2 * scans // 12, scans // 14, scans // 12),
        )
        for day, scans in enumerate(counts)
    ]
    concerns = [
        Concern(None, "A printer waits to be let in", 0, f"/console/printers/{DEVICE}"),
        Concern(MailboxFull, "", 3, "/console/jobs?reason=mailbox_full"),
        Concern(SignInRequired, "", 2, "/console/jobs?reason=sign_in_required"),
    ]
    codes = ("360", "361", "370", CHOICES["none"])
    overview = ConsoleOverview(_frame("/console"), steps, concerns, bars, sum(counts), 200, codes)
    yield "console-overview", overview
    all_done = [replace(step, done=True) for step in steps]
    yield "console-overview-well", replace(overview, steps=all_done, concerns=[])
    none = [replace(step, done=False) for step in steps]
    yield "console-overview-new", replace(overview, steps=none, concerns=[], bars=[], counted=0, read=0)


def _printers() -> Iterator[tuple[str, View]]:
    frame = _frame("/console/printers")
    path = f"/console/printers/{DEVICE}"
    seen = SINCE + timedelta(days=3)
    rows = [
        PrinterRow(
            path, "Office 2F-01", "LX 500", "S-10293", "2nd floor, kitchen", "office", False, False, False, seen
        ),
        PrinterRow(path, "Office 2F-02", "LX 500", "S-10294", "", "office", True, False, False, None),
        PrinterRow(path, "Lager", "LX 300", "S-00017", "Hall 4", "warehouse", False, True, False, None),
        PrinterRow(path, "Reception", "LX 300", "S-00018", "Ground floor", "office", False, False, True, seen),
    ]
    printers = ConsolePrinters(frame, "/console/printers", rows, "/console/printers?after=1")
    yield "console-printers", printers
    yield "console-printers-reader", replace(printers, frame=_frame("/console/printers", reader=True), more="")
    yield "console-printers-none", replace(printers, printers=[], more="")
    yield (
        "console-ticket",
        ConsoleTicket(frame, "BCDF-GHJK", True, 3, "https://scan.contoso.example", "/console/printers"),
    )
    one = ConsolePrinter(
        frame=frame,
        printer=rows[1],
        device=DEVICE,
        enrolled=SINCE,
        former_key_used=None,
        words_differ=True,
        approve=f"{path}/approve",
        revoke=f"{path}/revoke",
        rule="",
        require_dpop=False,
        jobs=f"/console/jobs?printer={DEVICE}",
    )
    yield "console-printer-pending", one
    active = replace(one, printer=rows[3], words_differ=False, approve="", rule=f"{path}/group", former_key_used=seen)
    yield "console-printer", active


def _people() -> Iterator[tuple[str, View]]:
    frame, path = _frame("/console/people"), f"/console/people/{OID}"
    used = SINCE + timedelta(days=40)
    rows = [
        PersonRow(path, OID, "a•••@contoso.example", SINCE, used, None, False, None),
        PersonRow(path, OID, "b•••@contoso.example", SINCE, used, used + timedelta(days=30), False, BlockedByPolicy),
        PersonRow(path, OID, "", SINCE, used, None, True, SignInExpired),
    ]
    yield "console-people", ConsolePeople(frame, rows, "/console/people?after=1")
    person = ConsolePerson(
        frame=frame,
        person=rows[1],
        groups=["office", "warehouse"],
        jobs=f"/console/jobs?person={OID}",
        end=f"{path}/end",
        again="/console/again",
        back=path,
    )
    yield "console-person", person
    yield "console-person-again", replace(person, person=rows[0], end="")


def _jobs() -> Iterator[tuple[str, View]]:
    frame, path = _frame("/console/jobs"), f"/console/jobs/{DEVICE}/{SCAN}"
    told = (
        ("accepted", None, 812_000),
        ("waiting", Throttled, 2_400_000),
        ("uncertain", OutcomeUnknown, 96_000),
        ("failed", MailboxFull, 12_400_000),
        ("sent", None, 1_200_000),
        ("cancelled", None, 0),
    )
    rows = [
        JobRow(path, SINCE - timedelta(hours=hours), "Office 2F-01", "a•••@contoso.example", size, state, problem)
        for hours, (state, problem, size) in enumerate(told)
    ]
    jobs = ConsoleJobs(
        frame=frame,
        action="/console/jobs",
        jobs=rows,
        states=[Option(state, state_words_here(state) if state else CHOICES[""], False) for state in ("", *STATES)],
        codes=[Option(code, CHOICES.get(code, code), code == "360") for code in ("", "360", "361", "370", "none")],
        printer=DEVICE,
        person="",
        more="/console/jobs?cursor=1",
        looked_at=150,
    )
    yield "console-jobs", jobs
    job = ConsoleJob(
        frame=replace(frame, notice=WrongState),
        job=rows[2],
        id=SCAN,
        updated=SINCE,
        attempts=2,
        past=[
            AttemptRow(2, SINCE, "uncertain", OutcomeUnknown, None),
            AttemptRow(1, SINCE - timedelta(minutes=2), "waiting", Throttled, SINCE - timedelta(minutes=1)),
        ],
        next_attempt=None,
        held_until=None,
        retry=f"{path}/retry",
        risky=True,
        release="",
        cancel="",
        person=f"/console/people/{OID}",
        printer=f"/console/printers/{DEVICE}",
    )
    yield "console-job", job
    quarter = timedelta(minutes=15)
    tried = [
        AttemptRow(number, SINCE + quarter * number, "waiting", Throttled, SINCE + quarter * (number + 1))
        for number in range(31, 11, -1)
    ]
    tried[1] = replace(tried[1], outcome="broken_off", problem=None, next_attempt=None)
    waiting = replace(
        job,
        frame=replace(frame, done="The scan is on its way."),
        job=rows[1],
        risky=False,
        attempts=31,
        past=tried,
        next_attempt=SINCE + timedelta(minutes=480),
        cancel=f"{path}/cancel",
    )
    yield "console-job-waiting", waiting
    sent = replace(job, frame=frame, job=rows[4], attempts=1, past=[AttemptRow(1, SINCE, "sent", None, None)])
    yield "console-job-sent", replace(sent, retry="", risky=False)
    held = replace(rows[1], state="held", problem=SignInRequired)
    kept = replace(job, frame=_frame("/console/jobs", reader=True), job=held, attempts=0, past=[], person="", retry="")
    yield "console-job-held", replace(kept, risky=False, held_until=SINCE + timedelta(hours=24))


def _policy() -> Iterator[tuple[str, View]]:
    values = {"hold_hours": "24", "largest_document": "25", "subject": "{title}", "text": "", "sign_in_days": ""}
    flags = dict.fromkeys(("failure_notices", "panel_browser"), ("yes", "no"))
    chosen = {"unknown_outcome": ("leave", "send_again"), **flags}
    fields = []
    for name, (label, meaning) in POLICY.items():
        options = [Option(value, CHOICES[value], not place) for place, value in enumerate(chosen.get(name, ()))]
        longest = {"subject": 200, "text": 4000, "fax_cover": 4000}.get(
            name, 300 if "fax" in name or "domains" in name else 0
        )
        told = values.get(name, "")
        fields.append(
            PolicyField(
                name,
                label,
                meaning,
                told,
                0,
                100_000_000,
                options,
                longest,
                name in {"text", "fax_cover", "allowed_domains"},
                name == "hold_hours",
            )
        )
    policy = ConsolePolicy(_frame("/console/policy"), "/console/policy", fields)
    yield "console-policy", policy
    taken = [replace(field, wrong=False) for field in fields]
    yield "console-policy-reader", replace(policy, frame=_frame("/console/policy", reader=True), fields=taken)
