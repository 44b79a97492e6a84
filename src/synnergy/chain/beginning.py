"""A store's first block, made from the genesis, and its last, which everything goes on from."""

from __future__ import annotations

from functools import partial

from synnergy.chain.archive import height_key, load_block
from synnergy.chain.block import StoredBlock
from synnergy.chain.first_state import apply_genesis
from synnergy.chain.genesis import Genesis, chain_id_of, encode_genesis_file
from synnergy.chain.versions import BadNode
from synnergy.receipts.header import Header
from synnergy.state.journal import Journal
from synnergy.state.merkle import Tree
from synnergy.state.store import Store
from synnergy.wire.codec import encode


def begin(store: Store, genesis: Genesis) -> None:
    """Write the first state into an empty store. Raises BadGenesis."""
    journal = Journal(partial(store.get, "state"), partial(store.scan, "state"))
    apply_genesis(genesis, journal)
    chain_id = chain_id_of(genesis)
    tree = Tree(partial(store.get, "nodes"))
    root = tree.update(journal.changes())
    header = Header(chain_id, 0, genesis.time, bytes(32), root, bytes(32), bytes(32))
    with store.write() as batch:
        batch.change("state", journal.changes())
        tree.flush(partial(batch.change, "nodes"))
        batch.put("blocks", height_key(0), encode(StoredBlock(header, b"", (), ())))
        batch.put("meta", b"height", height_key(0))
        batch.put("meta", b"genesis", encode_genesis_file(genesis))
        batch.put("meta", b"chain_id", chain_id.encode())


def last_header(store: Store, root: bytes) -> Header:
    """The header of the last block, whose state has that root. Raises BadNode."""
    height = store.get("meta", b"height")
    block = load_block(store.get, int.from_bytes(height, "big")) if height is not None else None
    if block is None:
        raise BadNode("the store has no last block")
    if block.header.app_hash != root:
        raise BadNode(
            f"the state's root is {root.hex()}, block {block.header.height} says"
            f" {block.header.app_hash.hex()}: the store is damaged"
        )
    return block.header
