"""CometBFT's log of consensus: what it keeps of decided blocks is let go (NET-36).

HOME/cometbft/data/cs.wal/wal           what is being written
HOME/cometbft/data/cs.wal/wal.000 …     what was, 10 MB each; in all up to 1 GB

Proposed blocks lie in it whole, attachments and all, long after they were decided. For a restart
CometBFT reads on from the last marker of a decided height, and nothing before it. A record is its
CRC-32C and its length, 4 bytes each, big-endian, then a `TimedWALMessage`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from synnergy.engines.cometbft.files import write_whole

HEAD: Final = "wal"
_ROTATED: Final = re.compile(r"wal\.([0-9]{3,})")
_RECORD_HEAD: Final = 8
#: What CometBFT takes for a record at most; a longer one is damage.
_MAX_RECORD: Final = 1024 * 1024 + 24
#: Of protocol buffers: a field's type of so many bytes of its own length, and the tags by which
#: `TimedWALMessage.msg` and in it `WALMessage.end_height` show.
_MESSAGE_TAG: Final = 2 << 3 | 2
_END_HEIGHT_TAG: Final = 4 << 3 | 2


def rotated(folder: Path) -> list[Path]:
    """The parts that are written no more, oldest first."""
    found = {
        int(match[1]): path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if (match := _ROTATED.fullmatch(path.name))
    }
    return [found[number] for number in sorted(found)]


def trim(folder: Path) -> int:
    """Let go of all before the last decided height; how many bytes that was.

    For a log that no CometBFT has open. Raises BadFiles, OSError; ended at any moment, the log
    says the same as before.
    """
    parts = [*rotated(folder), folder / HEAD]
    for number in reversed(range(len(parts))):
        content = _read(parts[number])
        marker = last_end_height(content)
        if marker is None:
            continue
        kept = content[marker:] + b"".join(_read(part) for part in parts[number + 1 :])
        before = sum(part.stat().st_size for part in parts if part.exists())
        write_whole(folder / HEAD, kept)
        for part in parts[:-1]:
            part.unlink()
        return before - len(kept)
    return 0


def forget_older(folder: Path, moment: float) -> int:
    """Remove parts that were last written before `moment` (s since 1970), but for the newest.

    CometBFT may run: it removes the oldest in the same way, once they are too many.
    """
    removed = 0
    for part in rotated(folder)[:-1]:
        if part.stat().st_mtime >= moment:
            break
        removed += part.stat().st_size
        part.unlink()
    return removed


def last_end_height(content: bytes) -> int | None:
    """Where the last record begins that marks a height as decided, before any damage."""
    found = None
    for at, message in _records(content):
        if _is_end_height(message):
            found = at
    return found


def _records(content: bytes) -> Iterator[tuple[int, memoryview]]:
    view = memoryview(content)
    at = 0
    while at + _RECORD_HEAD <= len(view):
        length = int.from_bytes(view[at + 4 : at + _RECORD_HEAD], "big")
        end = at + _RECORD_HEAD + length
        if length > _MAX_RECORD or end > len(view):
            return
        yield at, view[at + _RECORD_HEAD : end]
        at = end


def _is_end_height(message: memoryview) -> bool:
    """Whether `TimedWALMessage{1: time, 2: WALMessage{4: EndHeight}}`, as CometBFT writes it."""
    at = 0
    while at + 1 < len(message):
        tag = message[at]
        length, at = _varint(message, at + 1)
        if tag == _MESSAGE_TAG:
            return at < len(message) and message[at] == _END_HEIGHT_TAG
        at += length
    return False


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """An unsigned varint and where it ends; 0 where it is cut off."""
    value = shift = 0
    while at < len(message):
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
    return 0, len(message)


def _read(part: Path) -> bytes:
    try:
        return part.read_bytes()
    except FileNotFoundError:
        return b""
