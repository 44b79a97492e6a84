from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synnergy.engines.abci.frames import (
    FrameReader,
    MalformedMessage,
    encode_frame,
    encode_varint,
)

MESSAGES = st.lists(st.binary(max_size=400), max_size=20)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02"), (2**32, "8080808010")],
)
def test_varints(value: int, encoded: str) -> None:
    """Protobuf's own examples."""
    assert encode_varint(value).hex() == encoded


@given(MESSAGES, st.lists(st.integers(1, 300), max_size=60))
def test_a_stream_may_be_cut_anywhere(messages: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(encode_frame, messages))
    reader = FrameReader()
    read: list[bytes] = []
    position = 0
    for size in [*cuts, len(stream)]:
        read += reader.feed(stream[position : position + size])
        position += size
    assert read == messages


@given(MESSAGES)
def test_a_stream_may_come_byte_by_byte(messages: list[bytes]) -> None:
    reader = FrameReader()
    read = [
        message
        for byte in b"".join(map(encode_frame, messages))
        for message in reader.feed(bytes([byte]))
    ]
    assert read == messages


def test_the_longest_message_is_taken_and_one_byte_more_is_not() -> None:
    """ABCI-5: refused by its length alone, before any of it is read."""
    reader = FrameReader(max_message_bytes=1000)
    assert reader.feed(encode_frame(b"x" * 1000)) == [b"x" * 1000]
    with pytest.raises(MalformedMessage, match=r"1001 bytes.*1000"):
        reader.feed(encode_varint(1001))


@pytest.mark.parametrize("stream", ["ffffffffff", "80808080808001", "ff" * 200])
def test_a_length_without_end_is_refused(stream: str) -> None:
    data = bytes.fromhex(stream)
    with pytest.raises(MalformedMessage):
        FrameReader().feed(data)
    reader = FrameReader()
    with pytest.raises(MalformedMessage):
        for byte in data:
            reader.feed(bytes([byte]))


@given(st.lists(st.binary(max_size=50), max_size=50))
def test_random_bytes_are_cut_or_refused(pieces: list[bytes]) -> None:
    """Whatever comes: messages that encode to what was read, or an error."""
    reader = FrameReader(max_message_bytes=200)
    messages: list[bytes] = []
    try:
        for piece in pieces:
            messages += reader.feed(piece)
    except MalformedMessage:
        return
    assert sum(map(len, messages)) <= sum(map(len, pieces))
    assert all(len(message) <= 200 for message in messages)


def test_a_long_message_in_small_pieces_takes_linear_time() -> None:
    message = bytes(8 * 1024 * 1024)
    stream = encode_frame(message)
    reader = FrameReader()
    begin = time.process_time()
    read = [
        whole
        for start in range(0, len(stream), 1024)
        for whole in reader.feed(stream[start : start + 1024])
    ]
    assert read == [message]
    assert time.process_time() - begin < 5  # copying it for each piece takes a minute
