"""A backup's file: a tar that is written in one way only, and read in no other (CLIENT-19).

Any tar reads it. Members are plain files in a fixed order under names that are known, each within
its size; headers are compared with those that would be written here, so that there is no room for
links, paths, owners, holes or extensions. The last member lists the digests of all before it.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterator
from typing import Annotated, BinaryIO, Final

import msgspec
from msgspec import Meta

from synnergy.wire.codec import MAX_BYTES, read_json

FORMAT: Final = 1
HEAD: Final = "backup.json"
GENESIS: Final = "genesis.json"
MANIFEST: Final = "manifest.json"

_BLOCK = 512
_END = bytes(2 * _BLOCK)
_SMALL, _LARGE = 64 * 1024, MAX_BYTES
#: What may be in an archive, in this order, and how long it may be.
_KINDS: Final = (
    (re.compile(re.escape(HEAD)), _SMALL),
    (re.compile(re.escape(GENESIS)), _LARGE),
    (re.compile(r"store/[0-9]{6}"), _LARGE),
    (re.compile(r"keystore/[a-z0-9_-][a-z0-9._-]{0,63}\.json"), _SMALL),
    (re.compile(r"node_key\.json"), _SMALL),
    (re.compile(r"openings/[0-9a-f]{64}\.json"), _SMALL),
    (re.compile(re.escape(MANIFEST)), 4 * _LARGE),
)


class BadArchive(Exception):
    """The file is no archive of this form; the message says where it isn't."""


class Head(msgspec.Struct, frozen=True):
    """`backup.json`: which format this is, and of which moment of which chain."""

    format: int
    chain_id: str
    height: Annotated[int, Meta(ge=0)]
    app_hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]


class Member(msgspec.Struct, frozen=True):
    """A line of the manifest."""

    name: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """`manifest.json`: the head once more, and every member before this one."""

    head: Head
    members: tuple[Member, ...]


def to_json(value: msgspec.Struct) -> bytes:
    """The one spelling of a head or manifest."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def is_member(name: str) -> bool:
    """Whether a file of this name belongs into a backup."""
    return _kind(name) is not None


def _kind(name: str) -> int | None:
    found = (index for index, (pattern, _) in enumerate(_KINDS) if pattern.fullmatch(name))
    return next(found, None)


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


class Writer:
    """Writes an archive into an empty file, member by member in their order."""

    def __init__(self, file: BinaryIO, head: Head) -> None:
        self._file = file
        self._head = head
        self._members: list[Member] = []
        self.add(HEAD, to_json(head))

    def add(self, name: str, content: bytes) -> None:
        """Raises BadArchive where no reader would take it."""
        _check(name, len(content))
        self._members.append(Member(name, len(content), hashlib.sha256(content).hexdigest()))
        self._put(name, content)

    def finish(self) -> None:
        """Write what makes the archive whole."""
        content = to_json(Manifest(self._head, tuple(self._members)))
        _check(MANIFEST, len(content))
        self._put(MANIFEST, content)
        self._file.write(_END)

    def _put(self, name: str, content: bytes) -> None:
        self._file.write(_header(name, len(content)) + content + _padding(len(content)))


def members(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Every member but the manifest, the head first; when it ends, all of it was whole.

    Raises BadArchive, at the latest at the end: what came before is to be thrown away then.
    """
    seen: list[Member] = []
    head: Head | None = None
    last = (-1, "")
    while True:
        name, content = _read_member(file)
        place = _check(name, len(content)), name
        if place <= last:
            raise BadArchive(f"{name} is out of order")
        last = place
        if head is None:
            head = _decode_head(name, content)
        if name == MANIFEST:
            break
        seen.append(Member(name, len(content), hashlib.sha256(content).hexdigest()))
        yield name, content
    if content != to_json(Manifest(head, tuple(seen))):
        raise BadArchive(_difference(content, seen))
    if file.read(len(_END) + 1) != _END:
        raise BadArchive("something else follows its manifest, or its end is missing")


def _check(name: str, size: int) -> int:
    """The kind of a member; BadArchive where it has none or is too long."""
    kind = _kind(name)
    if kind is None:
        raise BadArchive(f"{name[:100]!r} has no place in a backup")
    if size > _KINDS[kind][1]:
        raise BadArchive(f"{name} has {size} bytes, at most {_KINDS[kind][1]}")
    return kind


def _read_member(file: BinaryIO) -> tuple[str, bytes]:
    raw = _read(file, _BLOCK)
    try:
        found = tarfile.TarInfo.frombuf(raw, "ascii", "strict")
        canonical = _header(found.name, found.size)
    except (tarfile.HeaderError, ValueError) as error:
        raise BadArchive(f"a member's header is damaged ({error})") from None
    _check(found.name, found.size)
    if canonical != raw:
        raise BadArchive(f"the header of {found.name} is not one of a plain file")
    content = _read(file, found.size)
    if _read(file, len(_padding(found.size))) != _padding(found.size):
        raise BadArchive(f"something hides behind {found.name}")
    return found.name, content


def _read(file: BinaryIO, size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise BadArchive("it ends too early; it may not have been copied to its end")
    return content


def _decode_head(name: str, content: bytes) -> Head:
    try:
        head = read_json(content, Head) if name == HEAD else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        head = None
    if head is None:
        raise BadArchive(f"it does not begin with {HEAD}")
    if head.format != FORMAT:
        raise BadArchive(f"it has format {head.format}, this version knows {FORMAT}")
    return head


def _difference(content: bytes, seen: list[Member]) -> str:
    """Which member is not the one that the manifest lists."""
    try:
        listed = read_json(content, Manifest).members
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"{MANIFEST} is damaged"
    for one, other in zip(seen, listed, strict=False):
        if one != other:
            return f"{one.name} is not what the manifest says it is"
    return f"{MANIFEST} lists {len(listed)} members, there are {len(seen)}, or it is damaged"
