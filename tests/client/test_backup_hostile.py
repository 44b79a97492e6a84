"""CLIENT-19, CLIENT-20, CHAIN-20: what is no backup is refused, whatever its digests say."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synnergy.chain import dump
from synnergy.chain.block import StoredBlock
from synnergy.chain.dump import Chunk
from synnergy.client import archive, backup
from synnergy.client.archive import Head
from synnergy.client.home import Home
from synnergy.receipts.header import header_signing_bytes
from synnergy.wire.codec import decode_trusted, encode
from tests.client.backups import Content, forged, read, refusal, restored
from tests.client.homes import make_home
from tests.ledger.harness import SIGNER, key

thorough = settings(max_examples=150, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("backup") / "home")


@pytest.fixture(scope="module")
def saved(home: Home) -> bytes:
    out = home.root.parent / "saved.tar"
    backup.back_up(home, out)
    return out.read_bytes()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def content(home: Home, saved: bytes) -> Content:
    return read(home.root.parent / "saved.tar")


@thorough
@given(data=st.data())
def test_no_byte_may_differ(
    saved: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    place = tmp_path_factory.mktemp("flipped")
    at = data.draw(st.integers(0, len(saved) - 1))
    changed = bytearray(saved)
    changed[at] ^= data.draw(st.integers(1, 255))
    assert refusal(bytes(changed), place)


@thorough
@given(data=st.data())
def test_nothing_may_be_missing_or_added(
    saved: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    place = tmp_path_factory.mktemp("cut")
    blocks = len(saved) // 512
    kind = data.draw(st.sampled_from(["cut", "cut at a block", "longer", "dropped", "doubled"]))
    at = data.draw(st.integers(0, blocks - 1)) * 512
    match kind:
        case "cut":
            changed = saved[: data.draw(st.integers(0, len(saved) - 1))]
        case "cut at a block":
            changed = saved[:at]
        case "longer":
            changed = saved + data.draw(st.binary(min_size=1, max_size=2_000))
        case "dropped":
            changed = saved[:at] + saved[at + 512 :]
        case _:
            changed = saved[: at + 512] + saved[at:]
    assert refusal(changed, place)


def test_forging_is_done_right(content: Content, saved: bytes) -> None:
    """Or the tests below would show nothing."""
    assert forged(content) == saved


NAMES = (
    "/etc/passwd", "../escaped", "keystore/../../escaped.json", "keystore/.json",
    "keystore/.hidden.json", "keystore/a/b.json", "keystore/A.json", "keystore/a.txt",
    "keystore/" + "a" * 65 + ".json", "data/data.mdb", "genesis.json/x", "openings/x.json",
    "openings/" + "5A" * 32 + ".json", "store/1", "store/-00001", "genesis.json.",
    "./genesis.json", "keystore/a.json\n", "", "node_key.json/", "manifest",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_that_are_not_known(content: Content, place: Path, name: str) -> None:
    for at in (0, 2, len(content)):
        message = refusal(forged([*content[:at], (name, b"x"), *content[at:]]), place)
        assert "no place in a backup" in message or "header" in message or "begin" in message
        (place / "given.tar").unlink()


def changed(**fields: object) -> Callable[[tarfile.TarInfo], bytes]:
    def header(member: tarfile.TarInfo) -> bytes:
        for name, value in fields.items():
            setattr(member, name, value)
        return member.tobuf(tarfile.USTAR_FORMAT)

    return header


HEADERS = {
    "symbolic link": changed(type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": changed(type=tarfile.LNKTYPE, linkname="genesis.json"),
    "device": changed(type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    "block device": changed(type=tarfile.BLKTYPE),
    "pipe": changed(type=tarfile.FIFOTYPE),
    "folder": changed(type=tarfile.DIRTYPE),
    "contiguous": changed(type=tarfile.CONTTYPE),
    "sparse": changed(type=tarfile.GNUTYPE_SPARSE),
    "extended": changed(type=tarfile.XHDTYPE),
    "long name": changed(type=tarfile.GNUTYPE_LONGNAME),
    "old": changed(type=tarfile.AREGTYPE),
    "another mode": changed(mode=0o4755),
    "an owner": changed(uid=1_000, uname="somebody"),
    "a time": changed(mtime=1),
    "link name": changed(linkname="x"),
    "GNU": lambda member: member.tobuf(tarfile.GNU_FORMAT),
    "PAX": lambda member: commented(member),
    "a bomb": changed(size=0o77777777777),
    "a bomb in base 256": lambda member: sized(member, 2**62),
    "a negative size": lambda member: sized(member, -1),
    "nothing": lambda member: bytes(512),
}


def commented(member: tarfile.TarInfo) -> bytes:
    member.pax_headers = {"comment": "x"}
    return member.tobuf(tarfile.PAX_FORMAT)


def sized(member: tarfile.TarInfo, size: int) -> bytes:
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", HEADERS)
@pytest.mark.parametrize("of", ["backup.json", "store/000000", "node_key.json", "manifest.json"])
def test_members_that_are_no_plain_files(
    content: Content, place: Path, kind: str, of: str
) -> None:
    raw = forged(content, header=HEADERS[kind], of=of)
    assert refusal(raw, place)


def test_nothing_is_unpacked(saved: bytes, place: Path) -> None:
    assert "header" in refusal(gzip.compress(saved), place)


def test_members_twice_or_out_of_order(content: Content, place: Path) -> None:
    for at in range(len(content)):
        twice = [*content[: at + 1], *content[at:]]
        assert refusal(forged(twice), place)
        if at + 1 < len(content):
            swapped = [*content[:at], content[at + 1], content[at], *content[at + 2 :]]
            assert refusal(forged(swapped), place)
        if content[at][0] in ("backup.json", "genesis.json") or content[at][0] == "store/000000":
            first = content[0][1]
            without = [*content[:at], *content[at + 1 :]]
            head = msgspec.json.decode(first, type=Head)
            assert refusal(forged(without, head=head), place)


def with_store(
    content: Content, change: Callable[[dict[str, dict[bytes, bytes]]], None]
) -> Content:
    """The content with a store that was changed, in chunks as they should be."""
    databases: dict[str, dict[bytes, bytes]] = {}
    for name, data in content:
        if name.startswith("store/"):
            chunk = decode_trusted(data, Chunk)
            databases.setdefault(chunk.database, {}).update(chunk.items)
    change(databases)
    chunks = [
        Chunk(name, tuple(sorted(databases[name].items())))
        for name in dump.DUMPED
        if databases.get(name)
    ]
    numbered = [(f"store/{n:06}", encode(chunk)) for n, chunk in enumerate(chunks)]
    rest = [entry for entry in content if not entry[0].startswith("store/")]
    return [*rest[:2], *numbered, *rest[2:]]


def resigned(databases: dict[str, dict[bytes, bytes]], **changes: object) -> None:
    """Put other fields into the last header, with the signature of a stranger."""
    height = databases["meta"][b"height"]
    block = decode_trusted(databases["blocks"][height], StoredBlock)
    header = msgspec.structs.replace(block.header, **changes)
    signature = key("stranger").sign(header_signing_bytes(header))
    again = msgspec.structs.replace(block, header=header, signature=signature)
    databases["blocks"][height] = encode(again)


def drop(database: str, key: bytes) -> Callable[[dict[str, dict[bytes, bytes]]], None]:
    return lambda databases: databases[database].pop(key) and None


STORES: dict[str, Callable[[dict[str, dict[bytes, bytes]]], None]] = {
    "a balance": lambda it: it["state"].update({min(it["state"]): b"\x80"}),
    "one more record": lambda it: it["state"].update({b"zz": b"x"}),
    "one record less": lambda it: it["state"].pop(max(it["state"])) and None,
    "no state": lambda it: it["state"].clear(),
    "no blocks": lambda it: it["blocks"].clear(),
    "another signer": resigned,
    "another height": lambda it: resigned(it, height=9),
    "another app hash": lambda it: resigned(it, app_hash=bytes(32)),
    "a block that is none": lambda it: it["blocks"].update({it["meta"][b"height"]: b"x"}),
    "an earlier head": lambda it: it["meta"].update({b"height": bytes(8)}),
    "no head": drop("meta", b"height"),
    "no genesis": drop("meta", b"genesis"),
    "no chain": drop("meta", b"chain_id"),
    "another chain": lambda it: it["meta"].update({b"chain_id": b"other"}),
    "another format": lambda it: it["meta"].update({b"format": b"1"}),
    "a long key": lambda it: it["payloads"].update({b"k" * 512: b""}),
    "no key": lambda it: it["payloads"].update({b"": b""}),
}


@pytest.mark.parametrize("kind", STORES)
def test_stores_that_are_not_the_chains(content: Content, place: Path, kind: str) -> None:
    """Digests alone prove nothing: whoever wrote the archive wrote them."""
    assert refusal(forged(with_store(content, STORES[kind])), place)


def test_an_unchanged_store_is_taken(content: Content, place: Path) -> None:
    assert restored(forged(with_store(content, lambda _: None)), place).height == 3


@pytest.mark.parametrize(
    "chunk",
    [
        Chunk("nodes", ((b"p", b"x"),)),
        Chunk("other", ((b"p", b"x"),)),
        Chunk("meta", ()),
        Chunk("meta", ((b"b", b""), (b"a", b""))),
        Chunk("meta", ((b"a", b""), (b"a", b""))),
        Chunk("blocks", ((b"a", b""),)),
    ],
)
def test_chunks_that_no_dump_has(content: Content, place: Path, chunk: Chunk) -> None:
    count = sum(name.startswith("store/") for name, _ in content)
    more = (f"store/{count:06}", encode(chunk))
    assert refusal(forged([*content[: 2 + count], more, *content[2 + count :]]), place)


@pytest.mark.parametrize("data", [b"", b"\xc0", b"\x82", encode(["meta", []])])
def test_chunks_that_are_none(content: Content, place: Path, data: bytes) -> None:
    assert "store/000000" in refusal(
        forged([*content[:2], ("store/000000", data), *content[3:]]), place
    )


@pytest.mark.parametrize(
    "head",
    [
        b"{}",
        b"[1]",
        b"\xff",
        archive.to_json(Head(2, "x", 3, "00" * 32)),
        b'{"format": 1, "chain_id": "x", "height": -1, "app_hash": "' + b"00" * 32 + b'"}',
        b'{"format": 1, "chain_id": "x", "height": 1, "app_hash": "' + b"0g" * 32 + b'"}',
    ],
)
def test_heads_that_are_none(content: Content, place: Path, head: bytes) -> None:
    real = msgspec.json.decode(content[0][1], type=Head)
    message = refusal(forged([("backup.json", head), *content[1:]], head=real), place)
    assert "backup.json" in message or "format 2" in message


def test_a_head_of_another_moment(content: Content, place: Path) -> None:
    real = msgspec.json.decode(content[0][1], type=Head)
    for changes in ({"height": 2}, {"chain_id": "other"}, {"app_hash": "00" * 32}):
        head = msgspec.structs.replace(real, **changes)
        assert refusal(forged([("backup.json", archive.to_json(head)), *content[1:]]), place)


def test_a_genesis_of_another_chain(content: Content, place: Path, tmp_path: Path) -> None:
    other = make_home(tmp_path / "other", blocks=0, name="other")
    another = ("genesis.json", other.genesis.read_bytes())
    assert "genesis" in refusal(forged([content[0], another, *content[2:]]), place)
    broken = ("genesis.json", b"{}")
    assert "genesis" in refusal(forged([content[0], broken, *content[2:]]), place)


def test_the_signer_is_the_genesis_own() -> None:
    """What `resigned` signs with is not it."""
    assert key("stranger").public_key != SIGNER.public_key
