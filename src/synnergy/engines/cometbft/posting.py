"""From the outbox to CometBFT: what arrives together travels as one entry (NET-20)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from synnergy.engines.cometbft.mempool import Mempool
from synnergy.engines.cometbft.rpc import (
    AlreadyKnown,
    CometRpc,
    CometUnreachable,
    MempoolFull,
    RpcError,
    TooLarge,
)
from synnergy.engines.waiting import Submitted
from synnergy.wire.bundle import bundle

#: How long the first transaction of an entry waits for others, in seconds. Far below the time to
#: finality, and enough for a bundle wherever there is load.
LINGER = 0.01
#: Pause before what CometBFT could not take is handed over again, in seconds.
PAUSE = 0.1
#: How long it sleeps at most before it looks whether it is to stop, in seconds.
_NAP = 0.5

_log = logging.getLogger(__name__)


class Poster:
    """One thread, so that a sender's transactions are handed over in their order.

    `on_fault` gets what should not happen.
    """

    def __init__(
        self, mempool: Mempool, rpc: CometRpc, on_fault: Callable[[BaseException], None]
    ) -> None:
        self._mempool = mempool
        self._rpc = rpc
        self._on_fault = on_fault
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poster", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop within a call to CometBFT; what is still in the outbox stays there."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                taken = self._mempool.take(LINGER, _NAP)
                if taken:
                    self._post(taken)
        except BaseException as error:
            self._on_fault(error)

    def _post(self, taken: Sequence[Submitted]) -> None:
        entry = bundle([submitted.raw for submitted in taken])
        self._mempool.mark(taken, entry)
        while not self._stopping.is_set():
            try:
                # A refusal by CheckTx is the application's own: it dropped what it refused.
                self._rpc.broadcast_tx_sync(entry)
                return
            except AlreadyKnown:
                return
            except TooLarge:
                raise  # its configuration is ours, and no entry is longer than it allows
            except MempoolFull:
                self._mempool.put_back(taken)
                self._stopping.wait(PAUSE)
                return
            except (CometUnreachable, RpcError) as failed:
                # It may have arrived; the same bytes again are told apart from new ones.
                _log.warning("posting", extra={"reason": str(failed)})
                self._stopping.wait(PAUSE)
