"""The benchmarks of a network of ours, with little load. Nothing asserts how fast anything is."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.network import block, rising, throughput
from bench.network.abci import measure_abci
from bench.network.throughput import Measured, Wallets
from bench.network.validators import running_validators


def test_load_of_each_kind_is_committed(
    cometbft: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throughput, "SECONDS", 1.0)
    monkeypatch.setattr(throughput, "WALLETS", 200)
    monkeypatch.setattr(throughput, "WARM_UP", (200.0, 1.0))
    monkeypatch.setattr(rising, "QUIET", 0.5)
    wallets = Wallets(7 * 200)
    told: list[str] = []
    with running_validators(tmp_path / "network", wallets.last, 0) as ours:
        given = (ours, tmp_path, told.append, wallets)
        for measured in (
            throughput.of_bundles(*given, rates=(200,)),
            throughput.of_api(*given, rates=(50,)),
            throughput.of_invocations(*given, rates=(50,)),
        ):
            _check(measured, told)


def _check(measured: Measured, told: list[str]) -> None:
    assert measured.most > 0, told
    assert measured.half.lost == 0, told
    assert 0 < measured.half.mean <= measured.half.p95, told


def test_a_block_and_messages_are_measured_without_cometbft() -> None:
    (row,) = block.rows(transfers=100, wallets=20)
    assert row.value > 0
    assert measure_abci(messages=200) > 0
