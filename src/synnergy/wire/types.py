"""Constrained scalar types that wire structs are made of."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

#: Amounts, gas and counters stay below 2^53, so that JSON and Cedar read them exactly (WIRE-3).
MAX_INTEGER = 2**53 - 1

Amount = Annotated[int, Meta(ge=0, le=MAX_INTEGER, description="smallest units of the token")]
Gas = Annotated[int, Meta(ge=0, le=MAX_INTEGER, description="units of gas")]
Count = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Height = Annotated[int, Meta(ge=0, le=MAX_INTEGER, description="block height")]
Time = Annotated[int, Meta(ge=0, le=MAX_INTEGER, description="milliseconds since 1970, UTC")]
Digest = Annotated[bytes, Meta(min_length=32, max_length=32, description="SHA-256")]
PublicKey = Annotated[bytes, Meta(min_length=32, max_length=32, description="Ed25519")]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64, description="Ed25519")]

# A `$` alone also matches before a final newline.
#: A wallet or contract: bech32 of 20 bytes with the prefix `syn`, lower case (ID-2).
Address = Annotated[
    str,
    Meta(
        min_length=42,
        max_length=42,
        pattern=r"^syn1[023456789acdefghjklmnpqrstuvwxyz]{38}$",
        description="address",
    ),
]
#: ISO 3166-1 alpha-2.
Jurisdiction = Annotated[str, Meta(pattern=r"^[A-Z]{2}$(?!\n)")]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$(?!\n)")]
Text = Annotated[str, Meta(max_length=65_536)]
ShortText = Annotated[str, Meta(max_length=1_000)]
