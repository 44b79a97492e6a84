"""Flags, limits and periods through the commands, against a node in a process of its own."""

from __future__ import annotations

import numpy as np
import pytest

from synnergy.cli.oversight import worded, worded_limit
from synnergy.client.replies import Flag, Limit
from tests.chain.small_models import linear
from tests.cli.test_end_to_end import World, world

__all__ = ["world"]

DAY = 24 * 3600 * 1000


def test_a_flag_is_raised_shown_named_and_cleared(world: World) -> None:
    assert world.ok("regulator", "flags")["flags"] == []
    for _ in range(5):
        world.ok("transfer", "consumer", 10, "--from", "operator")
    world.ok("transfer", "consumer", 101, "--from", "operator")
    (flag,) = world.ok("regulator", "flags", "--wallet", "operator")["flags"]
    address = world.ok("balance", "operator")["address"]
    assert (flag["wallet"], flag["kind"]) == (address, "amount")
    assert flag["figures"] == {"amount": 101, "average": 10, "payments": 5, "factor": 10}
    assert flag["height"] > 0 and flag["time"] > 0 and "101 in one payment" in flag["why"]
    assert world.ok("regulator", "flags")["flags"] == [flag]
    assert world.ok("regulator", "flags", "--wallet", "consumer")["flags"] == []
    assert world.ok("wallet", "show", "operator")["flags"][0]["kind"] == "amount"
    verdict = world.ok("regulator", "policy", "check", "operator", "transfer", "consumer")
    assert verdict["allowed"] and "flagged-wallet" in verdict["determining"]
    world.ok("transfer", "consumer", 10, "--from", "operator")
    unknown = world.run(
        "regulator", "clear", "operator", "--kind", "odd", "--reason", "x", "--from", "regulator"
    )
    assert (unknown.code, unknown.json["error"]["code"]) == (2, "bad_kind")
    clear = ["regulator", "clear", "operator", "--reason", "a gift", "--from"]
    assert world.refused(*clear, "operator")["code"] == "policy_denied"
    world.ok(*clear, "regulator")
    assert world.ok("regulator", "flags")["flags"] == []
    assert world.refused(*clear, "regulator")["code"] == "not_flagged"


def test_parameters_of_oversight(world: World) -> None:
    before = world.ok("regulator", "oversight", "show")
    assert before["ceiling"] == 10**12
    changed = world.ok("regulator", "oversight", "set", "ceiling=5000", "--from", "regulator")
    assert changed["carried_out"] is True
    assert world.ok("regulator", "oversight", "show") == before | {"ceiling": 5000}
    world.ok("transfer", "publisher", 5001, "--from", "consumer")
    (flag,) = world.ok("regulator", "flags", "--wallet", "consumer")["flags"]
    assert flag["figures"] == {"amount": 5001, "ceiling": 5000}
    for wrong in ("ceiling", "ceiling=-1", "ceilings=5", "=5", "ceiling=1e3"):
        done = world.run("regulator", "oversight", "set", wrong, "--from", "regulator")
        assert (done.code, done.json["error"]["code"]) == (2, "bad_parameter")
    low = world.run("regulator", "oversight", "set", "ring_wallets=1", "--from", "regulator")
    assert (low.code, low.json["error"]["code"]) == (2, "bad_argument")
    world.ok("regulator", "oversight", "set", f"ceiling={10**12}", "--from", "regulator")


def test_a_limit_is_set_met_and_lifted(world: World) -> None:
    limited = ["regulator", "limit", "publisher", "--from", "regulator"]
    for wrong in ((), ("--amount", 5, "--lift"), ("--amount", 5, "--period-hours", "x")):
        assert world.run(*limited, *wrong).code == 2
    world.ok(*limited, "--amount", 1000, "--period-hours", "0.5")
    world.ok("transfer", "consumer", 400, "--from", "publisher")
    shown = world.ok("wallet", "show", "publisher")["limit"]
    assert (shown["amount"], shown["spent"], shown["left"]) == (1000, 400, 600)
    assert shown["renews"] == shown["start"] + 1_800_000
    refused = world.refused("transfer", "consumer", 601, "--from", "publisher")
    assert (refused["code"], refused["rule"]) == ("spending_limit", "OVR-11")
    for word in ("1000", "400", "600", "30 min"):
        assert word in refused["message"]
    world.ok("transfer", "consumer", 600, "--from", "publisher")
    world.ok(*limited, "--lift")
    assert world.ok("wallet", "show", "publisher")["limit"] is None
    world.ok("transfer", "consumer", 601, "--from", "publisher")


