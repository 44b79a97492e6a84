"""Failures as clients see them: `{"error": {"code", "message", "rule"}}` (API-1)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from msgspec import UNSET, UnsetType
from starlette.exceptions import HTTPException

from synnergy.api.plain import to_json
from synnergy.rejected import Rejected
from synnergy.wire.codec import Struct

#: What a client that is asked to come back should wait, in seconds.
RETRY_AFTER = 1

_log = logging.getLogger(__name__)


class Elsewhere(Struct, frozen=True):
    """The address of another node's API, which has what this one was asked for."""

    endpoint: str


class ErrorDetail(Struct, frozen=True):
    """`code` for machines, `message` for people, `rule` a number of `spec/`."""

    code: str
    message: str
    rule: str
    details: Elsewhere | UnsetType = UNSET


class ErrorView(Struct, frozen=True):
    error: ErrorDetail


class ApiError(Exception):
    """An answer other than the one asked for; raised by routes, turned into JSON here."""

    def __init__(
        self,
        status: int,
        rejected: Rejected,
        headers: Mapping[str, str] | None = None,
        elsewhere: str | None = None,
    ) -> None:
        """`elsewhere` is another node's address, which has what was asked for."""
        super().__init__(str(rejected))
        self.status = status
        self.rejected = rejected
        self.headers = headers
        self.elsewhere = elsewhere


def error_view(rejected: Rejected, elsewhere: str | None = None) -> ErrorView:
    details = UNSET if elsewhere is None else Elsewhere(elsewhere)
    return ErrorView(ErrorDetail(rejected.code, rejected.message, rejected.rule, details))


def refuse(rejected: Rejected) -> ApiError:
    """The error for what the ledger's rules refused: 400, or back-pressure (API-5)."""
    if rejected.rule == "ENG-2":
        return ApiError(429, rejected, {"Retry-After": str(RETRY_AFTER)})
    if rejected.rule.startswith("ENG-"):
        return ApiError(503, rejected, {"Retry-After": str(RETRY_AFTER)})
    return ApiError(400, rejected)


def dropped(why: Rejected) -> ApiError:
    """The error for what was accepted and is in no block: 409, unless the node halted (API-4)."""
    return refuse(why) if why.rule.startswith("ENG-") else ApiError(409, why)


def busy(rule: str, message: str) -> ApiError:
    """The error for what the node cannot take now (API-5)."""
    return ApiError(429, Rejected(rule, "busy", message), {"Retry-After": str(RETRY_AFTER)})


def bad_parameter(message: str) -> ApiError:
    """A path, query or header value that is not of the form it must have (API-2)."""
    return ApiError(422, Rejected("API-2", "bad_parameter", message))


def not_found(what: str) -> ApiError:
    return ApiError(404, Rejected("API-1", "not_found", f"{what} is not known to this node"))


def install(app: FastAPI) -> None:
    """Answer every failure of `app` in the one shape, the framework's own included."""
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)


def _respond(
    status: int,
    rejected: Rejected,
    headers: Mapping[str, str] | None = None,
    elsewhere: str | None = None,
) -> Response:
    content = to_json(error_view(rejected, elsewhere))
    return Response(content, status, headers, media_type="application/json")


async def _on_api_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return _respond(error.status, error.rejected, error.headers, error.elsewhere)


async def _on_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in error.errors()
    ]
    return _respond(422, Rejected("API-2", "bad_parameter", "; ".join(problems[:5])))


async def _on_http(_request: Request, error: Exception) -> Response:
    """Unknown paths, wrong methods and what else the framework refuses."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    code = "unknown_path" if status == HTTPStatus.NOT_FOUND else status.name.lower()
    return _respond(
        status, Rejected("API-1", code, f"{status.phrase}: see /openapi.json"), error.headers
    )


async def _on_bug(request: Request, error: Exception) -> Response:
    """A bug or a broken disk: logged whole, told without detail."""
    route = getattr(request.scope.get("route"), "path", "unknown")
    _log.error("%s %s failed", request.method, route, exc_info=error)
    return _respond(500, Rejected("API-1", "internal", "the node failed; its log says more"))
