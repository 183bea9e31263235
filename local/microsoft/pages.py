"""Rendering of the emulated cloud's pages, and facts about a request that every endpoint needs."""

from pathlib import Path
from urllib.parse import urlencode, urlsplit
from uuid import UUID, uuid4

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from .refusals import Refusal

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)
# No form-action: our forms end, by redirects, at whatever redirect URI the app registered.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; base-uri 'none'; frame-ancestors 'none'"

# Submits the form_post page; a file of its own because the policy allows no inline script.
SUBMIT_SCRIPT = "document.forms[0].submit();\n"


def page(template: str, status: int = 200, **values: object) -> HTMLResponse:
    """Render a template as a page that is neither cached nor framed."""
    text = _TEMPLATES.get_template(template).render(**values)
    return HTMLResponse(text, status, {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"})


def error_page(request: Request, refusal: Refusal) -> Response:
    """Show a refusal that must not be sent to a redirect URI, because that is not known to be the client's."""
    return page("error.html", 400, number=refusal.number, text=refusal.text, correlation_id=correlation_id(request))


def send_back(redirect_uri: str, response_mode: str, parameters: dict[str, str]) -> Response:
    """Answer a client through the browser: query, fragment or form_post (OAuth 2.0 Form Post Response Mode)."""
    if response_mode == "form_post":
        return page("form_post.html", redirect_uri=redirect_uri, parameters=parameters)
    mark = "#" if response_mode == "fragment" else "&" if urlsplit(redirect_uri).query else "?"
    return RedirectResponse(f"{redirect_uri}{mark}{urlencode(parameters)}", 302, {"Cache-Control": "no-store"})


def base_of(request: Request) -> str:
    """Answer the origin that the client used, without a slash: issuers and endpoints are built on it."""
    return str(request.base_url).rstrip("/")


def correlation_id(request: Request) -> str:
    """Answer the client's own ``client-request-id`` if it is a GUID, else a new one."""
    given = request.headers.get("client-request-id", "")
    try:
        return str(UUID(given))
    except ValueError:
        return str(uuid4())


def from_our_page(request: Request) -> bool:
    """Tell whether a form comes from a page of ours and not from another site (Fetch Metadata)."""
    return request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


def switched_on(request: Request) -> None:
    """Raise the refusal that the switchboard laid on this request, if there is one."""
    refusal = request.scope.get("refusal")
    if isinstance(refusal, Refusal):
        raise refusal
