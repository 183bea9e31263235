"""Entra's OpenID Connect endpoints that a browser or a library reads: metadata, keys, authorize, logout.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow and v2-protocols-oidc.
"""

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from .cloud import Cloud
from .directory import PERSONAL_TENANT
from .interaction import Interaction
from .pages import base_of, correlation_id, error_page, page, switched_on
from .permissions import parse
from .refusals import Refusal
from .sign_in import COOKIE, SignIn

_PROMPTS = ("", "none", "login", "select_account", "consent")
_RESPONSE_MODES = ("query", "fragment", "form_post")
_CHALLENGE_LENGTHS = range(43, 129)  # RFC 7636 section 4.2


class Login:
    """The endpoints; ``sign_in`` shows the pages."""

    def __init__(self, cloud: Cloud, sign_in: SignIn) -> None:
        self._cloud = cloud
        self._sign_in = sign_in
        self.routes = [
            Route("/{tenant}/v2.0/.well-known/openid-configuration", self._metadata),
            Route("/{tenant}/discovery/v2.0/keys", self._keys),
            Route("/{tenant}/oauth2/v2.0/authorize", self._authorize, methods=["GET", "POST"]),
            Route("/{tenant}/oauth2/v2.0/logout", self._logout),
        ]

    async def _metadata(self, request: Request) -> Response:
        base = base_of(request)
        try:
            authority = self._cloud.authority(request.path_params["tenant"])
        except Refusal as refusal:
            body = refusal.as_json(self._cloud.clock(), correlation_id(request), base)
            return JSONResponse(body, refusal.status)
        issued_by = authority.tid or "{tenantid}"
        root = f"{base}/{authority.alias}"
        return JSONResponse(
            {
                "issuer": f"{base}/{issued_by}/v2.0",
                "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
                "token_endpoint": f"{root}/oauth2/v2.0/token",
                "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
                "end_session_endpoint": f"{root}/oauth2/v2.0/logout",
                "jwks_uri": f"{root}/discovery/v2.0/keys",
                "token_endpoint_auth_methods_supported": [
                    "client_secret_post",
                    "private_key_jwt",
                    "client_secret_basic",
                ],
                "response_modes_supported": list(_RESPONSE_MODES),
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "request_uri_parameter_supported": False,
                "tenant_region_scope": None,
            }
        )

    async def _keys(self, request: Request) -> Response:
        try:
            authority = self._cloud.authority(request.path_params["tenant"])
        except Refusal as refusal:
            body = refusal.as_json(self._cloud.clock(), correlation_id(request), base_of(request))
            return JSONResponse(body, refusal.status)
        with self._cloud.lock:
            keys = self._cloud.keys.published(base_of(request), authority.tid)
        return JSONResponse({"keys": keys})

    async def _authorize(self, request: Request) -> Response:
        if request.method == "POST":
            async with request.form() as form:
                given = {name: value for name, value in form.items() if isinstance(value, str)}
        else:
            given = dict(request.query_params)
        try:
            interaction = self._trusted(request, given)
        except Refusal as refusal:
            return error_page(request, refusal)
        try:
            self._complete(interaction, given)
            switched_on(request)
        except Refusal as refusal:
            return self._sign_in.refuse(interaction, refusal)
        return self._sign_in.begin(interaction, request.cookies.get(COOKIE))

    def _trusted(self, request: Request, given: Mapping[str, str]) -> Interaction:
        """Check what must hold before anything may be sent to the redirect URI."""
        authority = self._cloud.authority(request.path_params["tenant"])
        if "client_id" not in given:
            raise Refusal(900144, "The request must contain the following parameter: 'client_id'.")
        application = self._cloud.application(given["client_id"])
        if given.get("redirect_uri") not in application.redirect_uris:
            raise Refusal(50011, f"'{given.get('redirect_uri')}' is not among the URIs of '{application.client_id}'.")
        if authority.tid == PERSONAL_TENANT and application.audience == "AzureADMultipleOrgs":
            raise Refusal(9002332)
        return Interaction(
            authority=authority,
            application=application,
            redirect_uri=given["redirect_uri"],
            state=given.get("state"),
            scopes=parse("openid", ()),
            scope="",
            base=base_of(request),
            correlation_id=correlation_id(request),
        )

    def _complete(self, interaction: Interaction, given: Mapping[str, str]) -> None:
        """Check the rest, whose faults the client may hear of."""
        response_mode = given.get("response_mode", "query")
        if response_mode not in _RESPONSE_MODES:
            raise Refusal(70007, f"'{response_mode}' is not supported.")
        interaction.response_mode = response_mode
        for name in ("response_type", "scope"):
            if name not in given:
                raise Refusal(900144, f"The request must contain the following parameter: '{name}'.")
        if given["response_type"] != "code":
            raise Refusal(700054, f"response_type '{given['response_type']}' is not enabled for the application.")
        interaction.prompt = given.get("prompt", "")
        if interaction.prompt not in _PROMPTS:
            raise Refusal(90023, f"Unsupported 'prompt' value '{interaction.prompt}'.")
        interaction.scope = given["scope"]
        interaction.scopes = parse(given["scope"], interaction.application.permissions)
        # login_hint and select_account cannot be combined: then the picker is shown.
        interaction.login_hint = "" if interaction.prompt == "select_account" else given.get("login_hint", "")
        interaction.nonce = given.get("nonce")
        interaction.challenge = given.get("code_challenge")
        interaction.challenge_method = given.get("code_challenge_method", "plain")
        if interaction.challenge is not None and len(interaction.challenge) not in _CHALLENGE_LENGTHS:
            raise Refusal(501491)
        if interaction.challenge_method not in ("plain", "S256"):
            raise Refusal(90023, "Unsupported 'code_challenge_method'.")

    async def _logout(self, request: Request) -> Response:
        self._cloud.sign_out(request.cookies.get(COOKIE))
        wanted = request.query_params.get("post_logout_redirect_uri", "")
        with self._cloud.lock:
            registered = self._cloud.is_redirect_uri(wanted)
        # Not in the documentation; MSAL.js counts on it.
        state = request.query_params.get("state")
        back = f"{wanted}?{urlencode({'state': state})}" if state else wanted
        response = RedirectResponse(back, 302) if registered else page("signed_out.html")
        response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="none")
        return response
