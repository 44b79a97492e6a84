"""`make bench-network`: rows of a network of four validators on this machine."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from rich.console import Console

from bench.network import kvstore, throughput
from bench.network.validators import running_validators
from bench.report import NETWORK, publish
from bench.row import Row
from synnergy.engines.cometbft.process import find_cometbft

#: Published or measured elsewhere on machines of two cores; docs/benchmarks.md says where.
KVSTORE_ELSEWHERE = 6_507.0
FABRIC_TWO_ORGANISATIONS = 375.0
#: Seconds to finality that are aimed at.
FINALITY_AIM = 0.5
KVSTORE = "CometBFT's kvstore"


def main() -> None:
    console = Console()
    begun = time.monotonic()

    def tell(text: str) -> None:
        console.print(f"{time.monotonic() - begun:5.0f} s  {text}", style="dim", highlight=False)

    with tempfile.TemporaryDirectory(prefix="synnergy-bench-") as name:
        rows = measure(Path(name), tell)
    publish(rows, NETWORK, console)


def measure(folder: Path, tell: throughput.Tell) -> list[Row]:
    tell(f"{KVSTORE}, four validators")
    with kvstore.running_kvstore(find_cometbft(), folder / "kvstore") as network:
        theirs = throughput.of_kvstore(network, folder, tell, throughput.KVSTORE_RATES)
    wallets = throughput.Wallets()
    tell("ours, four validators")
    with running_validators(folder / "ours", throughput.needed_wallets(), 1) as ours:
        mine = throughput.of_bundles(ours, folder, tell, wallets, throughput.RATES)
        tell("ours, through the API")
        api = throughput.of_api(ours, folder, tell, wallets, throughput.API_RATES)
        tell("ours, invocations")
        calls = throughput.of_invocations(ours, folder, tell, wallets, throughput.INVOCATION_RATES)
    half, their_half = mine.half, theirs.half
    return [
        _ratio("network_transfers_vs_kvstore", mine.most, "tx/s", KVSTORE, theirs.most),
        _ratio(
            "network_transfers",
            mine.most,
            "tx/s",
            "Fabric 2.5, two organisations",
            FABRIC_TWO_ORGANISATIONS,
        ),
        _ratio("network_kvstore", theirs.most, "tx/s", "the same elsewhere", KVSTORE_ELSEWHERE),
        _ratio("network_finality_half_load", half.mean, "s", "aim", FINALITY_AIM),
        _ratio("network_finality_half_load mean", half.mean, "s", KVSTORE, their_half.mean),
        _ratio("network_finality_half_load p95", half.p95, "s", KVSTORE, their_half.p95),
        _ratio("network_api_transfers", api.most, "tx/s", "bundled before", mine.most),
        _ratio("network_api_finality_half_load", api.half.mean, "s", "aim", FINALITY_AIM),
        _ratio("network_invocations", calls.most, "tx/s", "transfers", mine.most),
        _ratio(
            "network_invocations_finality_half_load", calls.half.mean, "s", "aim", FINALITY_AIM
        ),
    ]


def _ratio(name: str, value: float, unit: str, peer: str, peer_value: float) -> Row:
    return Row(name, value, unit, peer, peer_value, value / peer_value)


if __name__ == "__main__":
    main()
