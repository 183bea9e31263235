"""Write every page in every language to files, so that anybody can look: ``python -m local.show_pages OUTDIR``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, FastAPI, Header
from pydantic import BaseModel, Field

from local.show_console import console_pages
from shared.faults import (
    BlockedByPolicy,
    GuestNotAllowed,
    LinkUnknown,
    MailboxFull,
    OutcomeUnknown,
    SignInExpired,
    leaves,
)
from shared.pages import (
    ApiDocs,
    ConsentDone,
    ConsentStart,
    EnterCode,
    FirstLogin,
    FirstLoginDone,
    Front,
    MailboxSignedIn,
    MailboxSignIn,
    Me,
    MeEnd,
    MeEnded,
    MeStart,
    MyPlace,
    MyPrinter,
    MyScan,
    Pages,
    SignedOut,
    Trouble,
    View,
    asset,
    range_choice,
)
from shared.texts import LANGUAGES


def samples() -> Iterator[tuple[str, View]]:
    """Yield every view, and every fault as a page, with values as they occur; each under a name for its file."""
    ranges = (
        range_choice("send", ("Mail.Send", "User.Read"), 3_000_000),
        range_choice("send-large", ("Mail.Send", "User.Read", "SMTP.Send"), 25_000_000),
        range_choice("send-verified", ("Mail.Send", "User.Read", "Mail.ReadWrite"), 150_000_000),
    )
    printer = "Office 2F-01"
    account = "a•••@contoso.example"
    yield "front", Front()
    yield "enter-code", EnterCode("/s")
    yield "enter-code-refused", EnterCode("/s", LinkUnknown)
    yield "first-login", FirstLogin("/s/x", printer, "2nd floor, kitchen", "Contoso", account, "Вольга Кавальчук", 4)
    yield "first-login-at-panel", FirstLogin("/s/x/panel", printer, "", "Contoso", account, "", 3, at_panel=True)
    yield "first-login-done", FirstLoginDone(account, printer)
    yield "first-login-confirmed", FirstLoginDone(account, printer, confirmed=True)
    yield "first-login-signed-out", SignedOut(waits=True)
    yield "first-login-signed-out-only", SignedOut(waits=False)
    yield (
        "mailbox-sign-in",
        MailboxSignIn("/s/mailbox/x", printer, "Contoso", use="email", service="exchange_online", minutes_left=15),
    )
    yield "mailbox-signed-in", MailboxSignedIn(printer, account)
    yield "consent", ConsentStart("/consent", ranges, "send")
    yield "consent-from-printer", ConsentStart("/consent", ranges, "send-verified", "Contoso", printer)
    for name, confirmed, at_printer in (("consent-done", False, True), ("consent-done-confirmed", True, False)):
        yield (
            name,
            ConsentDone(
                organisation="Contoso",
                tenant="11111111-1111-4111-8111-111111111111",
                range=ranges[1].title,
                scopes=ranges[1].scopes,
                account="alex.admin@contoso.example",
                confirmed=confirmed,
                at_printer=at_printer,
            ),
        )
    yield from _own_pages()
    yield from console_pages(ranges)
    for leaf in leaves():
        yield f"trouble-{leaf.reason}", Trouble(leaf(limit=3_100_000))
    yield "api-docs", ApiDocs(_document())


def _own_pages() -> Iterator[tuple[str, View]]:
    """Yield a person's own page in its states."""
    since = datetime(2026, 9, 14, 7, 5, tzinfo=UTC)
    printers = [MyPrinter("Office 2F-01", "2nd floor, kitchen"), MyPrinter("Office 2F-02", "")]
    scans = [
        MyScan(since + timedelta(days=70, minutes=3), "Office 2F-01", "Lease, signed", "accepted", None),
        MyScan(since + timedelta(days=69), "Office 2F-02", "", "uncertain", OutcomeUnknown),
        MyScan(since + timedelta(days=68), "Office 2F-01", "scan0001.pdf", "sent", None),
        MyScan(since + timedelta(days=60), "Office 2F-01", "scan0000.pdf", "failed", MailboxFull),
    ]
    me = Me(
        name="Adele Vance",
        username="adele.vance@contoso.example",
        signed_in=since,
        used=since + timedelta(days=70, minutes=3),
        ends=None,
        ended=False,
        problem=None,
        places=[MyPlace("office", printers)],
        scans=scans,
        consented="",
        end="/me/end",
        sign_out="/me/sign-out",
    )
    yield "me-start", MeStart("/me")
    yield "me-start-refused", MeStart("/me", GuestNotAllowed)
    yield "me-start-too-late", MeStart("/me", too_late=True)
    yield "me", me
    yield "me-blocked", replace(me, ends=since + timedelta(days=90), problem=BlockedByPolicy, scans=[])
    yield "me-ended", replace(me, ended=True, problem=SignInExpired, scans=scans[2:])
    yield "me-nothing", replace(me, signed_in=None, used=None, places=[], scans=[], end="")
    yield "me-consented", replace(me, signed_in=None, used=None, places=[], scans=[], consented="Contoso")
    yield "me-end", MeEnd("/me/end", "/me")
    yield "me-done", MeEnded(cancelled=2)


class _Document(BaseModel):
    """What the printer announces about the bytes."""

    name: Annotated[str, Field(max_length=200, description="The file name the person sees.")]
    type: Annotated[str, Field(pattern="^(application/pdf|image/(jpeg|tiff|png))$")]
    size: Annotated[int, Field(ge=1, description="Bytes.")]


class _Scan(BaseModel):
    """A scan to be sent."""

    id: UUID
    title: str | None = None
    pages: list[int] = []
    document: _Document


def _document() -> dict[str, Any]:
    """Return a small OpenAPI document with every kind of thing the page shows."""
    router = APIRouter(tags=["Scans"])

    @router.post("/api/v1/scans", status_code=201, summary="Announce a scan")
    def create(scan: _Scan, accept_language: Annotated[str | None, Header()] = None) -> _Scan:
        """Small documents come ``inline``, larger ones straight to storage.

        The same id with the same manifest answers as the first time.
        """
        raise NotImplementedError(scan, accept_language)

    @router.get("/api/v1/scans/{scan_id}", summary="Look at a scan")
    def look(scan_id: UUID, wait: Annotated[int, Field(le=20, description="Seconds.")] = 0) -> _Scan:
        raise NotImplementedError(scan_id, wait)

    app = FastAPI(
        title="To My Email, device API",
        version="1",
        description="What device makers build against.",
        openapi_tags=[{"name": "Scans", "description": "From the glass to the mailbox."}],
    )
    app.include_router(router)
    return app.openapi()


def main(folder: Path) -> None:
    """Write ``<language>/<name>.html`` below the folder, and the static files beside them."""
    pages = Pages(["https://login.microsoftonline.com"])
    for language in LANGUAGES:
        (folder / language).mkdir(parents=True, exist_ok=True)
        for name, view in samples():
            page = pages.render(view, language=language, reference="7b0e6a52").body
            # A file opened from the disk has no root: the way to the static files becomes relative.
            (folder / language / f"{name}.html").write_bytes(page.replace(b'"/assets/', b'"../assets/'))
    (folder / "assets").mkdir(exist_ok=True)
    for name in ("style.css", "logo.svg"):
        if (found := asset(name)) is not None:
            (folder / "assets" / name).write_bytes(found.body)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
