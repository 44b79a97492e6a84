"""The authenticated state tree: a binary Merkle tree over sha256(key) (STATE-30..33).

A key's path is its hash, most significant bit first. An empty subtree hashes to 32 zero bytes, a
subtree of one key is that key's leaf at whatever depth, and every other is an inner node:

    leaf  = sha256(00 || sha256(key) || sha256(value))
    inner = sha256(01 || left || right)

so the root depends on nothing but the set of (key, value). Nodes are stored in pages of four
levels: the 16 lower ends, and the 15 nodes above them, since a hash costs more to make than to
read. A subtree is an *entry*: None if empty, `sha256(key) || sha256(value)` (64 bytes) if a single
leaf, the inner node's hash (32 bytes) otherwise. Only that last kind has a page of its own, except
at the root, whose page exists while the tree holds anything.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from struct import Struct
from typing import Final

EMPTY_ROOT: Final = bytes(32)
WIDTH: Final = 16
_TOP = 1
CACHED_PAGES: Final = 16_384
_HASH_BYTES = 32
_LEAF_BYTES = 64
_PATH_NIBBLES = 64
_KEY_PREFIX = b"p"
_BITS = tuple(1 << number for number in range(2 * WIDTH))
_ABOVE_ENDS = (1 << WIDTH) - 1
_HEADER = Struct(">II")
#: By how many there are: so many hashes, so many leaves in a row.
_HASHES = [Struct(f"{_HASH_BYTES}s" * count) for count in range(2 * WIDTH + 1)]
_LEAVES = [Struct(f"{_LEAF_BYTES}s" * count) for count in range(WIDTH + 1)]
#: For each of a number's four bytes, by its value, which bits of the number are set there.
_SET = [
    [tuple(start + bit for bit in range(8) if value >> bit & 1) for value in range(256)]
    for start in (0, 8, 16, 24)
]

Entry = bytes | None
#: A page's nodes by number: 1 is its top, 2n and 2n + 1 are below n, 16 to 31 are its lower ends.
Page = list[Entry]
#: (sha256(key), sha256(value), or None to remove the key)
Leaf = tuple[bytes, bytes | None]
Load = Callable[[bytes], bytes | None]
#: Stores values under keys, or (None) removes keys, such as `partial(batch.change, "nodes")`.
Change = Callable[[Sequence[tuple[bytes, bytes | None]]], None]


@dataclass(frozen=True, slots=True)
class Path:
    """Where a key's path ends: the sibling hashes from the root down, and what stands there.

    `leaf` is the `(sha256(key), sha256(value))` found at the end, of this key or another, or None.
    """

    siblings: tuple[bytes, ...]
    leaf: tuple[bytes, bytes] | None


def hash_leaf(key_hash: bytes, value_hash: bytes) -> bytes:
    """The Merkle hash of a subtree that holds one key (STATE-30)."""
    return sha256(b"\x00" + key_hash + value_hash).digest()


def hash_inner(left: bytes, right: bytes) -> bytes:
    """The Merkle hash of a subtree that holds two keys or more (STATE-30)."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """The tree over stored pages, with changes pending until `flush` or `discard`.

    `load` reads a page by its key, for instance `partial(store.get, "nodes")`; what it reads may
    only change by this tree's own `flush`. If the batch that was flushed into is then aborted,
    make a new tree. A tree belongs to one thread; queries make their own over a snapshot.
    """

    def __init__(self, load: Load, cached_pages: int = CACHED_PAGES) -> None:
        self._load = load
        self._cached_pages = cached_pages
        self._cache: OrderedDict[bytes, Page] = OrderedDict()
        self._pending: dict[bytes, Page | None] = {}
        self._committed_root = _hash_entry((self._page(b"") or _empty_page())[_TOP])
        self.root = self._committed_root

    def update(self, changes: Iterable[tuple[bytes, bytes | None]]) -> bytes:
        """Set or (None) remove keys and return the new root; the last change of a key holds."""
        return self.update_hashed(
            (sha256(key).digest(), None if value is None else sha256(value).digest())
            for key, value in changes
        )

    def update_hashed(self, leaves: Iterable[Leaf]) -> bytes:
        """As `update`, from sha256(key) and sha256(value)."""
        ordered = sorted(dict(leaves).items())
        if ordered:
            page = list(self._page(b"") or _empty_page())
            self._change_page(b"", page, ordered)
            top = page[_TOP]
            self._pending[b""] = page if top is not None else None
            self.root = _hash_entry(top)
        return self.root

    def flush(self, change: Change) -> None:
        """Give the pending pages to `change`, in key order, and make them the committed tree."""
        stored: list[tuple[bytes, bytes | None]] = []
        for path in sorted(self._pending):
            page = self._pending[path]
            if page is None:
                stored.append((_KEY_PREFIX + path, None))
                self._cache.pop(path, None)
            else:
                stored.append((_KEY_PREFIX + path, _encode_page(page)))
                self._remember(path, page)
        change(stored)
        self._pending.clear()
        self._committed_root = self.root

    def discard(self) -> None:
        """Forget the pending changes."""
        self._pending.clear()
        self.root = self._committed_root

    def path(self, key: bytes) -> Path:
        """Where `key`'s path ends in the tree, pending changes included."""
        siblings: list[bytes] = []
        nibbles = _nibbles(sha256(key).digest())
        for depth in range(_PATH_NIBBLES):
            page = self._page(nibbles[:depth]) or _empty_page()
            end = WIDTH + nibbles[depth]
            entry = page[_TOP]
            for level in (3, 2, 1, 0):
                if entry is None or len(entry) == _LEAF_BYTES:
                    return _path_end(siblings, entry)
                number = end >> level
                siblings.append(_hash_entry(page[number ^ 1]))
                entry = page[number]
            if entry is None or len(entry) == _LEAF_BYTES:
                return _path_end(siblings, entry)
        raise ValueError("corrupt tree: an inner node below the last bit of the path")

    def _page(self, path: bytes) -> Page | None:
        """The page at `path` (a byte for each nibble), pending or committed; not to be changed."""
        if path in self._pending:
            return self._pending[path]
        page = self._cache.get(path)
        if page is not None:
            self._cache.move_to_end(path)
            return page
        stored = self._load(_KEY_PREFIX + path)
        if stored is None:
            return None
        page = _decode_page(stored)
        self._remember(path, page)
        return page

    def _remember(self, path: bytes, page: Page) -> None:
        self._cache[path] = page
        self._cache.move_to_end(path)
        if len(self._cache) > self._cached_pages:
            self._cache.popitem(last=False)

    def _change_page(self, path: bytes, page: Page, leaves: Sequence[Leaf]) -> None:
        """Apply sorted `leaves`, all below `path`, to the nodes of `page`, in place."""
        depth = len(path)
        at = depth >> 1
        if len(leaves) == 1:
            byte = leaves[0][0][at]
            nibble = byte & 15 if depth & 1 else byte >> 4
            number = WIDTH + nibble
            page[number] = self._change(path + bytes((nibble,)), page[number], leaves)
            _join(page, (number,))
            return
        if depth & 1:
            nibbles = [key[at] & 15 for key, _ in leaves]
        else:
            nibbles = [key[at] >> 4 for key, _ in leaves]
        changed: list[int] = []
        start = 0
        while start < len(leaves):
            nibble = nibbles[start]
            stop = start + 1
            while stop < len(leaves) and nibbles[stop] == nibble:
                stop += 1
            number = WIDTH + nibble
            entry, (key, value) = page[number], leaves[start]
            if stop == start + 1 and (
                entry is None or (len(entry) == _LEAF_BYTES and entry[:_HASH_BYTES] == key)
            ):  # a leaf that stands alone, as most do
                page[number] = None if value is None else key + value
            else:
                below = path + bytes((nibble,))
                page[number] = self._change(below, entry, leaves[start:stop])
            changed.append(number)
            start = stop
        _join(page, changed)

    def _change(self, path: bytes, entry: Entry, leaves: Sequence[Leaf]) -> Entry:
        """The entry at `path` after applying sorted `leaves` to `entry`."""
        if entry is not None and len(entry) == _HASH_BYTES:
            committed = self._page(path)
            if committed is None:
                raise ValueError(f"corrupt tree: the page at {path.hex()} is missing")
            page = list(committed)
        else:
            if entry is not None:
                present = {entry[:_HASH_BYTES]: entry[_HASH_BYTES:]}
                leaves = sorted({**present, **dict(leaves)}.items())
            kept = [(key, value) for key, value in leaves if value is not None]
            if len(kept) < 2:
                return kept[0][0] + kept[0][1] if kept else None
            leaves = kept
            page = _empty_page()
        self._change_page(path, page, leaves)
        top = page[_TOP]
        # Fewer than two leaves are held by the page above; that makes history irrelevant.
        collapsed = top is None or len(top) == _LEAF_BYTES
        self._pending[path] = None if collapsed else page
        return top


