"""The history for the operator: the server's charts of a day, and sessions that have ended."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from edge.api.errors import Handler, json_error
from edge.observability.history.store import HistoryStore, HistoryUnavailableError

MAX_HOURS = 31.0 * 24.0
MAX_LISTED = 500


class HistoryApi:
    """Handlers over the history's thread."""

    def __init__(self, history: HistoryStore) -> None:
        self._history = history

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/api/history", _guarded(self._charts)),
            web.get("/api/ended", _guarded(self._list)),
            web.get("/api/ended/{name}", _guarded(self._session)),
        ]

    async def _charts(self, request: web.Request) -> web.Response:
        hours = _number(request, "hours", 24.0, 0.01, MAX_HOURS)
        return web.json_response(await self._history.columns(hours))

    async def _list(self, request: web.Request) -> web.Response:
        limit = int(_number(request, "limit", 50.0, 1.0, MAX_LISTED))
        before = int(_number(request, "before", 2.0**53, 1.0, 2.0**53))
        sessions = await self._history.ended(limit, before, request.query.get("label"))
        return web.json_response({"sessions": sessions})

    async def _session(self, request: web.Request) -> web.Response:
        session = await self._history.ended_session(request.match_info["name"])
        if session is None:
            return json_error(HTTPStatus.NOT_FOUND, "no_session", "no such session has ended")
        return web.json_response(session)


def _guarded(handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except HistoryUnavailableError as error:
            return json_error(HTTPStatus.SERVICE_UNAVAILABLE, "no_history", str(error))
        except ValueError as error:
            return json_error(HTTPStatus.BAD_REQUEST, "bad_query", str(error))

    return guarded


def _number(request: web.Request, name: str, default: float, least: float, most: float) -> float:
    """A number of the query; ValueError, naming it and its range, for anything else."""
    text = request.query.get(name)
    try:
        value = default if text is None else float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:  # refuses NaN too
        raise ValueError(f"`{name}`: from {least:g} to {most:.0f}")
    return value
