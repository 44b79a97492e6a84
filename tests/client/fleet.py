"""Nodes of one chain that a test lets fail one by one, behind one transport."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from synnergy.client.api import Node

CHAIN = "test-" + "ab" * 16
Answer = Callable[[httpx.Request], httpx.Response]


def ok(fields: object, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json=fields)


def problem(status: int, code: str = "c", **details: str) -> httpx.Response:
    error = {"code": code, "message": f"says {code}", "rule": "TX-1", "details": details}
    return httpx.Response(status, json={"error": error})


@dataclass
class Fake:
    """A node: what its health says, and what it answers to all else."""

    name: str
    answer: Answer
    height: int = 10
    chain: str = CHAIN
    catching_up: bool = False
    halted: bool = False
    #: What happens before anything is answered.
    before: Callable[[httpx.Request], None] = lambda _request: None
    asked: list[str] = field(default_factory=list[str])
    requests: list[httpx.Request] = field(default_factory=list[httpx.Request])
    looks: int = 0

    @property
    def url(self) -> str:
        return f"http://{self.name}.test"

    def respond(self, request: httpx.Request) -> httpx.Response:
        self.before(request)
        if request.url.path == "/health":
            self.looks += 1
            return self._health()
        self.asked.append(f"{request.method} {request.url.path}")
        self.requests.append(request)
        response = self.answer(request)
        response.headers.setdefault("Synnergy-Height", str(self.height))
        return response

    def _health(self) -> httpx.Response:
        fields = {
            "height": self.height,
            "app_hash": "00" * 32,
            "catching_up": self.catching_up,
            "mempool": 0,
            "engine": "fake",
            "policy_version": 1,
            "protocol_version": 1,
            "kernel": "reference",
            "chain_id": self.chain,
        }
        halted = {"code": "halted", "message": "m", "rule": "ENG-1"}
        return ok(fields | ({"error": halted} if self.halted else {}), 503 if self.halted else 200)


def dead(request: httpx.Request) -> None:
    raise httpx.ConnectError("refused", request=request)


def silent(request: httpx.Request) -> None:
    raise httpx.ReadTimeout("late", request=request)


def connect(
    *fakes: Fake, named: int | None = None, chain_id: str = CHAIN, strangers: tuple[Fake, ...] = ()
) -> Node:
    """A client of `fakes`: the first `named` of them by name, the others as fallbacks."""
    known = {fake.url.removeprefix("http://"): fake for fake in (*fakes, *strangers)}

    def handle(request: httpx.Request) -> httpx.Response:
        return known[request.url.host].respond(request)

    urls = [fake.url for fake in fakes]
    named = len(urls) if named is None else named
    return Node(
        ",".join(urls[:named]),
        httpx.MockTransport(handle),
        fallbacks=urls[named:],
        chain_id=chain_id,
    )
