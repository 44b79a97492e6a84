"""The framing of ABCI's socket: each message is its length as an unsigned varint, then its bytes.

`FrameReader` takes the stream as it comes, in pieces of any size, and gives whole messages.
"""

from __future__ import annotations

#: The longest message that is taken, in bytes; the longest block is a third of that (ABCI-5).
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
#: Bytes of the longest length that is read: 35 bits, more than any limit on a message.
MAX_VARINT_BYTES = 5


class MalformedMessage(ValueError):
    """What came over the socket is nothing that CometBFT 0.38 sends."""


def encode_varint(value: int) -> bytes:
    """`value`, not negative, in groups of seven bits, the lowest first."""
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode_frame(message: bytes) -> bytes:
    """A message as it goes over the socket."""
    return encode_varint(len(message)) + message


class FrameReader:
    """Cuts a stream into messages. It holds what has come of one message, and no more."""

    def __init__(self, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._max_message_bytes = max_message_bytes
        self._begun = bytearray()
        self._missing = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes, in order; MalformedMessage where a length is none.

        Time is linear in the bytes, however finely a long message is chopped.
        """
        if self._begun:
            self._begun += data
            if len(data) < self._missing:
                self._missing -= len(data)
                return []
            data = bytes(self._begun)
            self._begun.clear()
        messages: list[bytes] = []
        position, end = 0, len(data)
        while position < end:
            length = data[position]
            start = position + 1
            if length > 127:
                length, start = self._length(data, position)
            if length > self._max_message_bytes:
                raise MalformedMessage(
                    f"a message of {length} bytes; at most {self._max_message_bytes} are taken"
                )
            stop = start + length
            if stop > end:
                break
            messages.append(data[start:stop])
            position = stop
        else:
            return messages
        self._begun += data[position:]
        self._missing = stop - end
        return messages

    @staticmethod
    def _length(data: bytes, position: int) -> tuple[int, int]:
        """(length, start of the message); one byte more than there is where it is incomplete."""
        value = 0
        for index in range(MAX_VARINT_BYTES):
            if position + index == len(data):
                return 1, len(data)
            byte = data[position + index]
            value |= (byte & 127) << 7 * index
            if byte < 128:
                return value, position + index + 1
        raise MalformedMessage(f"a message's length takes more than {MAX_VARINT_BYTES} bytes")
