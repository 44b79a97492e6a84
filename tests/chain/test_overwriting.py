"""ERASE-8, STATE-6: what was erased leaves the file, whatever its size, crash or readers."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from synnergy.engines.solo import SoloEngine
from synnergy.engines.waiting import Submitted
from synnergy.opcodes import erasure
from synnergy.opcodes import ledger as money
from synnergy.state.store import Store, StoreFull
from synnergy.wire.transaction import Attachment
from tests.ledger.harness import CONSUMER, DAY, OPERATOR, REGULATOR, SIGNER, Ledger, genesis

ROOT = Path(__file__).parent.parent.parent
#: Below a page's share, a page, pages, and some hundred of them.
SIZES = (40, 700, 1_500, 2_500, 4_000, 9_000, 500_000)


def secret(size: int) -> bytes:
    """Content of that size which is found again wherever a piece of it is left."""
    return (b"Jane Doe, born on 1 April 1984. " * (size // 32 + 1))[:size]


MARKER = secret(40)[:24]


def attachment(size: int) -> Attachment:
    return Attachment(size.to_bytes(32, "big"), secret(size))


def carry(ledger: Ledger, size: int) -> None:
    arguments = money.Transfer(OPERATOR.address, 1)
    raw = ledger.envelope(CONSUMER, "LEDGER_TRANSFER", arguments, (attachment(size),))
    assert ledger.block(raw)[0].status == "ok"


def erase(ledger: Ledger, *sizes: int) -> None:
    commitments = tuple(attachment(size).reference.commitment for size in sizes)
    ledger.ok(CONSUMER, "LEDGER_ERASE", erasure.Erase(commitments, "asked to"))


def churn(ledger: Ledger, blocks: int) -> None:
    """Other people's business, which moves records and pages about."""
    for number in range(blocks):
        raw = ledger.envelope(
            OPERATOR,
            "LEDGER_TRANSFER",
            money.Transfer(REGULATOR.address, number),
            (Attachment(number.to_bytes(32, "little"), bytes([number % 251]) * (37 * number)),),
        )
        ledger.block(raw)


def left(folder: Path) -> int:
    """How often the secret is in the file."""
    return (folder / "data.mdb").read_bytes().count(MARKER)


def overwrite(ledger: Ledger) -> int:
    steps = 0
    while ledger.application.overwriter.pending:
        ledger.application.overwriter.step()
        steps += 1
        assert steps < 100
    return steps


def test_nothing_is_left_in_the_file(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "data")
    for size in SIZES:
        churn(ledger, 3)
        carry(ledger, size)
    churn(ledger, 20)
    assert left(tmp_path / "data") >= len(SIZES)
    assert not ledger.application.overwriter.pending
    erase(ledger, *SIZES)
    assert ledger.application.overwriter.pending
    overwrite(ledger)
    assert left(tmp_path / "data") == 0
    churn(ledger, 3)
    ledger.close()


def test_nothing_is_left_of_what_was_too_old(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "data")
    for size in SIZES:
        carry(ledger, size)
    ledger.ok(REGULATOR, "REGULATION_SET_RETENTION", erasure.SetRetention(DAY))
    ledger.block(advance=2 * DAY)
    overwrite(ledger)
    assert left(tmp_path / "data") == 0
    ledger.close()


def test_a_crash_before_overwriting_only_delays_it(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "data")
    carry(ledger, 9_000)
    erase(ledger, 9_000)
    ledger.close()
    assert left(tmp_path / "data") > 0  # deleted, and in free pages still
    again = Ledger(tmp_path / "data")
    assert again.application.overwriter.pending
    overwrite(again)
    again.close()
    assert left(tmp_path / "data") == 0


def test_a_crash_between_steps_only_delays_it(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "data")
    carry(ledger, 500_000)
    erase(ledger, 500_000)
    assert ledger.store.overwrite_free(most=16) is False
    ledger.close()
    again = Ledger(tmp_path / "data")
    while not again.store.overwrite_free(most=64):
        churn(again, 1)
    assert left(tmp_path / "data") == 0
    again.close()


