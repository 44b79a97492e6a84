"""The benchmarks run on tiny sizes. Nothing here asserts how fast anything is."""

from __future__ import annotations

from bench import interpreter, scale, transfers
from bench.__main__ import BEGIN, END, PAGE, cells, measured


def test_the_benchmarks_run() -> None:
    rows = [
        *transfers.rows(wallets=20, per_block=40, blocks=1),
        *interpreter.rows(rounds=40, repeats=1),
        *scale.rows(few=20, many=300, blocks=1, per_block=10),
    ]
    names = [row.name for row in rows]
    assert len(set(names)) == len(names)
    assert {
        "transfers_vs_signature_verify",
        "transfers_vs_signature_verify_threads",
        "interpreter_vs_pyevm",
        "cost_per_tx_1e6_vs_1e3_accounts",
        "memory_at_1e6_accounts",
    } <= set(names)
    assert all(row.value > 0 and row.peer_value > 0 and row.ratio > 0 for row in rows)
    table = measured(rows)
    for row in rows:
        assert f"| {' | '.join(cells(row))} |" in table


def test_the_page_has_room_for_what_is_measured() -> None:
    page = PAGE.read_text("utf-8")
    assert page.count(BEGIN) == page.count(END) == 1
    assert page.index(BEGIN) < page.index(END)
