"""The cookie of the console, for the two doors that need it."""

from __future__ import annotations

from fastapi import Request, Response

from functions.answers import page, see_other
from shared import faults
from shared.audit import Entry
from shared.identity import Finished
from shared.pages import ConsoleStart
from shared.services import Services
from shared.texts import masked

COOKIE = "__Host-console"


def cookie_of(request: Request) -> str:
    """Return what the cookie says, or nothing."""
    return request.cookies.get(COOKIE, "")


def console_signed_in(services: Services, request: Request, finished: Finished) -> Response:
    """Entra has answered: open the console, or say there why not."""
    sessions, before = services.console_sessions, cookie_of(request)
    try:
        value, back = sessions.finish(finished, before)
    except (
        faults.PersonMust,
        faults.AdministratorMust,
        faults.ConsoleRoleMissing,
        faults.SignInNotFresh,
    ) as fault:
        answer = page(services.pages, request, ConsoleStart(action="/console/sign-in", refused=fault), fault.status)
        return answer if sessions.read(before) else forget_console(answer)
    administrator = sessions.read(value)
    if value != before and administrator is not None:
        entry = Entry(
            services.clock(),
            administrator.oid,
            masked(administrator.username),
            "signed_in",
            "",
            administrator.role,
            "begun",
        )
        services.audit.note(administrator.tid, entry)
    answer = see_other(back)
    # No max-age: the session's own row says when it ends, and a browser that is closed forgets the cookie.
    answer.set_cookie(COOKIE, value, path="/", secure=True, httponly=True, samesite="lax")
    return answer


def forget_console(answer: Response) -> Response:
    """Delete the cookie."""
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return answer
