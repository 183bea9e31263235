"""The cookie of a person's own page, for the two doors that need it."""

from __future__ import annotations

from fastapi import Request, Response

from functions.answers import page, see_other
from shared import faults
from shared.identity import Finished
from shared.pages import MeStart
from shared.privacy import Session, SessionInvalid
from shared.services import Services

COOKIE = "__Host-me"


def session_of(services: Services, request: Request) -> Session | None:
    """Return who is at the page, or None where nobody has signed in to it within fifteen minutes."""
    try:
        return services.sessions.read(request.cookies.get(COOKIE, ""))
    except SessionInvalid:
        return None


def signed_in(services: Services, request: Request, finished: Finished) -> Response:
    """Entra has answered: open the page, or say there why not."""
    try:
        session = services.sessions.finish(finished)
    except (faults.PersonMust, faults.AdministratorMust) as fault:
        return page(services.pages, request, MeStart(action="/me", refused=fault), fault.status)
    answer = see_other("/me")
    left, value = services.sessions.seconds_left(session), services.sessions.write(session)
    answer.set_cookie(COOKIE, value, max_age=left, path="/", secure=True, httponly=True, samesite="lax")
    return answer


def forget_session(answer: Response) -> Response:
    """Delete the cookie. Nothing else knows of the session."""
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return answer
