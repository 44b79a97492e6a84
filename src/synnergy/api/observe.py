"""The outermost layer of the application: counts and logs each request, and tells the height."""

from __future__ import annotations

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from synnergy.api.metrics import Metrics
from synnergy.chain.application import Application

UNKNOWN_ROUTE = "unknown"
HEIGHT_HEADER = b"synnergy-height"

_log = logging.getLogger("synnergy.request")


class Observe:
    """ASGI middleware: refused requests are logged at level info, all others at debug."""

    def __init__(self, app: ASGIApp, metrics: Metrics, application: Application) -> None:
        self._app = app
        self._metrics = metrics
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                # Taken after the state was read, so that the answer shows none above it (API-14).
                height = str(self._application.height).encode()
                message = {**message, "headers": [*message["headers"], (HEIGHT_HEADER, height)]}
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            self._finish(scope, status, time.perf_counter() - started)

    def _finish(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
        self._metrics.answered(scope["method"], route, status, seconds)
        # The pattern, not the path: that would tell whose account was asked for (API-13).
        fields = {"route": route, "status": status, "seconds": round(seconds, 6)}
        level = logging.DEBUG if status < 400 else logging.INFO
        _log.log(level, "request", extra={"method": scope["method"], **fields})
