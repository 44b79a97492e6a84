"""Request bodies: of the one media type, and limited while they are read (API-3)."""

from __future__ import annotations

import asyncio

from fastapi import Request
from starlette.requests import ClientDisconnect

from synnergy.api.answers import OCTETS
from synnergy.api.errors import ApiError
from synnergy.rejected import Rejected

#: Seconds that a client may take to send a body.
SEND_SECONDS = 60.0


async def read_body(request: Request, max_bytes: int) -> bytes:
    """An octet-stream body; ApiError 415, 413, 408, or 400 where it breaks off."""
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != OCTETS:
        raise ApiError(
            415,
            Rejected("API-3", "wrong_content_type", f"the body must be {OCTETS}: an envelope"),
        )
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and len(announced) < 20 and int(announced) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(SEND_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > max_bytes:
                    raise _too_large(max_bytes)
    except ClientDisconnect:
        raise ApiError(
            400, Rejected("API-3", "truncated", "the body broke off before its end")
        ) from None
    except TimeoutError:
        raise ApiError(
            408,
            Rejected("API-3", "too_slow", f"a body must arrive within {SEND_SECONDS:g} seconds"),
            {"Connection": "close"},
        ) from None
    return bytes(body)


def _too_large(max_bytes: int) -> ApiError:
    return ApiError(413, Rejected("API-3", "too_large", f"a body has at most {max_bytes} bytes"))
