"""Commits that CometBFT still has, and other nodes that have what this one hasn't."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, Protocol

from synnergy.chain.application import Application
from synnergy.chain.commits import load_validators
from synnergy.engines.cometbft.commits import BadAnswer, committed, validator_set
from synnergy.engines.cometbft.members import ask_members, endpoints
from synnergy.engines.cometbft.rpc import CometUnreachable, RpcError
from synnergy.receipts.comet import Committed, ValidatorPower
from synnergy.receipts.light import check_commit

#: Requests that look for another node at a time; the next are answered without one.
MOST_SEARCHES: Final = 4


class CommitRpc(Protocol):
    """What is asked of CometBFT; see `rpc.CometRpc`."""

    def commit(self, height: int) -> dict[str, Any]: ...

    def validators(self, height: int) -> list[dict[str, Any]]: ...


def fetch_commit(
    rpc: CommitRpc, known_set: Callable[[bytes], tuple[ValidatorPower, ...] | None], height: int
) -> Committed:
    """The commit of a header from CometBFT, and its validators unless `known_set` has them.

    Raises BadAnswer, RpcError, CometUnreachable.
    """
    header = rpc.commit(height)["signed_header"]
    try:
        known = bytes.fromhex(header["header"]["validators_hash"])
    except (LookupError, TypeError, ValueError) as error:
        raise BadAnswer(f"the commit cannot be read: {error!r}") from error
    validators = known_set(known)
    if validators is None:
        validators = validator_set(rpc.validators(height))
    return committed(header, validators)


class Proofs:
    """What the API asks beyond the store; from any thread."""

    def __init__(self, application: Application, rpc: CommitRpc) -> None:
        self._application = application
        self._rpc = rpc
        self._searches = threading.Semaphore(MOST_SEARCHES)

    def commit(self, height: int) -> Committed | None:
        """The commit of a header, whoever trusts its set; None where CometBFT hasn't got it."""
        application = self._application
        try:
            get = application.store.get
            found = fetch_commit(self._rpc, lambda known: load_validators(get, known), height)
        except (BadAnswer, RpcError, CometUnreachable):
            return None
        trusted = found.signed.header.validators
        refused = check_commit(found, application.chain_id, trusted)
        return found if refused is None else None

    def elsewhere(self, path: str) -> str | None:
        """The address of another node that answers `path` from its own store."""
        if not self._searches.acquire(blocking=False):
            return None
        try:
            return ask_members(endpoints(self._application), path)
        finally:
            self._searches.release()
