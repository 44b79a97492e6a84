"""ID-2: bech32 with the prefix syn, over twenty bytes, in lower case."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synnergy.identity.address import address_of, derived_address, encode_address, is_address

ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
VECTORS = json.loads(
    Path(__file__).parent.parent.joinpath("vectors", "addresses.json").read_text("utf-8")
)
raws = st.binary(min_size=20, max_size=20)


def checksum(prefix: str, words: list[int], constant: int = 1) -> list[int]:
    """BIP 173's, written anew; bech32m (BIP 350) has another constant."""
    generators = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
    value = 1
    spread = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    for word in spread + words + [0] * 6:
        top = value >> 25
        value = (value & 0x1FFFFFF) << 5 ^ word
        for index, generator in enumerate(generators):
            value ^= generator if top >> index & 1 else 0
    value ^= constant
    return [value >> 5 * (5 - index) & 31 for index in range(6)]


def bech32(raw: bytes, prefix: str = "syn", constant: int = 1) -> str:
    bits = "".join(f"{byte:08b}" for byte in raw)
    bits += "0" * (-len(bits) % 5)
    words = [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]
    words += checksum(prefix, words, constant)
    return prefix + "1" + "".join(ALPHABET[word] for word in words)


@given(raws)
def test_addresses_are_bech32(raw: bytes) -> None:
    text = encode_address(raw)
    assert text == bech32(raw) and len(text) == 42
    assert is_address(text)


@pytest.mark.parametrize("vector", VECTORS["keys"])
def test_addresses_of_keys(vector: dict[str, str]) -> None:
    key = bytes.fromhex(vector["public_key"])
    assert address_of(key) == vector["address"]
    digest = hashlib.sha256(b"synnergy/address/1\x00" + key).digest()[:20]
    assert bech32(digest) == vector["address"]


@pytest.mark.parametrize("vector", VECTORS["texts"], ids=lambda vector: vector["why"])
def test_recorded_texts(vector: dict[str, object]) -> None:
    assert is_address(str(vector["text"])) is vector["valid"]


RAW = bytes(range(20))
GOOD = bech32(RAW)


@pytest.mark.parametrize(
    "text",
    [
        GOOD.upper(),
        GOOD[:10] + GOOD[10:].upper(),
        GOOD.replace("syn1", "SYN1"),
        bech32(RAW, "sym"),
        bech32(RAW, "syn", 0x2BC830A3),
        bech32(RAW[:19]),
        bech32(RAW + b"\x00"),
        bech32(b""),
        GOOD + "\n",
        " " + GOOD,
        GOOD[:-1],
        GOOD + "q",
        "syn1",
        "",
        "1" + GOOD,
        GOOD.replace("1", "l", 1),
        GOOD[:20] + "\N{CYRILLIC SMALL LETTER A}" + GOOD[21:],
        GOOD[:20] + "\x00" + GOOD[21:],
    ],
)
def test_what_is_no_address(text: str) -> None:
    assert not is_address(text)


@given(raws, st.integers(4, 41), st.sampled_from(ALPHABET))
def test_no_single_character_may_change(raw: bytes, at: int, character: str) -> None:
    text = encode_address(raw)
    changed = text[:at] + character + text[at + 1 :]
    assert is_address(changed) == (changed == text)


@given(raws, st.integers(4, 40))
def test_no_neighbours_may_be_swapped(raw: bytes, at: int) -> None:
    text = encode_address(raw)
    swapped = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    assert is_address(swapped) == (swapped == text)


@given(st.text())
def test_arbitrary_text_never_raises(text: str) -> None:
    assert is_address(text) in (True, False)
    assert not is_address("syn1" + text) or len(text) == 38


def test_only_twenty_bytes_have_an_address() -> None:
    for length in (0, 19, 21, 32):
        with pytest.raises(ValueError, match="20 bytes"):
            encode_address(bytes(length))


def test_derived_addresses_are_apart_from_those_of_keys() -> None:
    key = bytes(32)
    others = {derived_address("contract", key), derived_address("escrow", key), address_of(key)}
    assert len(others) == 3 and all(map(is_address, others))
