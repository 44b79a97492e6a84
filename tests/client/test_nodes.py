"""Several nodes as if they were one: who is asked, when, and who is not believed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from synnergy.client import members, nodes
from synnergy.client.api import Node
from synnergy.client.failures import ClientError, NodeUnavailable, NothingSent, WrongUse
from synnergy.client.home import Home, known_network
from tests.client.fleet import CHAIN, Answer, Fake, connect, dead, ok, problem, silent

PENDING = {"transaction": "aa", "status": "pending"}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(members, "CATCH_UP_SECONDS", 0.3)
    monkeypatch.setattr(members, "CATCH_UP_PAUSE", 0.01)


def account(balance: int) -> Answer:
    fields = {"address": "syn1x", "balance": balance, "nonce": 2, "registered": True}
    return lambda _request: ok(fields)


def says(status: int, code: str = "c", **details: str) -> Answer:
    return lambda _request: problem(status, code, **details)


def fleet(*answers: Answer) -> list[Fake]:
    return [Fake(f"n{number}", answer) for number, answer in enumerate(answers)]


# ---- reading (CLIENT-21) ------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [dead, silent])
def test_reading_goes_on_to_the_next_and_stays_there(trouble) -> None:
    one, two = fleet(account(1), account(2))
    client = connect(one, two)
    assert client.account("syn1x").balance == 1 and two.looks == 0
    one.before = trouble
    assert [client.account("syn1x").balance for _ in range(3)] == [2, 2, 2]
    assert client.url == two.url
    one.before = lambda _request: None
    assert client.account("syn1x").balance == 2


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_node_that_asks_to_come_back_is_left_for_another(status: int) -> None:
    one, two = fleet(says(status), account(2))
    assert connect(one, two).account("syn1x").balance == 2
    assert len(one.asked) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"balance": "many"}', b"\xff"])
def test_an_answer_that_is_none_is_asked_of_another(body: bytes) -> None:
    one, two = fleet(lambda _request: httpx.Response(200, content=body), account(2))
    assert connect(one, two).account("syn1x").balance == 2
    page = lambda _request: httpx.Response(404, content=b"<html>")  # noqa: E731
    one, two = fleet(page, account(2))
    assert connect(one, two).account("syn1x").balance == 2


def test_a_refusal_is_an_answer() -> None:
    one, two = fleet(says(400, "bad_address"), account(2))
    with pytest.raises(ClientError) as refused:
        connect(one, two).account("syn1x")
    assert refused.value.code == "bad_address" and two.asked == []


def test_what_the_state_lacks_is_lacking_everywhere() -> None:
    one, two = fleet(says(404, "not_found"), account(2))
    assert connect(one, two).find_model("aa") is None and two.asked == []


@pytest.mark.parametrize("state", ["halted", "catching_up"])
def test_a_node_that_stands_badly_is_asked_last(state: str) -> None:
    one, two = fleet(account(1), account(2))
    setattr(one, state, True)
    client = connect(one, two)
    assert client.account("syn1x").balance == 2 and one.asked == []
    two.before = dead
    assert client.account("syn1x").balance == 1


def test_a_node_that_comes_to_a_halt_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "STANDING_SECONDS", 0.0)
    one, two = fleet(account(1), account(2))
    client = connect(one, two)
    assert client.account("syn1x").balance == 1
    one.halted = True
    assert client.account("syn1x").balance == 2


def test_all_that_failed_are_named() -> None:
    one, two, three = fleet(account(1), account(2), account(3))
    one.before, two.before, three.before = dead, silent, dead
    with pytest.raises(NodeUnavailable) as gone:
        connect(one, two, three).account("syn1x")
    assert gone.value.code == "no_answer"
    for fake in (one, two, three):
        assert fake.url in gone.value.message


def test_one_node_alone_is_asked_for_nothing_else() -> None:
    (one,) = fleet(account(1))
    connect(one).account("syn1x")
    assert one.looks == 0 and one.asked == ["GET /v1/accounts/syn1x"]
    one.before = dead
    with pytest.raises(NodeUnavailable):
        connect(one).account("syn1x")


def test_addresses_that_are_none() -> None:
    for url in ("", ",", "http://a,node", "http://a,,ftp://b"):
        with pytest.raises(WrongUse):
            Node(url)
    one, two = fleet(account(1), account(2))
    client = Node(
        f" {one.url}/ , {one.url},",
        httpx.MockTransport(two.respond),
        fallbacks=("nonsense", "", "ftp://x", two.url),
        chain_id=CHAIN,
    )
    assert client.account("syn1x").balance == 2


# ---- one chain ----------------------------------------------------------------------------------


def test_a_fallback_of_another_chain_is_refused() -> None:
    one, two = fleet(account(1), account(2))
    one.before, two.chain = dead, "other-" + "00" * 16
    with pytest.raises(NodeUnavailable) as refused:
        connect(one, two, named=1).account("syn1x")
    assert refused.value.code == "wrong_chain" and two.asked == []
    assert two.chain in refused.value.message


def test_nodes_of_two_chains_are_never_mixed() -> None:
    one, two, three = fleet(account(1), account(2), account(3))
    two.chain = "other-" + "00" * 16
    client = connect(one, two, three)
    assert client.account("syn1x").balance == 1
    one.before = dead
    assert [client.account("syn1x").balance for _ in range(2)] == [3, 3]
    assert two.asked == [] and two.looks == 1


def test_the_node_that_was_named_says_which_chain_is_meant() -> None:
    one, two = fleet(account(1), account(2))
    one.chain = "other-" + "00" * 16
    client = connect(one, two, named=1)
    assert client.account("syn1x").balance == 1
    one.before = dead
    with pytest.raises(NodeUnavailable):
        client.account("syn1x")
    assert two.asked == []


# ---- never older than what was seen (CLIENT-22) -------------------------------------------------


def test_a_node_behind_is_waited_for() -> None:
    one, two = fleet(account(1), account(2))
    one.height, two.height = 12, 10
    client = connect(one, two)
    client.account("syn1x")
    one.before = dead

    def grow(_request: httpx.Request) -> None:
        two.height = min(two.height + 1, 12) if two.looks else two.height

    two.before = grow
    assert client.account("syn1x").balance == 2
    assert two.height == 12 and two.looks > 1


def test_a_node_that_is_high_enough_comes_before_one_to_wait_for() -> None:
    one, two, three = fleet(account(1), account(2), account(3))
    one.height, two.height, three.height = 12, 10, 12
    client = connect(one, two, three)
    client.account("syn1x")
    one.before = dead
    assert client.account("syn1x").balance == 3 and two.asked == []


def test_a_node_that_grows_is_stayed_with() -> None:
    one, two = fleet(account(1), account(2))
    client = connect(one, two)
    for height in range(10, 15):
        one.height = two.height = height
        assert client.account("syn1x").balance == 1
    assert one.looks == 1 and two.looks == 0


def test_older_state_is_refused_after_a_while_and_a_lie_does_not_last() -> None:
    one, two = fleet(account(1), account(2))
    one.height = 2**53 - 1
    client = connect(one, two)
    client.account("syn1x")
    one.before = dead
    begun = time.monotonic()
    with pytest.raises(NodeUnavailable) as behind:
        client.account("syn1x")
    assert time.monotonic() - begun < 3
    assert behind.value.code == "behind" and two.asked == []
    assert client.account("syn1x").balance == 2


@pytest.mark.parametrize("height", ["", "-1", "9" * 400, "½", "0x10", "1e9", "٣"])
def test_a_height_that_is_none_is_ignored(height: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        content = account(1)(request).content
        headers = [(b"Synnergy-Height", height.encode())]
        return httpx.Response(200, headers=headers, content=content)

    one, two = fleet(answer, account(2))
    client = connect(one, two)
    client.account("syn1x")
    one.before = dead
    assert client.account("syn1x").balance == 2


# ---- what only some have (CLIENT-23) ------------------------------------------------------------


def test_all_are_asked_for_what_one_lacks() -> None:
    lacking, having = says(404, "not_found"), lambda _request: httpx.Response(200, content=b"r")
    one, two, three = fleet(lacking, lacking, having)
    two.before = dead
    client = connect(one, two, three)
    assert client.receipt("aa") == b"r"
    with client.artefact_chunks("aa") as chunks:
        assert b"".join(chunks) == b"r"
    assert client.url == one.url, "who lacks a receipt is no worse for anything else"


def test_what_none_has_is_not_found_and_asked_once() -> None:
    one, two = fleet(says(404, "not_found"), says(404, "not_found"))
    client = connect(one, two)
    with pytest.raises(ClientError) as missing:
        client.receipt("aa")
    assert missing.value.code == "not_found"
    assert client.transaction("aa") is None
    assert len(one.asked) == len(two.asked) == 2


def test_an_old_block_may_be_on_a_node_that_is_behind() -> None:
    one, two = fleet(account(1), lambda _request: httpx.Response(200, content=b"r"))
    one.height, two.height = 12, 3
    client = connect(one, two)
    client.account("syn1x")
    one.answer = says(404, "not_found")
    assert client.receipt("aa") == b"r"


def test_a_node_that_is_named_by_another_is_asked() -> None:
    stranger = Fake("stranger", lambda _request: httpx.Response(200, content=b"r"))
    one, two = fleet(says(404, "elsewhere", endpoint=stranger.url), says(404, "not_found"))
    for alone in ((one,), (one, two), (two, one)):
        assert connect(*alone, strangers=(stranger,)).receipt("aa") == b"r"


def test_who_has_it_soon_counts_more_than_who_has_it_not() -> None:
    hint = says(404, "elsewhere", endpoint="http://nobody.test")
    soon, lacking = says(409, "not_yet_signed"), says(404, "not_found")
    for answers in ((soon, hint, lacking), (lacking, hint, soon)):
        with pytest.raises(ClientError) as told:
            connect(*fleet(*answers)).receipt("aa")
        assert told.value.code == "not_yet_signed"


@pytest.mark.parametrize("fault", ["chain", "dead", "lacks", "points_on"])
def test_a_hint_that_leads_nowhere_is_no_answer(fault: str) -> None:
    stranger = Fake("stranger", lambda _request: httpx.Response(200, content=b"r"))
    (one,) = fleet(says(404, "elsewhere", endpoint=stranger.url))
    if fault == "chain":
        stranger.chain = "other-" + "00" * 16
    elif fault == "dead":
        stranger.before = dead
    elif fault == "lacks":
        stranger.answer = says(404, "not_found")
    else:
        stranger.answer = says(404, "elsewhere", endpoint="http://further.test")
    with pytest.raises(ClientError) as missing:
        connect(one, strangers=(stranger,)).receipt("aa")
    assert missing.value.code == "elsewhere"


@pytest.mark.parametrize("endpoint", ["file:///etc/passwd", "nonsense", "", "http://n0.test"])
def test_a_hint_that_is_no_address_is_ignored(endpoint: str) -> None:
    (one,) = fleet(says(404, "elsewhere", endpoint=endpoint))
    with pytest.raises(ClientError) as missing:
        connect(one).receipt("aa")
    assert missing.value.code == "elsewhere" and len(one.asked) == 1


def test_a_signed_request_goes_to_no_stranger() -> None:
    stranger = Fake("stranger", lambda _request: httpx.Response(200, content=b"r"))
    one, two = fleet(says(404, "elsewhere", endpoint=stranger.url), says(404, "not_found"))
    with pytest.raises(ClientError):
        connect(one, two, strangers=(stranger,)).payload("aa", {"X-Synnergy-Key": "k"})
    assert stranger.asked == [] and stranger.looks == 0
    assert [len(fake.asked) for fake in (one, two)] == [1, 1]


# ---- handing over (CLIENT-4) --------------------------------------------------------------------


def taken(_request: httpx.Request) -> httpx.Response:
    return ok(PENDING, 202)


def test_a_transaction_goes_to_the_next_where_nothing_was_taken() -> None:
    one, two, three = fleet(taken, says(429, "busy"), taken)
    one.before = dead
    assert connect(one, two, three).post_transaction(b"x").status == "pending"
    assert len(two.asked) == len(three.asked) == 1


def test_a_broken_line_is_not_answered_with_another_node() -> None:
    def break_off(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("reset", request=request)

    one, two = fleet(break_off, taken)
    with pytest.raises(NodeUnavailable) as gone:
        connect(one, two).post_transaction(b"x")
    assert not isinstance(gone.value, NothingSent) and two.asked == []


def test_a_halted_nodes_envelope_goes_to_another_byte_for_byte() -> None:
    one, two = fleet(says(503, "halted"), taken)
    assert connect(one, two).post_transaction(b"envelope").status == "pending"
    assert [fake.requests[0].read() for fake in (one, two)] == [b"envelope"] * 2


@pytest.mark.parametrize("code", ["replayed", "nonce_too_high"])
def test_what_a_halted_node_may_have_taken_is_not_called_replayed(code: str) -> None:
    one, two = fleet(says(503, "halted"), says(400, code))
    with pytest.raises(NodeUnavailable) as doubt:
        connect(one, two).post_transaction(b"x")
    assert doubt.value.code == "halted" and not isinstance(doubt.value, NothingSent)
    two.answer = says(400, "insufficient_funds")
    with pytest.raises(ClientError) as refused:
        connect(one, two).post_transaction(b"x")
    assert refused.value.code == "insufficient_funds"


def test_a_node_that_catches_up_took_nothing() -> None:
    one, two = fleet(says(503, "catching_up"), says(400, "replayed"))
    with pytest.raises(ClientError) as refused:
        connect(one, two).post_transaction(b"x")
    assert refused.value.code == "replayed"
    for nodes_there in ((one,), (one, fleet(says(503, "catching_up"))[0])):
        with pytest.raises(NothingSent) as refused:
            connect(*nodes_there).post_transaction(b"x")
        assert refused.value.code == "catching_up"


def test_where_no_node_can_be_reached_nothing_was_taken() -> None:
    one, two = fleet(taken, taken)
    one.before, two.before = silent, dead
    with pytest.raises(NothingSent):
        connect(one, two).post_transaction(b"x")
    assert one.asked == two.asked == []


def test_a_node_cannot_say_that_nothing_was_sent() -> None:
    one, two = fleet(says(500, "no_node"), taken)
    with pytest.raises(NodeUnavailable) as doubt:
        connect(one, two).post_transaction(b"x")
    assert not isinstance(doubt.value, NothingSent) and two.asked == []


def test_back_pressure_everywhere_is_told() -> None:
    one, two = fleet(says(429, "busy"), says(429, "busy"))
    with pytest.raises(ClientError) as busy:
        connect(one, two).post_transaction(b"x")
    assert busy.value.code == "busy" and not isinstance(busy.value, NodeUnavailable)
    assert len(one.asked) == len(two.asked) == 2


def test_in_a_block_counts_more_than_pending_and_pending_more_than_dropped() -> None:
    dropped = {"transaction": "aa", "status": "dropped", "why": {"code": "x", "message": "m"}}
    done = {"transaction": "aa", "status": "refused", "height": 4}
    one, two, three = fleet(
        lambda _request: ok(dropped), says(404, "not_found"), lambda _request: ok(done)
    )
    for order in ((one, two, three), (three, one, two), (two, one, three)):
        found = connect(*order).transaction("aa")
        assert found is not None and found.status == "refused"
    found = connect(one, two).transaction("aa")
    assert found is not None and found.status == "dropped" and found.why is not None


# ---- events -------------------------------------------------------------------------------------


def line(height: int) -> bytes:
    event = {
        "id": f"{height}.0.0",
        "height": height,
        "time": 1,
        "transaction": None,
        "index": None,
        "name": "a.b",
        "attributes": {},
    }
    return json.dumps(event).encode() + b"\n"


def test_events_go_on_behind_the_last_at_another_node() -> None:
    def breaking(_request: httpx.Request) -> httpx.Response:
        def body() -> Iterator[bytes]:
            yield line(4) + line(5)
            raise httpx.ReadError("reset")

        return httpx.Response(200, content=body())

    one, two = fleet(breaking, lambda _request: httpx.Response(200, content=line(6)))
    with connect(one, two).events(4) as stream:
        assert [event.height for event in stream] == [4, 5, 6]
    assert two.requests[0].headers["last-event-id"] == "5.0.0"


def test_a_stream_that_ends_everywhere_ends() -> None:
    def ending(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"\n")

    one, two = fleet(ending, ending)
    with connect(one, two).events(follow=True) as stream:
        assert list(stream) == []
    assert len(one.asked) + len(two.asked) == 4


# ---- the home's network -------------------------------------------------------------------------


def test_a_genesis_that_cannot_be_read_names_nobody(tmp_path) -> None:
    home = Home(tmp_path)
    assert known_network(home) == ("", ())
    home.genesis.write_bytes(b"{}")
    assert known_network(home) == ("", ())
