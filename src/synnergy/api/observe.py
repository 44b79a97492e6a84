"""The outermost layer of the application: counts and logs each request."""

from __future__ import annotations

import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from synnergy.api.metrics import Metrics

UNKNOWN_ROUTE = "unknown"


class Observe:
    """ASGI middleware. `logger` is None where requests are not logged."""

    def __init__(self, app: ASGIApp, metrics: Metrics, logger: Any | None) -> None:
        self._app = app
        self._metrics = metrics
        self._logger = logger

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
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            self._finish(scope, status, time.perf_counter() - started)

    def _finish(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
        self._metrics.answered(scope["method"], route, status, seconds)
        if self._logger is not None:
            log = self._logger.debug if status < 400 else self._logger.info
            log(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                seconds=round(seconds, 6),
            )
