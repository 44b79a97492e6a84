"""Request bodies: of the one media type, and limited while they are read (API-3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.requests import ClientDisconnect

from synnergy.api.answers import OCTETS
from synnergy.api.errors import ApiError, busy
from synnergy.rejected import Rejected

#: Seconds that a client may take to send a body.
SEND_SECONDS = 60.0
#: Bytes of bodies that are held at a time, all requests together.
MAX_HELD_BYTES = 256 * 1024 * 1024


class Bodies:
    """Reads the bodies of one server, on its event loop, and counts what they hold."""

    def __init__(self) -> None:
        self._held = 0

    @asynccontextmanager
    async def read(
        self, request: Request, max_bytes: int, media_type: str = OCTETS
    ) -> AsyncGenerator[bytes]:
        """The body, of that media type, counted as held until the context ends.

        Raises ApiError 415, 413, 408, 429, or 400 where it breaks off.
        """
        check_media_type(request, media_type)
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > max_bytes:
            raise _too_large(max_bytes)
        body = bytearray()
        try:
            await self._collect(request, body, max_bytes)
            yield bytes(body)
        finally:
            self._held -= len(body)

    async def _collect(self, request: Request, body: bytearray, max_bytes: int) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                async for part in request.stream():
                    body += part
                    self._held += len(part)
                    if len(body) > max_bytes:
                        raise _too_large(max_bytes)
                    if self._held > MAX_HELD_BYTES:
                        raise busy("API-3", "too many bodies are on their way; try again")
        except ClientDisconnect:
            raise ApiError(
                400, Rejected("API-3", "truncated", "the body broke off before its end")
            ) from None
        except TimeoutError:
            raise ApiError(
                408,
                Rejected(
                    "API-3", "too_slow", f"a body must arrive within {SEND_SECONDS:g} seconds"
                ),
                {"Connection": "close"},
            ) from None


def check_media_type(request: Request, wanted: str = OCTETS) -> None:
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != wanted:
        what = ": an envelope" if wanted == OCTETS else ""
        raise ApiError(
            415, Rejected("API-3", "wrong_content_type", f"the body must be {wanted}{what}")
        )


def _too_large(max_bytes: int) -> ApiError:
    return ApiError(413, Rejected("API-3", "too_large", f"a body has at most {max_bytes} bytes"))
