"""The admin consent endpoint (https://learn.microsoft.com/entra/identity-platform/v2-admin-consent).

The answer to the app is a plain redirect without a signature, as it really is: success is
``admin_consent=True&tenant&scope&state``, errors come with ``admin_consent=True`` and without a tenant.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .cloud import Cloud
from .directory import PERSONAL_TENANT
from .interaction import Interaction
from .pages import base_of, correlation_id, error_page, switched_on
from .permissions import GRAPH, parse
from .refusals import Refusal
from .sign_in import COOKIE, SignIn


class AdminConsent:
    """The endpoint, in its v2.0 form (with ``scope``) and its v1 form (everything that is registered)."""

    def __init__(self, cloud: Cloud, sign_in: SignIn) -> None:
        self._cloud = cloud
        self._sign_in = sign_in
        self.routes = [
            Route("/{tenant}/v2.0/adminconsent", self._ask),
            Route("/{tenant}/adminconsent", self._ask),
        ]

    async def _ask(self, request: Request) -> Response:
        try:
            interaction = self._trusted(request)
        except Refusal as refusal:
            return error_page(request, refusal)
        try:
            self._complete(interaction)
            switched_on(request)
        except Refusal as refusal:
            return self._sign_in.refuse(interaction, refusal)
        return self._sign_in.begin(interaction, request.cookies.get(COOKIE))

    def _trusted(self, request: Request) -> Interaction:
        """Check what must hold before anything may be sent to the redirect URI."""
        given = request.query_params
        authority = self._cloud.authority(request.path_params["tenant"])
        if authority.alias == "common" or authority.tid == PERSONAL_TENANT:
            raise Refusal(900144, "The request must include a 'response_type' input parameter.")
        for name in ("client_id", "redirect_uri"):
            if name not in given:
                raise Refusal(900144, f"The request must contain the following parameter: '{name}'.")
        application = self._cloud.application(given["client_id"])
        if given["redirect_uri"] not in application.redirect_uris:
            raise Refusal(50011, f"'{given['redirect_uri']}' is not among the registered URIs.")
        everything = "" if "/v2.0/" in request.url.path else f"{GRAPH}/.default"
        return Interaction(
            authority=authority,
            application=application,
            redirect_uri=given["redirect_uri"],
            state=given.get("state"),
            scopes=parse("openid", ()),
            scope=given.get("scope", everything),
            base=base_of(request),
            correlation_id=correlation_id(request),
            for_organization=True,
        )

    def _complete(self, interaction: Interaction) -> None:
        """Check the scopes, whose faults the client may hear of."""
        if not interaction.scope:
            raise Refusal(900144, "The request must contain the following parameter: 'scope'.")
        registered = interaction.application.permissions
        interaction.scopes = parse(interaction.scope, registered)
        unregistered = interaction.scopes.names - set(registered)
        if unregistered:
            # "Admin consent done on behalf of an organization requires the static permissions registered".
            raise Refusal(650057, f"'{min(unregistered)}' is not listed in the application registration.")
