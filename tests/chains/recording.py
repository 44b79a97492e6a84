"""A recorded chain: everything that a later release needs to play it again, as raw bytes.

A folder of `tests/chains/` is one chain. `genesis.json` is its genesis file; `blocks` is the xz of
the canonical msgpack of a list of `RecordedBlock`, from height 1 on.
"""

from __future__ import annotations

import lzma
from dataclasses import dataclass
from pathlib import Path

from synnergy.chain.archive import load_block
from synnergy.chain.genesis import Genesis, decode_genesis_file, encode_genesis_file
from synnergy.pipeline import TransactionResult
from synnergy.rejected import Rejected
from synnergy.wire.codec import MAX_BYTES, Struct, decode, encode
from tests.ledger.harness import Ledger

CHAINS = Path(__file__).parent


class RecordedBlock(Struct, frozen=True):
    """A block's time in ms, its envelopes as they came, its header's bytes and their signature."""

    time: int
    envelopes: tuple[bytes, ...]
    header: bytes
    signature: bytes


@dataclass(frozen=True)
class Recording:
    genesis: Genesis
    blocks: tuple[RecordedBlock, ...]


class Recorder(Ledger):
    """A ledger that remembers each block as it was handed over, before anything is erased."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.blocks: list[RecordedBlock] = []

    def block(self, *raw: bytes, advance: int = 1_000) -> tuple[TransactionResult, ...]:
        results = super().block(*raw, advance=advance)
        made = load_block(self.store.get, self.application.height)
        assert made is not None
        header = encode(made.header)
        self.blocks.append(RecordedBlock(made.header.time, raw, header, made.signature))
        return results


def write(folder: Path, recording: Recording) -> None:
    """Write a chain; the same chain gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "genesis.json").write_bytes(encode_genesis_file(recording.genesis))
    packed = lzma.compress(encode(recording.blocks), preset=9)
    (folder / "blocks").write_bytes(packed)


def read(folder: Path) -> Recording:
    genesis = decode_genesis_file((folder / "genesis.json").read_bytes())
    packed = lzma.decompress((folder / "blocks").read_bytes())
    blocks = decode(packed, tuple[RecordedBlock, ...], MAX_BYTES)
    assert not isinstance(blocks, Rejected)
    return Recording(genesis, blocks)
