"""Keeps the commits that prove receipts, before CometBFT forgets them (RCPT-11).

In a thread of its own, with short transactions of its own, so that consensus never waits for it.
What is missing is seen from the store alone, so that it goes on where it was ended.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from synnergy.chain.archive import height_key, load_block
from synnergy.chain.commits import (
    ARCHIVED,
    load_commit,
    load_validators,
    needed_commits,
    save_commit,
    save_steps,
)
from synnergy.chain.genesis import Genesis, chain_id_of, first_validators
from synnergy.engines.cometbft.commits import BadAnswer
from synnergy.engines.cometbft.members import read_member
from synnergy.engines.cometbft.proofs import CommitRpc, fetch_commit
from synnergy.engines.cometbft.rpc import CometUnreachable, RpcError, Status
from synnergy.receipts.comet import Committed, ValidatorPower
from synnergy.receipts.file import MAX_FILE_BYTES
from synnergy.receipts.light import LightProof, check_commit, check_light
from synnergy.rejected import Rejected
from synnergy.state.store import Store
from synnergy.wire.codec import decode

#: Commits that one write transaction takes at most, so that a block waits for milliseconds.
AT_A_TIME: Final = 16
#: Seconds between two looks where nobody says that there is a new block, and after a failure.
PAUSE_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 0.5
#: In `meta`: that the changes of validators before a snapshot were fetched.
STEPS: Final = b"steps"

_log = logging.getLogger(__name__)


class Rpc(CommitRpc, Protocol):
    """What is asked of CometBFT; see `rpc.CometRpc`."""

    def status(self) -> Status: ...


class Archivist:
    """`committed` wakes it after a block; `archived_to` bounds what CometBFT may forget."""

    def __init__(
        self,
        store: Store,
        genesis: Genesis,
        rpc: Rpc,
        members: Callable[[], Sequence[str]],
        on_fault: Callable[[BaseException], None],
        read: Callable[[str, str, int], bytes | None] = read_member,
    ) -> None:
        """`members` gives the addresses of other nodes' APIs, and `read` asks one, bounded.

        `on_fault` is told of a full disk or a bug, with which archiving ends.
        """
        self._store = store
        self._rpc = rpc
        self._members = members
        self._on_fault = on_fault
        self._read = read
        self._chain_id = chain_id_of(genesis)
        self._trusted = first_validators(genesis)
        self._archived = int.from_bytes(store.get("meta", ARCHIVED) or b"", "big")
        self._whole = store.get("meta", STEPS) is not None
        #: The hash of the set that was met last, and the set.
        self._last_set: tuple[bytes, tuple[ValidatorPower, ...]] = (b"", ())
        self._told = ""
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="archivist", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Return once the thread has ended; what it was at is taken up again later."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def committed(self) -> None:
        """There is a new block. From any thread, at once."""
        self._wake.set()

    def archived_to(self) -> int:
        """All commits up to this height that must be kept are: CometBFT may forget the rest."""
        return self._archived

    # ---- inside ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._wake.clear()
                pause = self._try()
                if pause:
                    self._wake.wait(pause)
        except BaseException as error:
            self._on_fault(error)

    def _try(self) -> float:
        """One step; how long to wait before the next, unless there is a new block before."""
        try:
            more = self.step()
        except (CometUnreachable, RpcError, BadAnswer) as failed:
            if str(failed) != self._told:
                self._told = str(failed)
                _log.warning("commits not archived yet", extra={"reason": self._told})
            self._stopping.wait(RETRY_SECONDS)
            return 0.0
        self._told = ""
        return 0.0 if more else PAUSE_SECONDS

    def step(self) -> bool:
        """Archive the next few commits. True where there may be more to do at once.

        Raises CometUnreachable, RpcError, BadAnswer, StoreFull; nothing is lost with any.
        """
        with self._store.snapshot() as view:
            height = int.from_bytes(view.get("meta", b"height") or b"", "big")
            # A node that joins takes another's snapshot while this runs: the block it is of.
            first = int.from_bytes(view.get("meta", b"first_height") or b"", "big")
            self._archived = max(self._archived, first)
            needed = needed_commits(view, self._archived, height, AT_A_TIME)
            missing = [one for one in needed if load_commit(view.get, one) is None]
        if first and not self._whole:
            self._whole = self._fetch_steps(first)
        found = [one for one in (self._fetch(at, height) for at in missing) if one is not None]
        upto = needed[-1] if len(needed) == AT_A_TIME else height
        if needed:
            with self._store.write() as batch:
                for one in found:
                    save_commit(batch, one)
                batch.put("meta", ARCHIVED, height_key(upto))
        self._archived = max(self._archived, upto)
        return len(needed) == AT_A_TIME

    def _fetch(self, height: int, newest: int) -> Committed | None:
        """The commit of a header from CometBFT, checked; None where this node can't have it."""
        try:
            one = fetch_commit(self._rpc, self._known_set, height)
            self._last_set = (one.signed.header.validators, one.validators)
        except RpcError:
            if height < self._rpc.status().sync_info.earliest_block_height:
                _log.warning("commit forgotten before it was archived", extra={"height": height})
                return None
            raise
        refused = check_commit(one, self._chain_id, one.signed.header.validators)
        if refused is not None:
            if refused.code == "too_little_power" and height < newest - 1:
                # The votes are those of the next block now; some only CometBFT takes for valid.
                _log.error("commit cannot be proved", extra={"reason": refused.message})
                return None
            raise BadAnswer(refused.message)
        block = load_block(self._store.get, height - 1)
        if block is not None and block.header.app_hash != one.signed.header.app_hash:
            raise BadAnswer(
                f"header {height} has the app hash {one.signed.header.app_hash.hex()}, this node"
                f" computed {block.header.app_hash.hex()} in block {height - 1}"
            )
        return one

    def _known_set(self, set_hash: bytes) -> tuple[ValidatorPower, ...] | None:
        known, validators = self._last_set
        return validators if known == set_hash else load_validators(self._store.get, set_hash)

    def _fetch_steps(self, first: int) -> bool:
        """Whether the changes of validators up to this node's snapshot, of block `first`, are
        here, with a proof."""
        if self._trusted is None:
            return True
        for member in self._members():
            if self._stopping.is_set():
                return False
            content = self._read(member, "/v1/commits/latest", MAX_FILE_BYTES)
            if content is None:
                continue
            proof = decode(content, LightProof, MAX_FILE_BYTES)
            if isinstance(proof, Rejected):
                continue
            header = check_light(proof, self._chain_id, self._trusted)
            # The block of the snapshot may have changed validators: header first + 1 tells.
            if isinstance(header, Rejected) or header.height < first + 2:
                continue
            with self._store.write() as batch:
                save_steps(batch, proof.steps)
                batch.put("meta", STEPS, b"")
            return True
        return False
