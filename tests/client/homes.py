"""A small home with a ledger behind it, wallets, a node's key and an opening."""

from __future__ import annotations

import json
from pathlib import Path

from synnergy.chain.genesis import encode_genesis_file
from synnergy.client.home import Home
from synnergy.client.keystore import create_wallet
from synnergy.client.openings import OpeningFile, keep_opening
from synnergy.opcodes import ledger as money
from synnergy.wire.transaction import Attachment
from tests.ledger.harness import CONSUMER, OPERATOR, SIGNER, Ledger, genesis

RECEIPT = "5a" * 32


def make_home(root: Path, blocks: int = 3, **changes: object) -> Home:
    root.mkdir()
    first = genesis(**changes)
    home = Home(root)
    home.genesis.write_bytes(encode_genesis_file(first))
    key = {"format": 1, "public_key": SIGNER.public_key.hex(), "seed": SIGNER.seed.hex()}
    home.node_key.write_text(json.dumps(key))
    ledger = Ledger(home.data, first)
    for number in range(blocks):
        note = Attachment(b"n" * 32, number.to_bytes(8, "big") * 50)
        give = money.Transfer(CONSUMER.address, number)
        sent = ledger.send(OPERATOR, "LEDGER_TRANSFER", give, (note,))
        assert sent.status == "ok", sent
    ledger.close()
    for name in ("operator", "a.b_c-d"):
        create_wallet(home.keystore, name, None)
    hexes = dict.fromkeys(("transaction", "licence", "input", "input_salt"), "00" * 32)
    keep_opening(
        home,
        OpeningFile(
            receipt=RECEIPT, model="ab" * 20, reference_salt=None, reference=None, **hexes
        ),
    )
    return home
