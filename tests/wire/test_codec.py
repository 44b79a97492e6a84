"""WIRE-1, WIRE-2, WIRE-3: one encoding of a value; anything else is refused, never raised."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synnergy import opcodes
from synnergy.rejected import Rejected
from synnergy.vm import catalogue
from synnergy.wire.codec import Struct, decode, decode_trusted, encode
from synnergy.wire.types import (
    MAX_INTEGER,
    Address,
    Amount,
    Digest,
    Jurisdiction,
    Name,
    PublicKey,
    ShortText,
    Signature,
)

assert opcodes.__all__


class Sample(Struct, frozen=True):
    number: Amount
    text: ShortText
    raw: bytes
    numbers: tuple[int, ...]
    perhaps: Digest | None


SAMPLE = Sample(5, "a", b"b", (1, 2), None)
samples = st.builds(
    Sample,
    st.integers(0, MAX_INTEGER),
    st.text(max_size=50),
    st.binary(max_size=300),
    st.lists(st.integers(-(2**63), 2**64 - 1), max_size=20).map(tuple),
    st.none() | st.binary(min_size=32, max_size=32),
)


@given(samples)
def test_values_round_trip(sample: Sample) -> None:
    encoded = encode(sample)
    assert decode(encoded, Sample, 10_000) == sample
    assert decode_trusted(encoded, Sample) == sample


@given(samples, st.data())
def test_no_value_has_two_encodings(sample: Sample, data: st.DataObject) -> None:
    """Whatever bytes decode, they are the encoding of what they decode to."""
    encoded = bytearray(encode(sample))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(encoded) - 1))
        encoded[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        if not encoded:
            return
    found = decode(bytes(encoded), Sample, 10_000)
    assert isinstance(found, Rejected) or encode(found) == bytes(encoded)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_without_raising(data: bytes) -> None:
    for kind in (Sample, *(opcode.args for opcode in catalogue.domain())):
        found = decode(data, kind, 10_000)
        assert isinstance(found, Rejected) or encode(found) == data


HEAD, NUMBER, TEXT = b"\x85", b"\xa6number\x05", b"\xa4text\xa1a"
RAW, NUMBERS, PERHAPS = b"\xa3raw\xc4\x01b", b"\xa7numbers\x92\x01\x02", b"\xa7perhaps\xc0"
CANONICAL = HEAD + NUMBER + TEXT + RAW + NUMBERS + PERHAPS


def test_the_encoding_is_msgpack_in_the_order_of_declaration() -> None:
    assert encode(SAMPLE) == CANONICAL
    assert decode(CANONICAL, Sample, len(CANONICAL)) == SAMPLE


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("not_canonical", CANONICAL.replace(NUMBER, b"\xa6number\xcc\x05")),
        ("not_canonical", CANONICAL.replace(NUMBER, b"\xa6number\xcf" + b"\0" * 7 + b"\x05")),
        ("not_canonical", CANONICAL.replace(NUMBER, b"\xa6number\xd0\x05")),
        ("not_canonical", CANONICAL.replace(b"\xa6number", b"\xd9\x06number")),
        ("not_canonical", CANONICAL.replace(TEXT, b"\xa4text\xd9\x01a")),
        ("not_canonical", CANONICAL.replace(RAW, b"\xa3raw\xc5\x00\x01b")),
        ("not_canonical", CANONICAL.replace(b"\x92\x01\x02", b"\xdc\x00\x02\x01\x02")),
        ("not_canonical", HEAD + TEXT + NUMBER + RAW + NUMBERS + PERHAPS),
        ("not_canonical", b"\xde\x00\x05" + CANONICAL[1:]),
        ("not_canonical", b"\x86" + CANONICAL[1:] + NUMBER),
        ("not_canonical", b"\x86" + CANONICAL[1:] + b"\xa6number\x06"),
        ("malformed", CANONICAL + b"\x00"),
        ("malformed", CANONICAL + CANONICAL),
        ("malformed", CANONICAL[:-1]),
        ("malformed", b"\x86" + CANONICAL[1:] + b"\xa5extra\x01"),
        ("malformed", b"\x84" + CANONICAL[1:].replace(NUMBERS, b"")),
        ("malformed", CANONICAL.replace(NUMBER, b"\xa6number\xff")),
        ("malformed", CANONICAL.replace(NUMBER, b"\xa6number\xc3")),
        ("malformed", CANONICAL.replace(NUMBER, b"\xa6number\xca\x40\xa0\x00\x00")),
        ("malformed", CANONICAL.replace(NUMBER, b"\xa6number\xcf\x00\x20" + bytes(6))),
        ("malformed", CANONICAL.replace(TEXT, b"\xa4text\xa2\xc3\x28")),
        ("malformed", CANONICAL.replace(TEXT, b"\xa4text\xa3\xed\xa0\x80")),
        ("malformed", CANONICAL.replace(RAW, b"\xa3raw\xa1b")),
        ("malformed", CANONICAL.replace(PERHAPS, b"\xa7perhaps\xc4\x01b")),
        ("malformed", b"\x91" * 5_000),
        ("malformed", b"\x81\xa1a" * 3_000),
        ("malformed", b"\xdf\xff\xff\xff\xff"),
        ("malformed", b"\xdd\xff\xff\xff\xff"),
        ("malformed", b"\xc6\xff\xff\xff\xff"),
        ("malformed", b""),
        ("too_large", CANONICAL + bytes(20_000)),
    ],
)
def test_other_encodings_are_refused(code: str, data: bytes) -> None:
    found = decode(data, Sample, 16_000)
    assert isinstance(found, Rejected) and found.code == code
    assert found.rule == ("WIRE-2" if code == "too_large" else "WIRE-1")


def test_the_cap_on_bytes_comes_before_decoding() -> None:
    """WIRE-2"""
    assert decode(CANONICAL, Sample, len(CANONICAL)) == SAMPLE
    found = decode(CANONICAL, Sample, len(CANONICAL) - 1)
    assert isinstance(found, Rejected) and found.code == "too_large"


def test_stored_values_that_are_damaged_raise() -> None:
    with pytest.raises(ValueError, match="corrupt"):
        decode_trusted(CANONICAL[:-1], Sample)


SYN = "syn1" + "q" * 38


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Amount, [0, 1, MAX_INTEGER], [-1, MAX_INTEGER + 1, 1.0, "1", True, None]),
        (Digest, [bytes(32)], [b"", bytes(31), bytes(33), "a" * 32]),
        (PublicKey, [bytes(32)], [bytes(31), bytes(33)]),
        (Signature, [bytes(64)], [bytes(63), bytes(65)]),
        (Address, [SYN], [SYN.upper(), SYN + "q", SYN[:-1], SYN[:-1] + "b", SYN[:-1] + "\n"]),
        (Jurisdiction, ["GB"], ["gb", "G", "GBR", "GB\n", "", "G\n", "ÄÖ", "G1"]),
        (Name, ["a", "0", "a.b-c_1", "a" * 64],
         ["", "A", ".a", "-a", "a" * 65, "a\n", "a b", "a/b", "a@b", "ä", "a\x00"]),
        (ShortText, ["", "x" * 1_000], ["x" * 1_001]),
    ],
)  # fmt: skip
def test_constrained_types(kind: object, good: list[object], bad: list[object]) -> None:
    """WIRE-3 and the forms that names, addresses and jurisdictions have."""
    for value in good:
        assert msgspec.convert(value, kind, strict=True) == value
    for value in bad:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value, kind, strict=True)


@pytest.mark.parametrize("opcode", catalogue.domain(), ids=lambda opcode: opcode.name)
def test_argument_and_result_blocks_are_bounded_frozen_structs(opcode: object) -> None:
    """WIRE-2: no type is recursive, so nesting is bounded by the declarations."""
    for struct in (opcode.args, opcode.result):  # type: ignore[attr-defined]
        assert depth(struct) <= 4


def depth(struct: type[msgspec.Struct], above: tuple[type, ...] = ()) -> int:
    """How deep structs nest; RecursionError would be an endless one."""
    assert struct not in above and struct.__struct_config__.frozen
    assert struct.__struct_config__.forbid_unknown_fields
    inner = [
        depth(part, (*above, struct))
        for field in msgspec.structs.fields(struct)
        for part in structs_in(field.type)
    ]
    return 1 + max(inner, default=0)


def structs_in(kind: object) -> list[type[msgspec.Struct]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [kind]
    return [found for argument in getattr(kind, "__args__", ()) for found in structs_in(argument)]


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    """An unknown field's name may be as long as the message."""
    refused = decode(msgspec.msgpack.encode({"z" * 100_000: 1}), Sample, 1_000_000)
    assert isinstance(refused, Rejected) and refused.code == "malformed"
    assert "unknown field `zzz" in refused.message and len(refused.message) < 300
