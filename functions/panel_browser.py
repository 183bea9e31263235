"""HTTP: the first login in the panel's own browser, for organisations that allow it (the sign-in door has it).

``/s/{link}/panel`` is that first login; Microsoft's sign-out leads to ``/auth/signed-out``, and nothing is left.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request, Response

from functions.answers import browser_of, forget_browser, page, remember_browser, require_same_site, see_other
from shared.handoffs import Handoff
from shared.identity import Finished
from shared.pages import SignedOut, Trouble, View
from shared.services import Services

CLEARS = '"cache", "cookies", "storage"'
"""Clear-Site-Data: all that a site can leave (https://www.w3.org/TR/clear-site-data/)."""


def router(services: Callable[[], Services], show: Callable[[Services, Handoff, str], View]) -> APIRouter:
    """Return the routes; ``show`` makes the page of a first login whose form posts to an address."""
    routes = APIRouter()

    @routes.get("/s/{link}/panel")
    def first_login(request: Request, link: str) -> Response:
        handoff = services().panel_browser.look(link)
        view = show(services(), handoff, request.url.path)
        status = view.fault.status if isinstance(view, Trouble) else 200
        return page(services().pages, request, view, status, handoff.task["locale"])

    @routes.post("/s/{link}/panel")
    def begin(request: Request, link: str) -> Response:
        require_same_site(services(), request)
        browser = browser_of(request) or services().secret()
        return remember_browser(see_other(services().panel_browser.begin(link, browser=browser)), browser)

    @routes.get("/auth/signed-out")
    def left(request: Request, state: str = "") -> Response:
        found = services().panel_browser.left(state[:200])
        wish = found.handoff.task["locale"] if found.handoff else None
        view: View = SignedOut(waits=found.handoff is not None and found.handoff.status == "confirm")
        if found.fault is not None:
            view = Trouble(found.fault)
        answer = page(services().pages, request, view, found.fault.status if found.fault else 200, wish)
        answer.headers["Clear-Site-Data"] = CLEARS
        return forget_browser(answer)

    return routes


def at_the_panel(services: Services, finished: Finished) -> Response:
    """Entra has answered a panel's browser: away from here, by Microsoft's sign-out."""
    return see_other(services.panel_browser.finish(finished))
