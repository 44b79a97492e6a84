"""Writes ed25519.json: signatures on which libraries disagree, with libsodium's verdicts.

`python -m tests.vectors.make_ed25519` from the repository's root. Each vector also says whether
the bare group equation holds, with and without the cofactor, as the curve beside it computes it.
"""

from __future__ import annotations

import json
from pathlib import Path

from synnergy.identity.keys import verify_signature
from tests.vectors import edwards25519 as curve
from tests.vectors.edwards25519 import BASE, L, Point

SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
MESSAGE = b"a transaction"
FILE = Path(__file__).with_name("ed25519.json")

#: RFC 8032, 7.1: secret key, public key, message, signature.
RFC_8032 = [
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
     "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
     "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
     "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
     "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
     "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
     "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
]  # fmt: skip

Case = tuple[str, bytes, bytes, bytes]


def signed(scalar: int, key: bytes, extra_r: Point, message: bytes, nonce: int = 12_345) -> bytes:
    """A signature by `scalar` under the encoded `key`, with a torsion point added to R."""
    r = curve.encode(BASE.times(nonce) + extra_r)
    s = (nonce + curve.challenge(r, key, message) * scalar) % L
    return r + s.to_bytes(32, "little")


def honest() -> list[Case]:
    cases = [
        (f"RFC 8032 test {index + 1}", *(bytes.fromhex(part) for part in vector[1:]))
        for index, vector in enumerate(RFC_8032)
    ]
    key, signature = curve.public_key(SEED), curve.sign(SEED, MESSAGE)
    cases.append(("a plain signature", key, MESSAGE, signature))
    cases.append(("a long message", key, bytes(5_000), curve.sign(SEED, bytes(5_000))))
    return cases


def broken() -> list[Case]:
    key, signature = curve.public_key(SEED), curve.sign(SEED, MESSAGE)
    cases = [("another message", key, MESSAGE + b"s", signature)]
    for bit in (0, 100, 255, 256, 400, 511):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        cases.append((f"bit {bit} of the signature flipped", key, MESSAGE, bytes(changed)))
    cases.append(("all zero", bytes(32), MESSAGE, bytes(64)))
    cases.append(("a key that is no point", (2).to_bytes(32, "little"), MESSAGE, signature))
    cases.append(
        ("an R that is no point", key, MESSAGE, (2).to_bytes(32, "little") + signature[32:])
    )
    return cases


def malleable() -> list[Case]:
    """S is not reduced: the equation holds, and the signature would be another one's twin."""
    key, signature = curve.public_key(SEED), curve.sign(SEED, MESSAGE)
    s = int.from_bytes(signature[32:], "little")
    cases: list[Case] = []
    for times in (1, 2, 7, 14):
        larger = s + times * L
        if larger < 2**256:
            twin = signature[:32] + larger.to_bytes(32, "little")
            cases.append((f"S + {times} L", key, MESSAGE, twin))
    for name, wanted in (("S = L", L), ("S = L − 1", L - 1), ("S = 0", 0)):
        r = curve.encode(BASE.times(777))
        cases.append((f"{name} by an honest key", key, MESSAGE, r + wanted.to_bytes(32, "little")))
    return cases


def small_order() -> list[Case]:
    """Keys and R of small order, in all their encodings: one signature for many messages."""
    cases: list[Case] = []
    for index, point in enumerate(curve.torsion()):
        for form, encoded in enumerate(curve.encodings(point)):
            kind = "canonical" if form == 0 else f"non-canonical {form}"
            # S = 0 and R = −k·A, where k depends on R: one of the few candidates fits.
            fitting = [
                found
                for candidate in curve.torsion()
                for found in curve.encodings(candidate)
                if candidate == -point.times(curve.challenge(found, encoded, MESSAGE))
            ]
            r = fitting[0] if fitting else curve.encode(point)
            what = f"key {index}/8 ({kind}), S = 0, R of small order"
            cases.append((what, encoded, MESSAGE, r + bytes(32)))
            s = 5
            r = curve.encode(BASE.times(s))
            what = f"key {index}/8 ({kind}), R = 5 B, S = 5"
            cases.append((what, encoded, MESSAGE, r + s.to_bytes(32, "little")))
    scalar, _ = curve.secret_scalar(SEED)
    key = curve.public_key(SEED)
    for index, point in enumerate(curve.torsion()):
        for form, encoded in enumerate(curve.encodings(point)):
            kind = "canonical" if form == 0 else f"non-canonical {form}"
            s = curve.challenge(encoded, key, MESSAGE) * scalar % L
            what = f"a good key, R {index}/8 ({kind})"
            cases.append((what, key, MESSAGE, encoded + s.to_bytes(32, "little")))
    return cases


def mixed_order() -> list[Case]:
    """Points with a component of small order: the cofactored equation holds more often."""
    scalar, _ = curve.secret_scalar(SEED)
    cases: list[Case] = []
    torsion = curve.torsion()
    for in_key, in_r in ((1, 0), (0, 1), (1, 1), (4, 0), (0, 4), (4, 4), (2, 6)):
        key = curve.encode(BASE.times(scalar) + torsion[in_key])
        what = f"key + {in_key}/8, R + {in_r}/8"
        cases.append((what, key, MESSAGE, signed(scalar, key, torsion[in_r], MESSAGE)))
        exact = exactly(scalar, key, in_key, MESSAGE)
        if exact is not None:
            what = f"key + {in_key}/8, R such that the exact equation holds"
            cases.append((what, key, MESSAGE, exact))
    return cases


def exactly(scalar: int, key: bytes, in_key: int, message: bytes) -> bytes | None:
    """A signature under a mixed-order key whose torsion cancels without the cofactor."""
    torsion = curve.torsion()
    for nonce in range(1, 200):
        for in_r in range(8):
            r = curve.encode(BASE.times(nonce) + torsion[in_r])
            k = curve.challenge(r, key, message)
            if (in_r + k * in_key) % 8 == 0:
                s = (nonce + k * scalar) % L
                return r + s.to_bytes(32, "little")
    return None


def non_canonical() -> list[Case]:
    """y between p and 2²⁵⁵ for points that are not of small order, as key and as R."""
    cases: list[Case] = []
    scalar, _ = curve.secret_scalar(SEED)
    key = curve.public_key(SEED)
    for y in range(2, 19):
        for odd in (0, 1):
            if curve.root(y, odd) is None:
                continue
            encoded = (y + curve.P | odd << 255).to_bytes(32, "little")
            s = curve.challenge(encoded, key, MESSAGE) * scalar % L
            cases.append((f"R with y = p + {y}, sign {odd}", key, MESSAGE,
                          encoded + s.to_bytes(32, "little")))  # fmt: skip
            cases.append((f"a key with y = p + {y}, sign {odd}", encoded, MESSAGE,
                          curve.sign(SEED, MESSAGE)))  # fmt: skip
    return cases


def main() -> None:
    cases = [*honest(), *broken(), *malleable(), *small_order(), *mixed_order(), *non_canonical()]
    vectors = [
        {
            "name": name,
            "public_key": key.hex(),
            "message": message.hex() if len(message) < 100 else None,
            "zeros": len(message) if len(message) >= 100 else None,
            "signature": signature.hex(),
            "valid": verify_signature(key, message, signature),
            "equation": curve.verify(key, message, signature, cofactored=False),
            "cofactored": curve.verify(key, message, signature, cofactored=True),
        }
        for name, key, message, signature in cases
    ]
    FILE.write_text(json.dumps(vectors, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