def test_periods_are_sold_bought_quoted_and_used(world: World) -> None:
    path, rows = world.folder / "linear.onnx", world.folder / "rows.npy"
    path.write_bytes(linear())
    np.save(rows, np.array([[1, 2]], np.float32))
    world.ok("model", "publish", path, "--name", "periods", "--from", "publisher")
    model = "publisher/periods@1"
    world.ok("model", "approve", model, "--from", "regulator")
    offer = ["model", "offer", model, "--from", "publisher"]
    for wrong in (
        (),
        ("--price-per-call", 5, "--price-per-period", 5, "--period-days", 1),
        ("--price-per-period", 5),
        ("--price-per-call", 5, "--period-days", 1),
    ):
        assert world.run(*offer, *wrong).code == 2
    world.ok(*offer, "--price-per-period", 90, "--period-days", 30)
    shown = world.ok("model", "show", model)["offer"]
    assert (shown["price_per_period"], shown["period"]) == (90, 30 * DAY)
    assert shown["price_per_call"] == 0
    buy = ["model", "buy", model, "--from", "consumer"]
    assert world.run(*buy).code == world.run(*buy, "--calls", 1, "--periods", 1).code == 2
    assert world.refused(*buy, "--calls", 1)["code"] == "not_what_is_sold"
    bought = world.ok(*buy, "--periods", 3)
    assert (bought["escrow"], bought["periods"], bought["calls"]) == (270, 3, 0)
    licence = bought["licence"]
    use = [model, "--licence", licence, "--input", rows]
    for price in (90, 0):
        before = world.ok("balance", "publisher")["balance"]
        assert world.ok("model", "quote", *use)["price"] == price
        called = world.ok("model", "invoke", *use, "--from", "consumer")
        assert world.ok("balance", "publisher")["balance"] == before + price
        receipt = world.folder / f"{price}.receipt"
        world.ok("receipt", "export", called["receipt"], "--out", receipt)
        checked = world.ok("receipt", "verify", receipt, "--model", path, "--input", rows)
        assert checked["verified"] is True
    kept = world.ok("licence", "show", licence)
    assert (kept["used"], kept["settled"], kept["periods"], kept["escrow"]) == (2, 1, 3, 180)
    assert kept["status"] == "open" and kept["paid_until"] == kept["bought"] + 30 * DAY
    assert world.ok("model", "stats", model)["revenue"] == 90


@pytest.mark.parametrize(
    ("kind", "figures", "words"),
    [
        ("ramp", {"from": 5, "to": 20, "rises": 3, "factor": 4}, "from 5 to 20"),
        (
            "velocity",
            {"payments": 2100, "earlier_payments": 6, "earlier_windows": 3, "window": 3_600_000},
            "velocity: {",
        ),
        (
            "ring",
            {
                "how": "one recipient",
                "recipient": "syn1x",
                "amount": 7,
                "wallets": 3,
                "window": 3_600_000,
            },
            "3 wallets registered together paid syn1x 7 in 1 h",
        ),
        ("ring", {"how": "one another", "wallets": 4, "window": 90_000}, "one another in 90 s"),
        ("novel", {"what": 1}, 'novel: {"what":1}'),
    ],
)
def test_figures_in_words(kind: str, figures: dict[str, int | str], words: str) -> None:
    """Also of kinds that a newer node knows."""
    assert words in worded(Flag(kind, 1, 1, figures))


def test_a_limit_in_words() -> None:
    shown = worded_limit(Limit(1_000, 3_600_000, 0, 400, 600, 3_600_000))
    assert shown == "1,000 in each 1 h: 400 spent, 600 left until 1970-01-01 01:00:00+00:00"
    assert worded_limit(None) == "none"
