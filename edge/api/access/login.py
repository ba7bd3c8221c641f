"""Login and logout of the administrator in a browser, by a cookie."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from edge.api.access.auth import LOGIN_PATH, AccessControl
from edge.api.errors import link
from edge.api.pages import templates
from edge.base.event_log import get_logger

log = get_logger("edge.api.access.login")

ADMIN_PATH = "/admin"
LOGOUT_PATH = "/admin/logout"


class LoginPages:
    """Handlers of the login form, which works without scripts."""

    def __init__(self, access: AccessControl) -> None:
        self._access = access
        self._template = templates().get_template("login.html")

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get(LOGIN_PATH, self._form),
            web.post(LOGIN_PATH, self._log_in),
            web.post(LOGOUT_PATH, self._log_out),
        ]

    async def _form(self, request: web.Request) -> web.Response:
        return self._page(request, HTTPStatus.OK, "")

    async def _log_in(self, request: web.Request) -> web.Response:
        access = self._access
        wait_s = access.retry_after_s(request)
        if wait_s > 0.0:
            seconds = max(1, round(wait_s))
            page = self._page(
                request, HTTPStatus.TOO_MANY_REQUESTS, f"Too many wrong tokens: wait {seconds} s."
            )
            page.headers["Retry-After"] = str(seconds)
            return page
        try:
            token = (await request.post()).get("token", "")
        except (ValueError, LookupError):  # not a form, or of an unknown charset
            return self._page(request, HTTPStatus.BAD_REQUEST, "That is not this page's form.")
        if not isinstance(token, str) or not access.is_admin_token(token.strip()):
            access.record_failure(request)
            log.warning("login_refused", address=access.client(request))
            return self._page(request, HTTPStatus.UNAUTHORIZED, "That is not the admin token.")
        log.info("login", address=access.client(request))
        response = web.Response(
            status=HTTPStatus.SEE_OTHER, headers={"Location": link(request, ADMIN_PATH)}
        )
        access.log_in(request, response)
        return response

    async def _log_out(self, request: web.Request) -> web.Response:
        response = web.Response(
            status=HTTPStatus.SEE_OTHER, headers={"Location": link(request, LOGIN_PATH)}
        )
        self._access.log_out(request, response)
        return response

    def _page(self, request: web.Request, status: HTTPStatus, message: str) -> web.Response:
        html = self._template.render(
            message=message, possible=self._access.has_admin_token, root=link(request, "")
        )
        return web.Response(text=html, status=status, content_type="text/html")
