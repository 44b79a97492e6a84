"""`make bench-network`: rows of a network of four validators on this machine."""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from bench.network import block, joining, kvstore, throughput
from bench.network.abci import measure_abci
from bench.network.joining import Joined
from bench.network.throughput import Measured
from bench.network.validators import Validators, running_validators
from bench.report import NETWORK, publish
from bench.row import Row
from synnergy.engines.cometbft.process import NoCometBFT, find_cometbft

#: Measured elsewhere on two cores; docs/benchmarks.md says how.
KVSTORE_ELSEWHERE = 6_507.0
FABRIC_TWO_ORGANISATIONS = 375.0
#: Microseconds of a server that only reads and answers.
ABCI_ELSEWHERE = 2.5
#: Seconds to finality that are aimed at, at half load.
FINALITY_AIM = 0.5
KVSTORE = "CometBFT's kvstore"
NEWCOMERS = 2


@dataclass
class Run:
    """Measures part by part: one that fails is told of, and the others go on."""

    folder: Path
    console: Console
    rows: list[Row] = field(default_factory=list[Row])
    failed: list[str] = field(default_factory=list[str])
    _begun: float = field(default_factory=time.monotonic)

    def tell(self, text: str) -> None:
        passed = time.monotonic() - self._begun
        line = f"{passed:5.0f} s  {text}"
        self.console.print(line, style="dim", highlight=False, soft_wrap=True)

    def part(self, name: str, measure: Callable[[], list[Row]]) -> None:
        self.tell(name)
        try:
            self.rows += measure()
        except Exception:
            self.console.print(traceback.format_exc(), style="red", markup=False, soft_wrap=True)
            self.failed.append(name)


def main() -> None:
    try:
        cometbft = find_cometbft()
    except NoCometBFT as missing:
        sys.exit(str(missing))
    with tempfile.TemporaryDirectory(prefix="synnergy-bench-") as folder:
        run = Run(Path(folder), Console())
        measure(run, cometbft)
    publish(run.rows, NETWORK, run.console)
    if run.failed:
        sys.exit(f"not measured: {', '.join(run.failed)}")


def measure(run: Run, cometbft: Path) -> None:
    wallets = throughput.Wallets(throughput.needed_wallets())
    theirs: list[Measured] = []
    run.part("kvstore, four validators", lambda: _kvstore(run, cometbft, theirs))
    with running_validators(run.folder / "ours", wallets.last, NEWCOMERS) as ours:
        mine: list[Measured] = []
        run.part("transfers in bundles", lambda: _bundles(run, ours, wallets, theirs, mine))
        run.part("transfers through the API", lambda: _api(run, ours, wallets, mine))
        run.part("invocations", lambda: _invocations(run, ours, wallets, mine))
        joined: list[Joined] = []
        run.part("a fifth node executes all blocks", lambda: _by_blocks(run, ours, joined))
        run.part("a sixth takes a snapshot", lambda: _by_state_sync(ours, joined))
    run.part("a block of 10,000 transfers", block.rows)
    run.part("messages of the ABCI server", _abci)


def _kvstore(run: Run, cometbft: Path, found: list[Measured]) -> list[Row]:
    with kvstore.running_kvstore(cometbft, run.folder / "kvstore") as network:
        theirs = throughput.of_kvstore(network, run.folder, run.tell, throughput.KVSTORE_RATES)
    found.append(theirs)
    return [_row("network_kvstore", theirs.most, "tx/s", "the same elsewhere", KVSTORE_ELSEWHERE)]


def _bundles(
    run: Run,
    ours: Validators,
    wallets: throughput.Wallets,
    theirs: list[Measured],
    found: list[Measured],
) -> list[Row]:
    mine = throughput.of_bundles(ours, run.folder, run.tell, wallets, throughput.RATES)
    found.append(mine)
    fabric = "Fabric 2.5, two organisations"
    half = mine.half
    rows = [
        _row("network_transfers", mine.most, "tx/s", fabric, FABRIC_TWO_ORGANISATIONS),
        _row("network_finality_half_load", half.mean, "s", "aim", FINALITY_AIM),
    ]
    for peer in theirs:
        their_half = peer.half
        rows += [
            _row("network_transfers_vs_kvstore", mine.most, "tx/s", KVSTORE, peer.most),
            _row("network_finality_half_load mean", half.mean, "s", KVSTORE, their_half.mean),
            _row("network_finality_half_load p95", half.p95, "s", KVSTORE, their_half.p95),
        ]
    return rows


def _api(
    run: Run, ours: Validators, wallets: throughput.Wallets, mine: list[Measured]
) -> list[Row]:
    api = throughput.of_api(ours, run.folder, run.tell, wallets, throughput.API_RATES)
    return [
        *(_row("network_api_transfers", api.most, "tx/s", "bundled", it.most) for it in mine),
        _row("network_api_finality_half_load", api.half.mean, "s", "aim", FINALITY_AIM),
    ]


def _invocations(
    run: Run, ours: Validators, wallets: throughput.Wallets, mine: list[Measured]
) -> list[Row]:
    rates = throughput.INVOCATION_RATES
    calls = throughput.of_invocations(ours, run.folder, run.tell, wallets, rates)
    finality = calls.half.mean
    return [
        *(_row("network_invocations", calls.most, "tx/s", "transfers", it.most) for it in mine),
        _row("network_invocations_finality_half_load", finality, "s", "aim", FINALITY_AIM),
    ]


def _by_blocks(run: Run, ours: Validators, found: list[Joined]) -> list[Row]:
    joined = joining.by_blocks(ours, ours.newcomers[0])
    found.append(joined)
    run.tell(f"{joined.height} blocks executed in {joined.executing:.1f} s")
    made = joining.pace(ours.members[0], joined.height)
    pace = joined.height / joined.executing
    return [_row("network_catch_up_blocks", pace, "blocks/s", "made by the four", made)]


def _by_state_sync(ours: Validators, by_blocks: list[Joined]) -> list[Row]:
    joined = joining.by_state_sync(ours, ours.newcomers[1])
    return [
        _row("network_state_sync", joined.seconds, "s", "by blocks", peer.seconds)
        for peer in by_blocks
    ]


def _abci() -> list[Row]:
    return [_row("abci_message_us", measure_abci(), "µs", "the same elsewhere", ABCI_ELSEWHERE)]


def _row(name: str, value: float, unit: str, peer: str, peer_value: float) -> Row:
    return Row(name, value, unit, peer, peer_value, value / peer_value)


if __name__ == "__main__":
    main()
