"""CHAIN-10: a snapshot carries the state whole, or nothing of it stays."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from synnergy.chain.application import Application
from synnergy.chain.block import Proposal
from synnergy.chain.replay import replay
from synnergy.chain.snapshot import Chunk, Manifest, RestoreFailed
from synnergy.opcodes import ledger as money
from synnergy.opcodes import plans
from synnergy.receipts.header import header_signing_bytes
from synnergy.state.store import DATABASES, Store
from synnergy.wire.codec import decode_trusted, encode
from tests.chain.market import call, licensed
from tests.chain.script import play
from tests.chain.small_models import linear
from tests.ledger.harness import CONSUMER, OPERATOR, SIGNER, Ledger, genesis


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """The folder of a snapshot, and the app hash it was taken at."""
    folder = tmp_path_factory.mktemp("taken")
    ledger = Ledger(folder / "data")
    play(ledger)
    ledger.application.snapshot(folder / "snapshot")
    app_hash = ledger.application.app_hash
    ledger.close()
    return folder / "snapshot", app_hash


def restored(folder: Path, to: Path) -> Application:
    return Application.restore(Store.open(to), genesis(), folder)


def test_a_restored_node_has_the_state_and_goes_on(tmp_path: Path) -> None:
    """The two nodes make the same blocks from there on, a model's call included."""
    ledger = Ledger(tmp_path / "data")
    model, licence = licensed(ledger, linear("restored"))
    ledger.application.snapshot(tmp_path / "snapshot")
    other = restored(tmp_path / "snapshot", tmp_path / "other")
    assert other.header == ledger.application.header
    raw = call(ledger, model, licence)
    give = ledger.envelope(OPERATOR, "LEDGER_TRANSFER", money.Transfer(CONSUMER.address, 5))
    proposal = Proposal(other.height + 1, ledger.time + 1_000, (raw, give))
    plans._plans.clear()
    done = other.finalise(proposal)
    header = other.commit(SIGNER.sign(header_signing_bytes(done.header)))
    assert [result.status for result in ledger.block(raw, give)] == ["ok", "ok"]
    assert header == ledger.application.header
    other.store.close()
    again = Application(Store.open(tmp_path / "other"), genesis())
    assert again.header == header
    again.store.close()
    ledger.close()


def test_every_node_makes_the_same_bytes(taken: tuple[Path, bytes], tmp_path: Path) -> None:
    folder, app_hash = taken
    application = restored(folder, tmp_path / "data")
    assert application.app_hash == app_hash
    application.snapshot(tmp_path / "again")
    files = sorted(path.name for path in folder.iterdir())
    assert files == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in files:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    application.store.close()


def manifest_of(folder: Path) -> Manifest:
    return decode_trusted((folder / "manifest").read_bytes(), Manifest)


def rewrite(folder: Path, **changes: object) -> None:
    """Change the manifest."""
    changed = msgspec.structs.replace(manifest_of(folder), **changes)
    (folder / "manifest").write_bytes(encode(changed))


def replace_chunk(folder: Path, index: int, edit: Callable[[Chunk], Chunk]) -> None:
    """Change a chunk and name its new digest in the manifest, as a liar would."""
    path = folder / f"{index:06}"
    content = encode(edit(decode_trusted(path.read_bytes(), Chunk)))
    path.write_bytes(content)
    digests = list(manifest_of(folder).chunks)
    digests[index] = hashlib.sha256(content).digest()
    rewrite(folder, chunks=tuple(digests))


def flip(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return change


def forge_header(folder: Path, **changes: object) -> None:
    rewrite(folder, header=msgspec.structs.replace(manifest_of(folder).header, **changes))


def richer(chunk: Chunk) -> Chunk:
    key, value = chunk.state[0]
    return Chunk(((key, value + b"\x00"), *chunk.state[1:]), chunk.artefacts)


def forge_an_unsigned_beginning(folder: Path) -> None:
    """At height 0 nobody has signed anything: no reason to believe any state."""
    forge_header(folder, height=0)
    rewrite(folder, signature=b"")


def without_artefacts(folder: Path) -> None:
    replace_chunk(folder, 1, lambda chunk: Chunk((), ()))


def other_artefact(folder: Path) -> None:
    replace_chunk(
        folder, 1, lambda c: Chunk((), tuple((d, b"?" + content) for d, content in c.artefacts))
    )


def more_artefacts(folder: Path) -> None:
    extra = (hashlib.sha256(b"extra").digest(), b"extra")
    replace_chunk(folder, 1, lambda c: Chunk((), tuple(sorted((*c.artefacts, extra)))))


DAMAGE: list[tuple[str, Callable[[Path], None]]] = [
    ("damaged", flip("000000")),
    ("damaged", flip("000001")),
    ("not signed", flip("manifest")),
    ("manifest", lambda folder: (folder / "manifest").unlink()),
    ("000001", lambda folder: (folder / "000001").unlink()),
    ("format", lambda folder: rewrite(folder, format=2)),
    ("not signed", lambda folder: rewrite(folder, signature=bytes(64))),
    ("not signed", lambda folder: forge_header(folder, app_hash=bytes(32))),
    ("not signed", forge_an_unsigned_beginning),
    ("of this genesis", lambda folder: forge_header(folder, chain_id="other-" + "0" * 32)),
    (".", lambda folder: replace_chunk(folder, 0, richer)),
    (".", lambda f: replace_chunk(f, 0, lambda c: Chunk(c.state[1:], c.artefacts))),
    (".", lambda f: replace_chunk(f, 0, lambda c: Chunk(c.state[::-1], c.artefacts))),
    (".", lambda f: replace_chunk(f, 0, lambda c: Chunk((*c.state, c.state[-1]), ()))),
    ("items", lambda folder: rewrite(folder, items=manifest_of(folder).items + 1)),
    ("artefact chunks", without_artefacts),
    ("artefact chunk", other_artefact),
    ("artefact chunks", more_artefacts),
]


@pytest.mark.parametrize(("says", "damage"), DAMAGE)
def test_a_damaged_snapshot_is_refused_and_nothing_of_it_stays(
    taken: tuple[Path, bytes], tmp_path: Path, says: str, damage: Callable[[Path], None]
) -> None:
    """STATE-72"""
    folder = tmp_path / "snapshot"
    shutil.copytree(taken[0], folder)
    damage(folder)
    store = Store.open(tmp_path / "data")
    with pytest.raises(RestoreFailed, match=says):
        Application.restore(store, genesis(), folder)
    for database in DATABASES:
        kept = [key for key, _ in store.scan(database, b"", None)]
        assert kept == ([b"format"] if database == "meta" else [])
    assert Application.restore(store, genesis(), taken[0]).app_hash == taken[1]
    store.close()


def test_a_restored_chain_has_no_history_to_replay(
    taken: tuple[Path, bytes], tmp_path: Path
) -> None:
    restored(taken[0], tmp_path / "data").store.close()
    found = replay(tmp_path / "data", genesis())
    assert found.problem is not None and "without a history" in found.problem


def test_a_snapshot_does_not_overwrite_a_chain(taken: tuple[Path, bytes], tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "data")
    with pytest.raises(RestoreFailed, match="not empty"):
        Application.restore(ledger.store, genesis(), taken[0])
    ledger.close()


def test_a_snapshot_of_another_genesis_is_refused(
    taken: tuple[Path, bytes], tmp_path: Path
) -> None:
    store = Store.open(tmp_path / "data")
    with pytest.raises(RestoreFailed, match="of this genesis"):
        Application.restore(store, genesis(minimum_gas_price=2), taken[0])
    store.close()
