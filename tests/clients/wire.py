"""A service on the wire for the virtual printer's own tests: the device API's shapes, no business behind them.

It checks what a device signs as strictly as the real one, keeps everything in plain dictionaries that a
test reads and writes, and says what the test tells it to say (``refusals``).
"""

import base64
import hashlib
import json
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jwt
import segno
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from local.serving import Server, serving
from to_my_email.answers import FINAL_STATES

TICKET = "a-ticket-from-the-console"


class DeviceApi:
    """One device, a few people and their scans, in memory."""

    def __init__(self) -> None:
        self.url = ""
        self.jwk: dict[str, str] = {}
        self.next_jwk: dict[str, str] = {}
        self.enrolment_request: dict[str, Any] = {}
        self.device_id = str(uuid.uuid4())
        self.nonces: set[str] = set()
        self.seen_jti: set[str] = set()
        self.tokens: set[str] = set()
        self.token_life = 600
        self.requests: list[tuple[str, str]] = []
        self.languages: list[str] = []
        self.refusals: dict[tuple[str, str], deque[Response]] = {}
        self.consent = "none"
        self.users: dict[str, dict[str, Any]] = {}
        self.approvals: dict[str, dict[str, Any]] = {}
        self.scans: dict[str, dict[str, Any]] = {}
        self.manifests: dict[str, dict[str, Any]] = {}
        self.documents: dict[str, bytes] = {}
        self.ticks = 0
        self.comes = ""
        self.code_life = 600
        self.stumble: set[str] = set()

    def refuse(self, method: str, path: str, response: Response) -> None:
        """Answer the next such request with this instead; several queue up."""
        self.refusals.setdefault((method, path), deque()).append(response)

    def count(self, method: str, path: str) -> int:
        """How often this was asked."""
        return self.requests.count((method, path))

    def move(self, scan_id: str, state: str, **members: Any) -> None:
        """Change a scan's state, as the delivery would."""
        self.ticks += 1
        stamp = f"2026-11-23T09:{self.ticks // 60:02}:{self.ticks % 60:02}Z"
        self.scans[scan_id] |= {"state": state, "updated_at": stamp, **members}

    @property
    def app(self) -> Starlette:
        """The API as an ASGI app."""
        return Starlette(routes=[Mount("/api/v1", routes=self.routes())])

    def routes(self) -> list[Route | Mount]:
        """The calls, below ``/api/v1``."""
        calls: list[Route | Mount] = [
            Route("/nonce", self._answer(self._nonce)),
            Route("/enrolments", self._answer(self._enrol), methods=["POST"]),
            Route("/token", self._answer(self._token), methods=["POST"]),
            Route("/device", self._answer(self._device)),
            Route("/device/key", self._answer(self._change_key), methods=["PUT"]),
            Route("/users/{id}", self._answer(self._user)),
            Route("/scans", self._answer(self._submit), methods=["POST"]),
            Route("/scans", self._answer(self._history)),
            Route("/scans/{id}", self._answer(self._scan)),
            Route("/scans/{id}", self._answer(self._cancel_scan), methods=["DELETE"]),
        ]
        for kind in ("sign-ins", "consents"):
            calls += [
                Route(f"/{kind}", self._answer(self._start), methods=["POST"]),
                Route(f"/{kind}/{{id}}", self._answer(self._look)),
                Route(f"/{kind}/{{id}}", self._answer(self._cancel), methods=["DELETE"]),
                Route(f"/{kind}/{{id}}/confirm", self._answer(self._confirm), methods=["POST"]),
            ]
        return calls

    def _answer(self, handler: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            path = request.url.path.removeprefix("/api/v1/")
            self.requests.append((request.method, path))
            self.languages.append(request.headers.get("accept-language", ""))
            waiting = self.refusals.get((request.method, path))
            if waiting:
                return waiting.popleft()
            if path not in {"nonce", "enrolments", "token"}:
                scheme, _, token = request.headers.get("authorization", "").partition(" ")
                if scheme != "Bearer" or token not in self.tokens:
                    return problem(401, "token_expired", code=361)
            answer: Response = await handler(request)
            return answer

        return endpoint

    async def _nonce(self, _: Request) -> Response:
        nonce = str(uuid.uuid4())
        self.nonces.add(nonce)
        return JSONResponse({"nonce": nonce, "expires_in": 300})

    def _signed(self, token: str, typ: str, jwk: dict[str, str] | None = None) -> dict[str, Any]:
        assert jwt.get_unverified_header(token)["typ"] == typ
        # The nonce says how old it is; a printer's clock says nothing.
        options: Any = {"verify_exp": False, "verify_iat": False}
        claims = jwt.decode(
            token, jwt.PyJWK(jwk or self.jwk, "ES256"), algorithms=["ES256"], audience=self.url, options=options
        )
        self.nonces.remove(claims["nonce"])
        return claims

    async def _enrol(self, request: Request) -> Response:
        body = await request.json()
        if body["ticket"] != TICKET:
            return problem(403, "ticket_unknown", who="admin", remedy="Make a new ticket on the console.")
        self.enrolment_request, self.jwk = body, body["jwk"]
        members = {name: self.jwk[name] for name in ("crv", "kty", "x", "y")}
        digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
        claims = self._signed(body["proof"], "enrolment-proof+jwt")
        assert claims["jkt"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        answer = {"device_id": self.device_id, "organisation": "Contoso", "status": "active", "words": "amber lake tin"}
        return JSONResponse(answer, 201)

    async def _token(self, request: Request) -> Response:
        async with request.form() as form:
            assertion = str(form["client_assertion"])
        assert form["grant_type"] == "client_credentials"
        assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        claims = self._signed(assertion, "client-authentication+jwt")
        assert claims["iss"] == claims["sub"] == self.device_id
        assert claims["aud"] == self.url
        assert claims["exp"] - claims["iat"] <= 300
        assert claims["jti"] not in self.seen_jti
        self.seen_jti.add(claims["jti"])
        token = str(uuid.uuid4())
        self.tokens.add(token)
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": self.token_life})

    async def _device(self, _: Request) -> Response:
        return JSONResponse(
            {
                "device_id": self.device_id,
                "name": "Second floor",
                "group": "office",
                "organisation": "Contoso",
                "consent": {"status": self.consent, "range": "send" if self.consent == "consented" else None},
                "policy": {"kinds": ["to_my_email"], "largest_document": 3_000_000},
            }
        )

    async def _change_key(self, request: Request) -> Response:
        body = await request.json()
        old = self._signed(body["old_proof"], "key-rollover+jwt")
        self.next_jwk = body["jwk"]
        self.nonces.add(old["nonce"])
        assert self._signed(body["new_proof"], "key-rollover+jwt", self.next_jwk) == old
        return Response(status_code=204)

    async def _user(self, request: Request) -> Response:
        return JSONResponse(self.users.get(request.path_params["id"], {"status": "sign_in_required", "code": 370}))

    async def _start(self, request: Request) -> Response:
        body = await request.json()
        approval_id = str(uuid.uuid4())
        link = f"{self.url}/s/{approval_id}"
        self.approvals[approval_id] = {"status": "pending", "interval": 1, "request": body}
        if self.comes:
            self.approvals[approval_id] |= {"status": "confirm", "account_hint": self.comes}
        invitation = {
            "id": approval_id,
            "status": "pending",
            "verification_uri": f"{self.url}/s",
            "verification_uri_complete": link,
            "user_code": "BCDF-GHJK",
            "qr_svg": segno.make(link).svg_inline(),
            "expires_in": self.code_life,
            "interval": 1,
            "message": "Open the page and type the code.",
        }
        return JSONResponse(invitation, 201)

    async def _look(self, request: Request) -> Response:
        approval = self.approvals[request.path_params["id"]]
        return JSONResponse({name: value for name, value in approval.items() if name != "request"})

    async def _confirm(self, request: Request) -> Response:
        approval = self.approvals[request.path_params["id"]]
        approval["status"] = "active"
        user = approval["request"].get("user")
        if user:
            self.users[user["id"]] = {"status": "ready", "account_hint": approval.get("account_hint")}
        else:
            self.consent = "consented"
        return JSONResponse({"status": "active", "interval": 1})

    async def _cancel(self, request: Request) -> Response:
        self.approvals[request.path_params["id"]]["status"] = "denied"
        return Response(status_code=204)

    async def _submit(self, request: Request) -> Response:
        async with request.form() as form:
            manifest = json.loads(await form["manifest"].read())  # type: ignore[union-attr]
            document = await form["document"].read()  # type: ignore[union-attr]
        if manifest["id"] in self.stumble:
            return problem(500, "unexpected")
        assert manifest["document"]["sha256"] == hashlib.sha256(document).hexdigest()
        assert manifest["document"]["size"] == len(document)
        scan_id = manifest["id"]
        self.documents[scan_id] = document
        assert self.manifests.setdefault(scan_id, manifest) == manifest
        self.scans.setdefault(scan_id, self.new_scan(manifest))
        return JSONResponse(self.scans[scan_id], 202)

    @staticmethod
    def new_scan(manifest: dict[str, Any]) -> dict[str, Any]:
        """The scan of a manifest at its beginning."""
        stamp = "2026-11-23T09:00:00Z"
        members = {"id": manifest["id"], "kind": manifest["kind"], "state": "accepted", "attempts": 0}
        return members | {"created_at": stamp, "updated_at": stamp}

    async def _scan(self, request: Request) -> Response:
        scan = self.scans.get(request.path_params["id"])
        if scan is None:
            return problem(404, "not_found")
        if scan["state"] == "accepted":
            self.move(scan["id"], "sending")
        elif scan["state"] not in FINAL_STATES:
            self.move(scan["id"], "sent")
        return JSONResponse(scan)

    async def _cancel_scan(self, request: Request) -> Response:
        if request.path_params["id"] not in self.scans:
            return problem(404, "not_found")
        self.move(request.path_params["id"], "cancelled")
        return Response(status_code=204)

    async def _history(self, _: Request) -> Response:
        return JSONResponse({"scans": list(reversed(self.scans.values())), "cursor": None})


def problem(status: int, reason: str, *, retry_after: int | None = None, **members: Any) -> Response:
    """Build a refusal as RFC 9457 has it."""
    body = {"type": "about:blank", "status": status, "reason": reason, "title": reason, "who": "none", **members}
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


@contextmanager
def served(app: Any, port: int = 0) -> Iterator[str]:
    """Serve an ASGI app on a loopback port in a thread of this process; yields its address."""
    config = uvicorn.Config(app, "127.0.0.1", port, log_level="warning", lifespan="off", ws="none")
    with serving(Server(config)) as listening:
        yield f"http://127.0.0.1:{listening}"
