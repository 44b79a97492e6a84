"""The ASGI application: routes, failures, observation, and the OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from synnergy import __version__
from synnergy.api import errors
from synnergy.api.bodies import Bodies
from synnergy.api.metrics import Metrics
from synnergy.api.node import Node
from synnergy.api.observe import Observe
from synnergy.api.openapi import openapi_document
from synnergy.api.routes import ROUTERS
from synnergy.api.streams import Streams
from synnergy.api.waiting import Lanes


def create_app(node: Node) -> FastAPI:
    """The application that serves `node`. Starts no engine and closes no store."""
    app = assemble()
    metrics = Metrics(node)
    app.state.node = node
    app.state.metrics = metrics
    app.add_middleware(Observe, metrics=metrics, application=node.application)
    return app


def assemble() -> FastAPI:
    """Routes and failure handling without a node: enough for the OpenAPI document."""
    app = FastAPI(
        title="Synnergy",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        generate_unique_id_function=lambda route: route.name,
    )
    errors.install(app)
    for router in ROUTERS:
        app.include_router(router)
    document: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not document:
            document.update(openapi_document(app))
        return document

    app.openapi = openapi  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    app.state.lanes = Lanes()
    app.state.bodies = Bodies()
    app.state.streams = Streams()
    yield
