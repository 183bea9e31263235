"""The device authorization grant: a code at one place, the sign-in at another (RFC 8628).

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code. A person types the code at
``/devicelogin`` (field ``user_code``, button ``#next``) and goes through the pages of :mod:`.sign_in`;
:mod:`.token` redeems the device code.
"""

import secrets

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .cloud import Cloud
from .interaction import Interaction
from .pages import base_of, correlation_id, from_our_page, page, switched_on
from .permissions import parse
from .records import DeviceCode
from .refusals import Refusal
from .sign_in import COOKIE, SignIn

LIFETIME_SECONDS = 900
INTERVAL_SECONDS = 5
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_CODE_LENGTH = 9


class DeviceCodeEndpoint:
    """Gives out device codes, and the page where a person types the other half."""

    def __init__(self, cloud: Cloud, sign_in: SignIn) -> None:
        self._cloud = cloud
        self._sign_in = sign_in
        self.routes = [
            Route("/{tenant}/oauth2/v2.0/devicecode", self._begin, methods=["POST"]),
            Route("/devicelogin", self._page, methods=["GET"]),
            Route("/devicelogin", self._typed, methods=["POST"]),
        ]

    async def _begin(self, request: Request) -> Response:
        base = base_of(request)
        try:
            authority = self._cloud.authority(request.path_params["tenant"])
            async with request.form() as form:
                given = {name: value for name, value in form.items() if isinstance(value, str)}
            application = self._cloud.application(given.get("client_id", ""))
            switched_on(request)
            parse(given.get("scope", ""), application.permissions)
        except Refusal as refusal:
            body = refusal.as_json(self._cloud.clock(), correlation_id(request), base)
            return JSONResponse(body, refusal.status)
        code = DeviceCode(
            value=f"1.D{secrets.token_urlsafe(120)}",
            user_code="".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH)),
            client_id=application.client_id,
            authority=authority,
            scope=given["scope"],
            issued=self._cloud.clock(),
            lifetime=LIFETIME_SECONDS,
            interval=INTERVAL_SECONDS,
        )
        self._cloud.device_codes.keep(code)
        address = f"{base}/devicelogin"
        return JSONResponse(
            {
                "user_code": code.user_code,
                "device_code": code.value,
                "verification_uri": address,
                "expires_in": code.lifetime,
                "interval": code.interval,
                "message": f"To sign in, open the page {address} and enter the code {code.user_code}.",
            }
        )

    async def _page(self, request: Request) -> Response:
        return page("device_login.html", typed=request.query_params.get("user_code", ""), problem="")

    async def _typed(self, request: Request) -> Response:
        async with request.form() as form:
            typed = str(form.get("user_code", "")).strip().upper()
        try:
            code = self._cloud.device_codes.typed(typed)
        except Refusal:
            problem = "That code didn't work. Check the code and try again."
            return page("device_login.html", 200, typed=typed, problem=problem)
        if not from_our_page(request):
            return page("device_login.html", 200, typed=typed, problem="Please type the code here.")
        application = self._cloud.application(code.client_id)
        interaction = Interaction(
            authority=code.authority,
            application=application,
            redirect_uri="",
            state=None,
            scopes=parse(code.scope, application.permissions),
            scope=code.scope,
            base=base_of(request),
            correlation_id=correlation_id(request),
            prompt="select_account",
            device_code=code.value,
        )
        return self._sign_in.begin(interaction, request.cookies.get(COOKIE))
