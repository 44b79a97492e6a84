"""Whatever comes over the socket, the server answers or tells of a fault; it never hangs."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from synnergy.engines.abci.frames import encode_frame, encode_varint
from tests.network.abci.support import Noting, info, served
from tests.network.abci.test_messages import REQUESTS

WHOLE = [bytes.fromhex(encoded) for name, _, encoded in REQUESTS if name != "extend_vote"]
FRAMES = st.one_of(
    st.binary(max_size=40),
    st.binary(max_size=40).map(encode_frame),
    st.sampled_from(WHOLE).map(encode_frame),
    st.integers(0, 1 << 40).map(encode_varint),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A request with a bit flipped, in a frame."""
    request = bytearray(draw(st.sampled_from(WHOLE)))
    bit = draw(st.integers(0, 8 * len(request) - 1))
    request[bit // 8] ^= 1 << bit % 8
    return encode_frame(bytes(request))


@settings(max_examples=60)
@given(st.lists(FRAMES | damaged(), max_size=12), st.booleans())
def test_random_frames(pieces: list[bytes], half_closed: bool) -> None:
    """ABCI-4, ABCI-6: after them a new client is served, or a fault was told; stopping works."""
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder), Noting(), max_message_bytes=2000) as at_hand,
    ):
        client = at_hand.connect()
        with suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                client.socket.sendall(piece)
            if half_closed:
                client.socket.shutdown(1)
                client.rest()
        client.close()
        try:
            assert at_hand.connect().ask(info("still")).info.data == "still"
        except (OSError, IndexError):
            assert at_hand.fault() is not None
