"""The curve of Ed25519 in plain Python, slow and separate from any library (RFC 8032, 5.1).

Written so that the vectors can hold points and encodings that no library would make.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

P = 2**255 - 19
#: The order of the base point; the curve has 8 · L points.
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


@dataclass(frozen=True, slots=True)
class Point:
    """Affine coordinates on −x² + y² = 1 + d·x²·y²."""

    x: int
    y: int

    def __add__(self, other: Point) -> Point:
        product = D * self.x * other.x * self.y * other.y % P
        x = (self.x * other.y + other.x * self.y) * pow(1 + product, -1, P)
        y = (self.y * other.y + self.x * other.x) * pow(1 - product, -1, P)
        return Point(x % P, y % P)

    def __neg__(self) -> Point:
        return Point(-self.x % P, self.y)

    def times(self, scalar: int) -> Point:
        total, power = NEUTRAL, self
        while scalar:
            if scalar & 1:
                total = total + power
            power = power + power
            scalar >>= 1
        return total


NEUTRAL = Point(0, 1)


def root(y: int, odd: int) -> Point | None:
    """The point with this y and the parity of x, if there is one; x = 0 has no odd form here."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P:
        return None
    if x % 2 != odd:
        x = -x % P
    return Point(x, y % P)


def _base() -> Point:
    found = root(4 * pow(5, -1, P) % P, 0)
    assert found is not None
    return found


BASE = _base()


def encode(point: Point) -> bytes:
    """The canonical encoding."""
    return (point.y | (point.x & 1) << 255).to_bytes(32, "little")


def encodings(point: Point) -> list[bytes]:
    """Every encoding that a lax decoder takes for this point, the canonical one first."""
    found = [encode(point)]
    signs = (0, 1) if point.x == 0 else (point.x & 1,)
    for y in (point.y, point.y + P):
        for sign in signs:
            if y < 2**255:
                written = (y | sign << 255).to_bytes(32, "little")
                if written not in found:
                    found.append(written)
    return found


def torsion() -> list[Point]:
    """The eight points of small order, as multiples of one of order 8."""
    y = 2
    while True:
        candidate = root(y, 0)
        y += 1
        if candidate is None:
            continue
        generator = candidate.times(L)
        if generator.times(4) != NEUTRAL:
            return [generator.times(index) for index in range(8)]


def challenge(encoded_r: bytes, encoded_key: bytes, message: bytes) -> int:
    digest = hashlib.sha512(encoded_r + encoded_key + message).digest()
    return int.from_bytes(digest, "little") % L


def secret_scalar(seed: bytes) -> tuple[int, bytes]:
    """The clamped scalar of a seed, and the prefix of its nonces."""
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | 1 << 254
    return scalar, digest[32:]


def public_key(seed: bytes) -> bytes:
    return encode(BASE.times(secret_scalar(seed)[0]))


def sign(seed: bytes, message: bytes) -> bytes:
    """RFC 8032, 5.1.6."""
    scalar, prefix = secret_scalar(seed)
    key = encode(BASE.times(scalar))
    nonce = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % L
    r = encode(BASE.times(nonce))
    s = (nonce + challenge(r, key, message) * scalar) % L
    return r + s.to_bytes(32, "little")


def decode(encoded: bytes) -> Point | None:
    """The point of an encoding, taken as laxly as ZIP 215 does."""
    number = int.from_bytes(encoded, "little")
    y, odd = number & ((1 << 255) - 1), number >> 255
    return root(y % P, odd)


def verify(encoded_key: bytes, message: bytes, signature: bytes, *, cofactored: bool) -> bool:
    """The group equation alone, with lax decoding: times 8 (ZIP 215), or exactly."""
    r, key = decode(signature[:32]), decode(encoded_key)
    s = int.from_bytes(signature[32:], "little")
    if r is None or key is None:
        return False
    scalar = challenge(signature[:32], encoded_key, message)
    difference = BASE.times(s) + -(r + key.times(scalar))
    return (difference.times(8) if cofactored else difference) == NEUTRAL
