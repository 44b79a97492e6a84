"""CHAIN-9: every chain that was ever recorded plays again as it did, header by header."""

from __future__ import annotations

from pathlib import Path

import pytest

from synnergy import opcodes
from synnergy.chain.application import Application
from synnergy.chain.block import Proposal
from synnergy.identity.keys import verify_signature
from synnergy.receipts.header import Header, header_signing_bytes
from synnergy.state.store import Store
from synnergy.wire.codec import decode_trusted, encode
from tests.chains.recording import CHAINS, read

RECORDED = sorted(path.parent.name for path in CHAINS.glob("*/genesis.json"))


def test_version_1_is_recorded() -> None:
    assert "v1" in RECORDED
    assert sum(file.stat().st_size for file in CHAINS.rglob("blocks")) < 1_000_000


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_chain_plays_again(name: str, tmp_path: Path) -> None:
    assert opcodes.__all__
    recording = read(CHAINS / name)
    signer = bytes.fromhex(recording.genesis.signer)
    store = Store.open(tmp_path / "data")
    application = Application(store, recording.genesis)
    for height, block in enumerate(recording.blocks, 1):
        done = application.finalise(Proposal(height, block.time, block.envelopes))
        assert encode(done.header) == block.header, f"block {height} of {name}"
        signed = header_signing_bytes(decode_trusted(block.header, Header))
        assert verify_signature(signer, signed, block.signature)
        application.commit(block.signature)
    assert application.height == len(recording.blocks)
    store.close()
