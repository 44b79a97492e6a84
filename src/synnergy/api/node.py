"""What the API serves: one application and the engine that drives it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

from synnergy.chain.application import Application
from synnergy.chain.queries.moment import Moment, open_moment
from synnergy.engines.cometbft.relay import LightRelay
from synnergy.engines.waiting import Committed
from synnergy.receipts import comet
from synnergy.rejected import Rejected


class Waiting(Protocol):
    """A transaction that an engine accepted; `dropped` says why it will be in no block."""

    @property
    def transaction(self) -> bytes: ...

    @property
    def dropped(self) -> Rejected | None: ...

    def wait(self, timeout: float) -> Committed | None: ...


class Engine(Protocol):
    """What drives the application; `submit` and `status` may be called from any thread."""

    @property
    def name(self) -> str: ...

    @property
    def failure(self) -> str | None: ...

    @property
    def mempool_size(self) -> int: ...

    @property
    def catching_up(self) -> bool: ...

    @property
    def peers(self) -> int: ...

    def submit(self, raw: bytes) -> Waiting | Rejected: ...

    def status(self, transaction: bytes) -> Literal["pending"] | Rejected | None: ...


class Proofs(Protocol):
    """What a network's engine has beyond the store; both may be called from any thread."""

    def commit(self, height: int) -> comet.Committed | None:
        """The commit of a header, as long as CometBFT keeps it."""
        ...

    def elsewhere(self, path: str) -> str | None:
        """The address of another node that answers `path`."""
        ...


@dataclass(frozen=True, slots=True)
class Node:
    """An application with its engine, as requests see them."""

    application: Application
    engine: Engine
    #: What nodes that join may ask of CometBFT; None where one node makes the blocks.
    relay: LightRelay | None = None
    #: Commits that CometBFT still has, and where else to look; None as above.
    proofs: Proofs | None = None

    @contextmanager
    def moment(self) -> Generator[Moment]:
        """One snapshot of committed state, for one thread; keep it short (API-6)."""
        newest = self.application.header
        with self.application.store.snapshot() as view:
            yield open_moment(view, newest)
