"""Ed25519 through libsodium (PyNaCl): keys, signatures and their edge cases (ID-1).

Libraries disagree on malformed keys and signatures, so which one decides is a consensus rule:
libsodium refuses small-order and non-canonical keys and points, and S not below the group order.
The vectors in `tests/vectors/ed25519.json` hold it to that.
"""

from __future__ import annotations

from dataclasses import dataclass

from nacl.bindings import (
    crypto_sign,
    crypto_sign_BYTES,
    crypto_sign_open,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import BadSignatureError, CryptoError

from synnergy.identity.address import address_of

SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An Ed25519 key pair from a 32-byte seed. The seed never leaves the keystore but here.

    `address` is the wallet that it signs for: its own, unless it was rotated into another (ID-3).
    """

    seed: bytes
    public_key: bytes
    address: str

    @staticmethod
    def from_seed(seed: bytes, address: str | None = None) -> KeyPair:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
        public_key, _ = crypto_sign_seed_keypair(seed)
        return KeyPair(seed, public_key, address or address_of(public_key))

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of `message`."""
        return crypto_sign(message, self.seed + self.public_key)[:crypto_sign_BYTES]

    def __repr__(self) -> str:
        return f"KeyPair({self.address})"


def verify_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) by `public_key` (32 bytes) covers `message`."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    try:
        crypto_sign_open(signature + message, public_key)
    except (BadSignatureError, CryptoError):
        return False
    return True