def test_a_reader_of_the_past_puts_it_off_without_growth(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "data")
    carry(ledger, 500_000)
    erase(ledger, 500_000)
    size = (tmp_path / "data" / "data.mdb").stat().st_size
    reading, done = threading.Event(), threading.Event()

    def read() -> None:
        with ledger.store.snapshot():
            reading.set()
            done.wait(60)

    reader = threading.Thread(target=read)
    reader.start()
    assert reading.wait(60)
    for _ in range(5):
        assert ledger.store.overwrite_free() is False
    assert (tmp_path / "data" / "data.mdb").stat().st_size < size + 40 * ledger.store.page_bytes
    assert left(tmp_path / "data") > 0
    done.set()
    reader.join()
    overwrite(ledger)
    assert left(tmp_path / "data") == 0
    ledger.close()


def test_the_file_does_not_grow_with_erasures(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "data")
    file = tmp_path / "data" / "data.mdb"
    sizes: list[int] = []
    for _ in range(40):
        carry(ledger, 9_000)
        erase(ledger, 9_000)
        overwrite(ledger)
        sizes.append(file.stat().st_size)
    assert left(tmp_path / "data") == 0
    assert sizes[-1] < 2 * sizes[9]
    ledger.close()


def test_a_full_disk_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path / "data")
    carry(ledger, 9_000)
    erase(ledger, 9_000)

    def full(_: Store) -> bool:
        raise StoreFull("full")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "overwrite_free", full)
        ledger.application.overwriter.step()
    assert not ledger.application.overwriter.pending
    ledger.close()
    again = Ledger(tmp_path / "data")  # after space was made
    overwrite(again)
    assert left(tmp_path / "data") == 0
    again.close()


def test_the_engine_overwrites_by_itself(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "data", genesis(time=time.time_ns() // 1_000_000 - DAY))
    carry(ledger, 40)
    erase(ledger, 40)
    engine = SoloEngine(ledger.application, SIGNER)
    engine.start()
    for size in (700, 500_000):
        arguments = money.Transfer(OPERATOR.address, 1)
        for raw in (
            ledger.envelope(CONSUMER, "LEDGER_TRANSFER", arguments, (attachment(size),)),
            None,
        ):
            wanted = (attachment(size).reference.commitment,)
            asking = erasure.Erase(wanted, "asked to")
            sent = engine.submit(raw or ledger.envelope(CONSUMER, "LEDGER_ERASE", asking))
            assert isinstance(sent, Submitted) and sent.wait(60) is not None
    patience = time.monotonic() + 60
    while ledger.application.overwriter.pending and time.monotonic() < patience:
        time.sleep(0.02)
    assert engine.failure is None
    engine.stop()
    ledger.close()
    assert left(tmp_path / "data") == 0


KILLED = """
import os, sys
from pathlib import Path
from synnergy.chain.application import Application
from synnergy.state.store import Batch, Store
from tests.chain.test_overwriting import attachment, carry, erase
from tests.ledger.harness import Ledger

point, folder = sys.argv[1], Path(sys.argv[2])
ledger = Ledger(folder)
carry(ledger, 9_000)
delete, commit = Batch.delete, Application.commit

def dying_delete(self, database, key):
    delete(self, database, key)
    if database == "payloads":
        os._exit(86)

def dying_commit(self, signature=b""):
    commit(self, signature)
    os._exit(86)

def dying_step(self, most=4096):
    step(self, 3)
    os._exit(86)

step = Store.overwrite_free
if point == "while deleting":
    Batch.delete = dying_delete
elif point == "after committing":
    Application.commit = dying_commit
else:
    Store.overwrite_free = dying_step
erase(ledger, 9_000)
ledger.application.overwriter.step()
"""


@pytest.mark.parametrize(
    ("point", "erased"),
    [("while deleting", False), ("after committing", True), ("while overwriting", True)],
)
def test_a_kill_leaves_the_payload_whole_or_gone(tmp_path: Path, point: str, erased: bool) -> None:
    folder = tmp_path / "data"
    command = [sys.executable, "-c", KILLED, point, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 86, done.stderr
    ledger = Ledger(folder)
    assert ledger.application.height == (2 if erased else 1)
    wanted = attachment(9_000).reference.commitment
    assert (ledger.store.get("payloads", wanted) is None) is erased
    assert (ledger.store.get("erased", wanted) is not None) is erased
    assert ledger.application.overwriter.pending is erased
    if not erased:
        erase(ledger, 9_000)
    overwrite(ledger)
    assert left(folder) == 0
    ledger.close()
