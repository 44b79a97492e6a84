"""Transactions of many wallets, signed before they are needed, on all cores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from bench.ledger import GAS_LIMIT, key, signed
from bench.network.load import broadcast, post
from bench.network.rising import Address, Shipment
from synnergy.opcodes.ledger import Transfer
from synnergy.wire.bundle import bundle
from synnergy.wire.codec import encode

#: Transactions to a mempool entry.
BUNDLED = 50
OCTETS = "application/octet-stream"


def transfers(chain_id: str, senders: Sequence[int], each: int) -> list[list[bytes]]:
    """`each` transfers of every sender, by number, to other senders; nonces from 0 on."""
    work = partial(_transfers_of, chain_id, senders, each)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, range(len(senders)), chunksize=20))


def _transfers_of(chain_id: str, senders: Sequence[int], each: int, place: int) -> list[bytes]:
    pair = key(senders[place])
    made: list[bytes] = []
    for nonce in range(each):
        other = senders[(place + 1 + nonce * 7919) % len(senders)]
        data = encode(Transfer(_address(other), 1 + nonce))
        made.append(signed(pair, chain_id, nonce, "LEDGER_TRANSFER", data, GAS_LIMIT))
    return made


_addresses: dict[int, str] = {}


def _address(number: int) -> str:
    if number not in _addresses:
        _addresses[number] = key(number).address
    return _addresses[number]


def bundles(lanes: Sequence[Address], of_wallets: Sequence[Sequence[bytes]]) -> list[Shipment]:
    """Bundles of 50 for the nodes' RPC: each wallet's in order and through one node."""
    groups = [of_wallets[start : start + BUNDLED] for start in range(0, len(of_wallets), BUNDLED)]
    made: list[Shipment] = []
    for nonce in range(len(of_wallets[0])):
        for number, group in enumerate(groups):
            lane = number % len(lanes)
            taken = tuple(wallet[nonce] for wallet in group)
            content = post(*lanes[lane], "/", "application/json", broadcast((bundle(taken),)))
            made.append(Shipment(lane, content, taken))
    return made


def singles(lanes: Sequence[Address], of_wallets: Sequence[Sequence[bytes]]) -> list[Shipment]:
    """One at a time for the nodes' API: each wallet's in order and over one connection."""
    made: list[Shipment] = []
    for nonce in range(len(of_wallets[0])):
        for number, wallet in enumerate(of_wallets):
            lane = number % len(lanes)
            content = post(*lanes[lane], "/v1/transactions", OCTETS, wallet[nonce])
            made.append(Shipment(lane, content, (wallet[nonce],)))
    return made
