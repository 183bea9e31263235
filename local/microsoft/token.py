"""The token endpoint: authorization code, device code, refresh token and client credentials grants (RFC 6749, 8628)."""

import base64
import hashlib
import hmac
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .clients import authenticate
from .cloud import Cloud
from .pages import base_of, correlation_id, switched_on
from .permissions import GRAPH, parse
from .records import Application, Authority, Code
from .refusals import Refusal
from .tokens import app_only, response


class TokenEndpoint:
    """Answers with tokens or with Entra's error JSON."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.routes = [Route("/{tenant}/oauth2/v2.0/token", self._token, methods=["POST"])]

    async def _token(self, request: Request) -> Response:
        base = base_of(request)
        headers = {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"}
        try:
            authority = self._cloud.authority(request.path_params["tenant"])
            form = await _form(request)
            audiences = {
                f"{base}/{name}/oauth2/v2.0/token" for name in (request.path_params["tenant"], authority.alias)
            }
            application = authenticate(self._cloud, form, request.headers.get("authorization"), audiences)
            switched_on(request)
            body = self._granted(authority, application, form, base)
        except Refusal as refusal:
            error = refusal.as_json(self._cloud.clock(), correlation_id(request), base)
            return JSONResponse(error, refusal.status, headers)
        return JSONResponse(body, headers=headers)

    def _granted(
        self, authority: Authority, application: Application, form: Mapping[str, str], base: str
    ) -> dict[str, object]:
        match form.get("grant_type"):
            case "authorization_code":
                return self._by_code(authority, application, form, base)
            case "refresh_token":
                return self._by_refresh_token(authority, application, form, base)
            case "urn:ietf:params:oauth:grant-type:device_code":
                return self._by_device_code(application, form, base)
            case "client_credentials":
                return self._by_client(authority, application, form)
            case None:
                raise Refusal(900144, "The request body must contain the following parameter: 'grant_type'.")
            case other:
                raise Refusal(70003, f"The grant type '{other}' is not supported.")

    def _by_code(
        self, authority: Authority, application: Application, form: Mapping[str, str], base: str
    ) -> dict[str, object]:
        code = self._cloud.code(_required(form, "code"))
        if code.client_id != application.client_id:
            raise Refusal(70000, "The code was issued to another client.")
        if code.redirect_uri != _required(form, "redirect_uri"):
            raise Refusal(500112)
        if code.authority != authority:
            raise Refusal(700005)
        _check_verifier(code, form.get("code_verifier"))
        scopes = parse(form.get("scope") or code.scope, application.permissions)
        home = self._cloud.account(code.account)
        account = self._cloud.signed_in_as(home, authority, application)
        body = response(
            self._cloud,
            application,
            account,
            scopes,
            base,
            nonce=code.nonce,
            session=code.session,
            authenticated=code.authenticated,
            client_info=form.get("client_info") == "1",
        )
        self._cloud.redeem(code)
        if "offline_access" in scopes.names:
            body["refresh_token"] = self._cloud.refresh_tokens.issue(home, application.client_id).value
        return body

    def _by_device_code(self, application: Application, form: Mapping[str, str], base: str) -> dict[str, object]:
        code = self._cloud.device_codes.poll(_required(form, "device_code"), application.client_id)
        scopes = parse(code.scope, application.permissions)
        home = self._cloud.account(code.account or "")
        account = home if code.unchecked else self._cloud.signed_in_as(home, code.authority, application)
        if code.unchecked:
            self._cloud.grant(account.tid, application.client_id, scopes.names, account.oid)
        client_info = form.get("client_info") == "1"
        body = response(self._cloud, application, account, scopes, base, client_info=client_info)
        if "offline_access" in scopes.names:
            issued = self._cloud.refresh_tokens.issue(home, application.client_id, by_device_code=True)
            body["refresh_token"] = issued.value
        return body

    def _by_refresh_token(
        self, authority: Authority, application: Application, form: Mapping[str, str], base: str
    ) -> dict[str, object]:
        token = self._cloud.refresh_tokens.use(_required(form, "refresh_token"), application.client_id)
        scopes = parse(form.get("scope") or f"{GRAPH}/.default", application.permissions)
        home = self._cloud.account(token.account)
        account = self._cloud.signed_in_as(home, authority, application)
        if token.by_device_code and self._cloud.tenant(account.tid).block_device_code:
            raise Refusal(530036)
        body = response(self._cloud, application, account, scopes, base, client_info=form.get("client_info") == "1")
        body["refresh_token"] = self._cloud.refresh_tokens.issue(home, application.client_id, token).value
        return body

    def _by_client(self, authority: Authority, application: Application, form: Mapping[str, str]) -> dict[str, object]:
        if authority.tid is None:
            raise Refusal(50059)
        scopes = parse(_required(form, "scope"), application.permissions)
        if not scopes.static:
            raise Refusal(70011, "Client credential flows must have a scope value with '/.default' suffixed.")
        return app_only(self._cloud, application, authority.tid)


async def _form(request: Request) -> dict[str, str]:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise Refusal(900144, "The request body must contain the following parameter: 'grant_type'.")
    async with request.form() as submitted:
        return {name: value for name, value in submitted.items() if isinstance(value, str)}


def _required(form: Mapping[str, str], name: str) -> str:
    if not form.get(name):
        raise Refusal(900144, f"The request body must contain the following parameter: '{name}'.")
    return form[name]


def _check_verifier(code: Code, verifier: str | None) -> None:
    """Compare by RFC 7636 section 4.6."""
    if code.challenge is None:
        return
    computed = verifier or ""
    if code.challenge_method == "S256":
        computed = base64.urlsafe_b64encode(hashlib.sha256(computed.encode()).digest()).rstrip(b"=").decode()
    if not verifier or not hmac.compare_digest(computed.encode(), code.challenge.encode()):
        raise Refusal(501481)
