"""Other nodes of the network, as HTTP clients of their APIs: for what this one doesn't have.

Their addresses are those that the regulators registered; nothing that they say is believed
without a proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Final

import httpx

from synnergy.chain.application import Application
from synnergy.state import records

#: Seconds that one node is given, and all together.
SILENCE_SECONDS: Final = 2.0
PATIENCE_SECONDS: Final = 6.0
#: Asks a node for what it has itself, so that two nodes don't send each other round in circles.
HERE: Final = {"here": "true"}


def endpoints(application: Application) -> tuple[str, ...]:
    """The public addresses of the network's nodes, this one's too, without a final slash."""
    nodes = records.validators.scan(application.journal())
    return tuple(node.endpoint.rstrip("/") for _, node in nodes if node.endpoint)


def ask_members(
    addresses: Sequence[str], path: str, transport: httpx.BaseTransport | None = None
) -> str | None:
    """The first node that answers `path` with 200, or None; the answer itself is not read."""
    end = monotonic() + PATIENCE_SECONDS
    with _client(transport) as http:
        for address in addresses:
            if monotonic() > end:
                break
            try:
                with http.stream("GET", address + path, params=HERE) as response:
                    if response.status_code == 200:
                        return address
            except (httpx.HTTPError, httpx.InvalidURL):
                continue
    return None


def read_member(
    address: str, path: str, most: int, transport: httpx.BaseTransport | None = None
) -> bytes | None:
    """What a node answers to `path`, or None where that isn't at most `most` bytes and a 200."""
    end = monotonic() + PATIENCE_SECONDS
    content = bytearray()
    try:
        with (
            _client(transport) as http,
            http.stream("GET", address + path, params=HERE) as response,
        ):
            if response.status_code != 200:
                return None
            for part in response.iter_bytes():
                content += part
                if len(content) > most or monotonic() > end:
                    return None
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
    return bytes(content)


def _client(transport: httpx.BaseTransport | None) -> httpx.Client:
    return httpx.Client(timeout=SILENCE_SECONDS, transport=transport, trust_env=False)
