"""Commands through several addresses of a real node, some of which die on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import NOWHERE
from tests.cli.lines import Line, lines
from tests.cli.nodes import running_node
from tests.cli.support import run


@dataclass
class Place:
    """A home whose node answers at `url`."""

    home: Path
    url: str
    capsys: pytest.CaptureFixture[str]

    def ok(self, node: str | None, *words: object) -> dict[str, Any]:
        given = ["--node", node] if node is not None else []
        done = run(self.capsys, "--json", "--home", self.home, *given, *words)
        assert done.code == 0, done.err
        return done.json


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    from synnergy.cli.main import main

    home = tmp_path_factory.mktemp("failover") / "home"
    assert main(["--json", "--home", str(home), "init", "--dev"]) == 0
    with running_node(home) as url:
        yield home, url


@pytest.fixture
def place(served: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> Place:
    return Place(*served, capsys)


def named(*made: Line) -> str:
    return ",".join(line.url for line in made)


def balance(place: Place) -> int:
    return place.ok(place.url, "balance", "consumer")["balance"]


def test_a_dead_address_is_passed_over(place: Place) -> None:
    with lines(place.url, 3) as made:
        made[0].cut()
        assert place.ok(named(*made), "chain", "show")["height"] >= 0
        made[1].cut()
        before = balance(place)
        sent = place.ok(named(*made), "transfer", "consumer", 5, "--from", "operator")
        assert balance(place) == before + 5
        assert place.ok(named(*made), "tx", "show", sent["tx"])["status"] == "ok"


def test_a_transfer_whose_line_breaks_takes_place_once(place: Place) -> None:  # CLIENT-4
    with lines(place.url, 2) as made:
        made[0].deaf_after = b"POST /v1/transactions"
        before = balance(place)
        sent = place.ok(named(*made), "transfer", "consumer", 7, "--from", "operator")
        assert balance(place) == before + 7 and sent["fee"] > 0
        assert made[1].carried > 0, "the first line was cut, and what became of it asked here"


def test_where_no_address_answers_all_are_named(place: Place) -> None:
    with lines(place.url, 2) as made:
        for line in made:
            line.cut()
        done = run(place.capsys, "--json", "--node", named(*made), "chain", "show")
    assert done.code == 1 and done.json["error"]["code"] == "no_node"
    assert all(line.url in done.json["error"]["message"] for line in made)


def test_the_genesis_of_the_home_names_further_nodes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a network's home, where nobody has to name a node."""
    chain = place.ok(place.url, "chain", "show")["chain_id"]
    with lines(place.url, 2) as made:
        made[0].cut()
        endpoints = tuple(line.url for line in made)
        monkeypatch.setattr("synnergy.cli.session.known_network", lambda _home: (chain, endpoints))
        assert place.ok(NOWHERE, "balance", "consumer")["balance"] > 0
        done = run(place.capsys, "--json", "--node", NOWHERE, "chain", "show")
        assert done.json["error"]["code"] == "no_node", "it is about the node that was named"
        monkeypatch.delenv("SYNNERGY_NODE")
        shown = place.ok(None, "chain", "show")
        assert (shown["chain_id"], shown["node"]) == (chain, made[1].url)
        monkeypatch.setattr(
            "synnergy.cli.session.known_network", lambda _home: ("x-" + "0" * 32, endpoints)
        )
        done = run(
            place.capsys, "--json", "--home", place.home, "--node", NOWHERE, "balance", "consumer"
        )
    assert done.json["error"]["code"] == "wrong_chain"


def test_events_are_followed_from_address_to_address(place: Place) -> None:
    from synnergy.client.api import Node

    with lines(place.url, 2) as made, Node(named(*made)) as node:
        place.ok(place.url, "transfer", "consumer", 1, "--from", "operator")
        with node.events(follow=True, names=("ledger.transferred",)) as stream:
            first = next(stream)
            made[0].cut()
            place.ok(place.url, "transfer", "consumer", 2, "--from", "operator")
            rest = [next(stream)]
            while rest[-1].attributes["amount"] != "2":
                rest.append(next(stream))
    ids = [event.id for event in (first, *rest)]
    assert len(set(ids)) == len(ids)