def _empty_page() -> Page:
    return [None] * (2 * WIDTH)


def _nibble(key_hash: bytes, depth: int) -> int:
    byte = key_hash[depth >> 1]
    return byte & 15 if depth & 1 else byte >> 4


def _nibbles(key_hash: bytes) -> bytes:
    return bytes(_nibble(key_hash, depth) for depth in range(_PATH_NIBBLES))


def _hash_entry(entry: Entry) -> bytes:
    """The Merkle hash of a subtree (STATE-30)."""
    if entry is None:
        return EMPTY_ROOT
    if len(entry) == _LEAF_BYTES:
        return sha256(b"\x00" + entry).digest()
    return entry


def _join(page: Page, changed: Sequence[int]) -> None:
    """Make anew the nodes above the lower ends numbered `changed`, level by level."""
    numbers = changed
    while len(numbers) > 1:
        above: list[int] = []
        for number in numbers:
            parent = number >> 1
            if not above or above[-1] != parent:
                above.append(parent)
                page[parent] = _joined(page[number & ~1], page[number | 1])
        numbers = above
    number = numbers[0]
    while number > _TOP:
        left, right = page[number & ~1], page[number | 1]
        number >>= 1
        page[number] = _joined(left, right)


def _joined(left: Entry, right: Entry) -> Entry:
    """The entry above two: a lone leaf rises, anything more becomes an inner node."""
    if left is None or right is None:
        lone = left or right
        if lone is None or len(lone) == _LEAF_BYTES:
            return lone
        left, right = left or EMPTY_ROOT, right or EMPTY_ROOT
    # `hash_inner` and `hash_leaf`, written out: this is where a block's hashing is done.
    if len(left) == _LEAF_BYTES:
        left = sha256(b"\x00" + left).digest()
    if len(right) == _LEAF_BYTES:
        right = sha256(b"\x00" + right).digest()
    return sha256(b"\x01" + left + right).digest()


