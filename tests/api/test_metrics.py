"""Figures for Prometheus: of committed blocks, in few series, for each server apart (API-11)."""

from __future__ import annotations

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from synnergy.api.app import create_app
from synnergy.api.node import Node
from tests.api.support import CONSUMER, World


def figures(client: TestClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_blocks_are_taken_up_once(world: World) -> None:
    before = figures(world.client)
    results = [
        world.post(world.transfer_of(3)).json()["result"],
        world.post(world.transfer_of(10**15, sender=CONSUMER)).json()["result"],
        world.post(world.transfer_of(4)).json()["result"],
    ]
    after = figures(world.client)

    def grown(name: str, **labels: str) -> float:
        series = (name, tuple(sorted(labels.items())))
        return after[series] - before[series]

    assert [result["status"] for result in results] == ["ok", "refused", "ok"]
    assert grown("synnergy_transactions_total", status="ok") == 2
    assert grown("synnergy_transactions_total", status="refused") == 1
    assert grown("synnergy_gas_used_total") == sum(result["gas_used"] for result in results)
    assert grown("synnergy_height") == grown("synnergy_block_seconds_count") == 3
    assert after["synnergy_height", ()] == world.ledger.application.height
    assert after["synnergy_halted", ()] == 0
    assert (
        figures(world.client)["synnergy_gas_used_total", ()]
        == after["synnergy_gas_used_total", ()]
    )


def test_series_stay_few(world: World) -> None:
    with TestClient(create_app(Node(world.ledger.application, world.engine))) as client:
        for number in range(40):
            client.get(f"/v1/accounts/{number}")
            client.get(f"/nowhere/{number}")
            client.request(f"METHOD{number}", "/v1/chain")
        requests = {
            series: value
            for series, value in figures(client).items()
            if series[0] == "synnergy_http_requests_total"
        }
    assert len(requests) == 3
    assert set(requests.values()) == {40}


def test_each_server_counts_for_itself(world: World) -> None:
    one = create_app(Node(world.ledger.application, world.engine))
    other = create_app(Node(world.ledger.application, world.engine))
    with TestClient(one) as first, TestClient(other) as second:
        first.get("/v1/chain")
        counted = [name for name, _ in figures(second) if name.startswith("synnergy_http")]
    assert "synnergy_http_requests_total" not in counted
