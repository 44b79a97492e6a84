"""Which key signs for which wallet (ID-3, ID-5). A wallet's address outlives its keys."""

from __future__ import annotations

from synnergy.identity.address import address_of
from synnergy.state import records
from synnergy.state.journal import Reader


def wallet_of(state: Reader, public_key: bytes) -> str:
    """The address of the one wallet that this key may serve, or served."""
    rotated = records.keys.load(state, public_key)
    return rotated.address if rotated is not None else address_of(public_key)


def is_key_of(public_key: bytes, address: str, wallet: records.Wallet | None) -> bool:
    """Whether this key signs for `address`, whose registration is `wallet`, as of now."""
    if wallet is not None and wallet.public_key:
        return wallet.public_key == public_key
    return address_of(public_key) == address


def is_known(state: Reader, public_key: bytes) -> bool:
    """Whether the key is, or once was, that of any wallet: it can become no other's."""
    return records.wallets.load(state, wallet_of(state, public_key)) is not None