def _path_end(siblings: list[bytes], entry: Entry) -> Path:
    leaf = None if entry is None else (entry[:_HASH_BYTES], entry[_HASH_BYTES:])
    return Path(tuple(siblings), leaf)


def _encode_page(page: Page) -> bytes:
    """The page, but for leaves above its lower ends, which follow from the rest.

    Four bytes that tell the numbers of the inner nodes (bit n for n), four those of the leaves at
    the lower ends, then the hashes of the former and the leaves, both in the order of numbers.
    """
    inner = leaves = 0
    kept: list[bytes] = []
    leaf_entries: list[bytes] = []
    for bit, entry in zip(_BITS, page, strict=True):
        if entry is not None:
            if len(entry) == _HASH_BYTES:
                inner |= bit
                kept.append(entry)
            elif bit > _ABOVE_ENDS:
                leaves |= bit
                leaf_entries.append(entry)
    return _HEADER.pack(inner, leaves) + b"".join(kept + leaf_entries)


def _decode_page(stored: bytes) -> Page:
    """The page that `_encode_page` encoded; ValueError if its length doesn't fit."""
    if len(stored) < _HEADER.size:
        raise ValueError(f"corrupt tree: a page of {len(stored)} bytes")
    inner, leaves = _HEADER.unpack_from(stored)
    hashed, ends = _numbers(inner), _numbers(leaves)
    begin = _HEADER.size + _HASH_BYTES * len(hashed)
    length = begin + _LEAF_BYTES * len(ends)
    if length != len(stored) or leaves & (inner | _ABOVE_ENDS) or inner & 1:
        raise ValueError(f"corrupt tree: a page of {len(stored)} bytes where {length} are meant")
    page = _empty_page()
    hashes = _HASHES[len(hashed)].unpack_from(stored, _HEADER.size)
    for number, entry in zip(hashed, hashes, strict=True):
        page[number] = entry
    for number, leaf in zip(ends, _LEAVES[len(ends)].unpack_from(stored, begin), strict=True):
        # It rises to where another subtree joins it.
        while number and not inner >> number & 1:
            page[number] = leaf
            number >>= 1
    return page


def _numbers(bits: int) -> tuple[int, ...]:
    """The numbers of the bits that are set, in order."""
    first, second, third, fourth = _SET
    return (
        first[bits & 255] + second[bits >> 8 & 255] + third[bits >> 16 & 255] + fourth[bits >> 24]
    )
