"""HTTP: admin consent, begun in a browser (``/consent``) or at a panel (``/consent/{link}``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from functions.answers import browser_of, page, remember_browser, require_same_site, see_other, trouble
from functions.doors import FORM_LIMIT, door
from functions.forms import form_of
from shared import faults
from shared.handoffs import Handoff
from shared.organisations import RANGES, Policy
from shared.pages import ConsentDone, ConsentStart, Trouble, View, range_choice
from shared.services import Services

STORY = "consent"


def build(services: Callable[[], Services]) -> FastAPI:
    """Build the door."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    def begin(request: Request, link: str, chosen: str) -> Response:
        browser = browser_of(request) or services().secret()
        return remember_browser(see_other(services().consents.begin(link, chosen, browser=browser)), browser)

    @app.get("/consent")
    def start(request: Request) -> Response:
        return page(services().pages, request, _choice("/consent", "send"))

    @app.post("/consent")
    async def start_here(request: Request) -> Response:
        require_same_site(services(), request)
        chosen = (await form_of(request)).get("range", "")

        def start_and_begin() -> Response:
            started = services().consents.start(wanted=chosen)
            return begin(request, started.link, chosen)

        return await run_in_threadpool(start_and_begin)

    @app.get("/consent/callback")
    def called_back(request: Request) -> Response:
        return see_other(services().consents.called_back(request.query_params, browser=browser_of(request)))

    @app.get("/consent/{link}")
    def show(request: Request, link: str) -> Response:
        handoff = services().handoffs.by_link(link, STORY)
        view = _view(services(), handoff, request.url.path)
        status = view.fault.status if isinstance(view, Trouble) else 200
        return page(services().pages, request, view, status, handoff.task["locale"])

    @app.post("/consent/{link}")
    async def start_from_panel(request: Request, link: str) -> Response:
        require_same_site(services(), request)
        chosen = (await form_of(request)).get("range", "")
        return await run_in_threadpool(begin, request, link, chosen)

    return door(app, trouble(services), largest=FORM_LIMIT)


def _choice(
    action: str,
    chosen: str,
    organisation: str | None = None,
    printer: str | None = None,
    policy: Policy | None = None,
) -> ConsentStart:
    return ConsentStart(
        action=action,
        ranges=[
            range_choice(offered.slug, _short(offered.scopes), offered.largest_document(policy or Policy()))
            for offered in RANGES.values()
        ],
        chosen=chosen,
        organisation=organisation,
        printer=printer,
    )


def _short(scopes: Iterable[str]) -> list[str]:
    """Return scopes as Microsoft's pages name them."""
    return [scope.rpartition("/")[2] for scope in scopes]


def _view(services: Services, handoff: Handoff, action: str) -> View:
    task = handoff.task
    if handoff.status == "pending":
        if not task["tid"]:
            return _choice(action, task["range"], None, task["printer"] or None)
        known = services.organisations.get(task["tid"])
        return _choice(action, task["range"], known.name or None, task["printer"] or None, known.policy)
    organisation = services.organisations.get(handoff.outcome) if handoff.outcome else None
    if handoff.status not in {"confirm", "active"} or organisation is None or organisation.range is None:
        return Trouble(faults.BY_REASON[handoff.reason or faults.SignInTimedOut.reason])
    return ConsentDone(
        organisation=organisation.name,
        tenant=organisation.tid,
        range=range_choice(organisation.range.slug, ()).title,
        scopes=_short(organisation.range.scopes),
        account=organisation.proven_by,
        confirmed=organisation.confirmed,
        at_printer=handoff.status == "confirm",
    )
