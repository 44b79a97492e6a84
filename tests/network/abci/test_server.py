"""The server as CometBFT meets it, from a client that writes bytes."""

from __future__ import annotations

import os
import socket
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from synnergy.engines.abci import abci_pb2 as abci
from synnergy.engines.abci import connection
from synnergy.engines.abci.frames import MalformedMessage, encode_frame
from synnergy.engines.abci.server import AbciServer, SocketInUse
from tests.network.abci.support import (
    Client,
    Held,
    Noting,
    check_tx,
    flush,
    info,
    query,
    served,
)
from tests.network.abci.test_messages import REQUESTS
from tests.network.support import eventually


class Blocking(Noting):
    """Stays in FinalizeBlock until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.held = Held()

    def finalize_block(self, request: abci.RequestFinalizeBlock) -> abci.ResponseFinalizeBlock:
        self.held.wait()
        return super().finalize_block(request)


class Failing(Noting):
    def commit(self, request: abci.RequestCommit) -> abci.ResponseCommit:
        raise OSError(28, "No space left on device")


FINALIZE = abci.Request(finalize_block=abci.RequestFinalizeBlock(txs=[b"t"], height=1))
COMMIT = abci.Request(commit=abci.RequestCommit())

# -- answers --


def test_each_request_has_its_own_answer(tmp_path: Path) -> None:
    """ABCI-1: every message but ExtendVote, which is a fault."""
    handler = Noting()
    with served(tmp_path, handler) as at_hand:
        client = at_hand.connect()
        for name, message, _ in REQUESTS:
            if name != "extend_vote":
                answer = client.ask(abci.Request(**{name: message}))  # type: ignore[arg-type]
                assert answer.WhichOneof("value") == name
    own = {"echo", "flush", "verify_vote_extension", "extend_vote"}
    assert handler.asked == [name for name, _, _ in REQUESTS if name not in own]
    assert at_hand.faults == []


def test_answers_come_in_the_order_of_the_requests(tmp_path: Path) -> None:
    """ABCI-2, ABCI-3: with flushes, queries and echoes between transactions."""
    handler = Noting()
    requests: list[abci.Request] = []
    for number in range(3000):
        requests.append(check_tx(b"%d" % number))
        if number % 7 == 0:
            requests.append(flush())
        if number % 501 == 0:
            requests.append(query(b"%d" % number))
        if number % 997 == 0:
            requests.append(abci.Request(echo=abci.RequestEcho(message=str(number))))
    with served(tmp_path, handler) as at_hand:
        client = at_hand.connect()
        sender = threading.Thread(target=client.send, args=requests)
        sender.start()
        answers = client.receive(len(requests))
        sender.join()
    for request, answer in zip(requests, answers, strict=True):
        name = request.WhichOneof("value")
        assert answer.WhichOneof("value") == name
        if name == "check_tx":
            assert answer.check_tx.data == request.check_tx.tx
        elif name == "query":
            assert answer.query.key == request.query.data
        elif name == "echo":
            assert answer.echo.message == request.echo.message


def test_transactions_that_arrive_together_are_checked_together(tmp_path: Path) -> None:
    """ABCI-3: flushes between them part nothing; another request does."""
    handler = Noting()
    one = encode_frame(check_tx(b"t").SerializeToString())
    flushed = encode_frame(flush().SerializeToString())
    with served(tmp_path, handler) as at_hand:
        client = at_hand.connect()
        client.socket.sendall((one + flushed) * 20 + encode_frame(b"\x5a\x00") + one * 3)
        assert len(client.receive(44)) == 44
        assert sum(handler.batches) == 23 and len(handler.batches) <= 4
        handler.batches.clear()
        client.socket.sendall(one * 1000)
        assert len(client.receive(1000)) == 1000
    assert sum(handler.batches) == 1000
    assert max(handler.batches) <= connection.CHECKED_TOGETHER


def test_requests_may_come_byte_by_byte(tmp_path: Path) -> None:
    with served(tmp_path, Noting()) as at_hand:
        client = at_hand.connect()
        for byte in encode_frame(info("chopped" * 30).SerializeToString()):
            client.socket.sendall(bytes([byte]))
        assert client.receive(1)[0].info.data == "chopped" * 30


def test_a_block_of_many_megabytes(tmp_path: Path) -> None:
    """Longer than what may wait: the limit is on requests that wait, not on one."""
    txs = [bytes([number % 256]) * 1_000_000 for number in range(20)]
    with served(tmp_path, Noting()) as at_hand:
        client = at_hand.connect()
        request = abci.RequestPrepareProposal(txs=txs, max_tx_bytes=21 << 20)
        sender = threading.Thread(
            target=client.send, args=[abci.Request(prepare_proposal=request)]
        )
        sender.start()
        answer = client.receive(1)[0]
        sender.join()
        assert list(answer.prepare_proposal.txs) == txs


def test_a_query_is_answered_while_a_block_is_executed(tmp_path: Path) -> None:
    """ABCI-2: so is a snapshot's chunk, and transactions go on being checked."""
    handler = Blocking()
    with served(tmp_path, handler) as at_hand:
        consensus = at_hand.connect()
        consensus.send(FINALIZE, flush())
        assert handler.held.reached.wait(60)
        others = {
            "query": query(),
            "load_snapshot_chunk": abci.Request(
                load_snapshot_chunk=abci.RequestLoadSnapshotChunk(height=1)
            ),
            "check_tx": check_tx(b"t"),
        }
        for name, request in others.items():
            assert at_hand.connect().ask(request).WhichOneof("value") == name
        assert "finalize_block" not in handler.asked
        handler.held.release()
        names = [answer.WhichOneof("value") for answer in consensus.receive(2)]
        assert names == ["finalize_block", "flush"]


def test_a_flush_waits_for_the_answers_before_it(tmp_path: Path) -> None:
    """ABCI-2: also one that arrives alone, which an idle server answers at once."""
    handler = Blocking()
    with served(tmp_path, handler) as at_hand:
        client = at_hand.connect()
        assert client.ask(flush()).HasField("flush")
        client.send(FINALIZE)
        assert handler.held.reached.wait(60)
        client.send(flush())
        client.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.receive(1)
        client.socket.settimeout(60)
        handler.held.release()
        names = [answer.WhichOneof("value") for answer in client.receive(2)]
        assert names == ["finalize_block", "flush"]


def test_vote_extensions_are_refused(tmp_path: Path) -> None:
    """ABCI-7"""
    with served(tmp_path, Noting()) as at_hand:
        client = at_hand.connect()
        verify = abci.RequestVerifyVoteExtension(hash=b"h", vote_extension=b"e")
        answer = client.ask(abci.Request(verify_vote_extension=verify))
        refused = abci.ResponseVerifyVoteExtension.REJECT
        assert answer.verify_vote_extension.status == refused
        client.send(abci.Request(extend_vote=abci.RequestExtendVote(height=9)))
        assert [found.WhichOneof("value") for found in client.rest()] == ["exception"]
        assert "height 9" in str(at_hand.fault())


# -- faults --


def test_an_exception_of_the_handler_ends_everything(tmp_path: Path) -> None:
    """ABCI-4: what was answered before stands; then the exception, then nothing, to anyone."""
    handler = Failing()
    with served(tmp_path, handler) as at_hand:
        other = at_hand.connect()
        other.ask(info())
        client = at_hand.connect()
        client.send(info("before"), COMMIT, info("after"))
        first, second, *more = client.rest()
        assert first.info.data == "before"
        assert "No space left" in second.exception.error
        assert more == []
        assert other.rest() == []
        assert isinstance(at_hand.fault(), OSError)
        with pytest.raises(OSError):
            Client(at_hand.server.path).ask(info())
    assert handler.asked == ["info", "info"]
    assert len(at_hand.faults) == 1


def test_a_fault_is_told_once(tmp_path: Path) -> None:
    """ABCI-4: the first; no answer follows it on a connection that was at work meanwhile."""

    class Doomed(Blocking):
        def finalize_block(self, request: abci.RequestFinalizeBlock) -> abci.ResponseFinalizeBlock:
            super().finalize_block(request)
            raise RuntimeError("a second fault")

    handler = Doomed()
    with served(tmp_path, handler) as at_hand:
        busy = at_hand.connect()
        busy.send(FINALIZE)
        assert handler.held.reached.wait(60)
        at_hand.connect().socket.sendall(b"\x01\xff")
        assert isinstance(at_hand.fault(), MalformedMessage)
        handler.held.release()
        assert busy.rest() == []
        at_hand.server.stop()
    assert handler.asked == ["finalize_block"]
    assert len(at_hand.faults) == 1


class Wrong(Noting):
    """Answers with what belongs to another request, or with too little."""

    def commit(self, request: abci.RequestCommit) -> Any:
        return abci.ResponseInfo()

    def query(self, request: abci.RequestQuery) -> Any:
        return None

    def check_txs(self, requests: Any) -> list[abci.ResponseCheckTx]:
        return super().check_txs(requests)[1:]


@pytest.mark.parametrize(
    ("request_", "what"),
    [
        (COMMIT, "commit was answered by ResponseInfo"),
        (query(), "NoneType"),
        (check_tx(b"t"), "1 CheckTx had 0 answers"),
    ],
)
def test_a_wrong_answer_is_a_fault(tmp_path: Path, request_: abci.Request, what: str) -> None:
    """ABCI-4"""
    with served(tmp_path, Wrong()) as at_hand:
        client = at_hand.connect()
        client.send(request_)
        assert what in client.rest()[0].exception.error
        assert what in str(at_hand.fault())


@pytest.mark.parametrize("encoded", ["ffffffffffff", "00", "0142", "023a00", "0442020a05"])
def test_what_is_no_request_is_a_fault(tmp_path: Path, encoded: str) -> None:
    """ABCI-4"""
    with served(tmp_path, Noting()) as at_hand:
        client = at_hand.connect()
        client.socket.sendall(bytes.fromhex(encoded))
        assert [found.WhichOneof("value") for found in client.rest()] == ["exception"]
        assert isinstance(at_hand.fault(), MalformedMessage)


def test_a_message_that_is_too_long_is_a_fault(tmp_path: Path) -> None:
    """ABCI-5: told by its length, without waiting for the rest."""
    with served(tmp_path, Noting(), max_message_bytes=5000) as at_hand:
        client = at_hand.connect()
        assert client.ask(check_tx(b"x" * 4990)).HasField("check_tx")
        client.socket.sendall(encode_frame(bytes(5001))[:2])
        assert "at most 5000" in client.rest()[0].exception.error
        assert "5001" in str(at_hand.fault())


def test_a_query_that_is_no_text_is_refused_and_no_fault(tmp_path: Path) -> None:
    """ABCI-4: anyone who reaches CometBFT's RPC can ask it (`/abci_query?path=0xff`)."""
    with served(tmp_path, Noting()) as at_hand:
        client = at_hand.connect()
        client.socket.sendall(bytes.fromhex("0532031201ff"))
        refused, following = client.receive(1)[0], client.ask(query(b"next"))
        assert refused.query.code == 1 and refused.query.codespace == "abci"
        assert following.query.key == b"next"
    assert at_hand.faults == []


# -- pace --


def test_requests_are_not_read_without_bound(tmp_path: Path, monkeypatch: Any) -> None:
    """ABCI-5: while the handler is behind, what a client may send ends; then all is answered."""
    monkeypatch.setattr(connection, "MAX_WAITING_BYTES", 100_000)
    handler = Blocking()
    with served(tmp_path, handler) as at_hand:
        client = at_hand.connect()
        client.send(FINALIZE)
        assert handler.held.reached.wait(60)
        frame = encode_frame(check_tx(bytes(1000)).SerializeToString())
        client.socket.settimeout(1)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 50_000_000:
                sent += client.socket.send(frame[sent % len(frame) :])
        assert 100_000 < sent < 10_000_000
        client.socket.settimeout(60)
        handler.held.release()
        whole = 1 + sent // len(frame)
        assert len(client.receive(whole)) == whole
    assert at_hand.faults == []


def test_answers_are_not_made_without_bound(tmp_path: Path) -> None:
    """ABCI-5: while nobody reads them the handler is not asked for more."""

    class Chunks(Noting):
        def load_snapshot_chunk(
            self, request: abci.RequestLoadSnapshotChunk
        ) -> abci.ResponseLoadSnapshotChunk:
            self.asked.append("load_snapshot_chunk")
            return abci.ResponseLoadSnapshotChunk(chunk=bytes(2_000_000))

    handler = Chunks()
    with served(tmp_path, handler) as at_hand:
        client = at_hand.connect()
        load = abci.RequestLoadSnapshotChunk(height=1)
        client.send(*[abci.Request(load_snapshot_chunk=load)] * 100)
        eventually(lambda: handler.asked, "the first chunk")
        seen = -1
        while seen != len(handler.asked):
            seen = len(handler.asked)
            time.sleep(0.3)
        assert seen < 20
        assert len(client.receive(100)) == 100


# -- coming and going --


def test_what_a_client_left_behind_is_not_begun(tmp_path: Path) -> None:
    """ABCI-6: and a new client waits for the call that the old one had begun."""
    handler = Blocking()
    with served(tmp_path, handler) as at_hand:
        old = at_hand.connect()
        old.send(FINALIZE)
        assert handler.held.reached.wait(60)
        old.send(COMMIT)
        old.close()
        new = at_hand.connect()
        new.send(info("again"))
        new.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            new.receive(1)
        assert handler.asked == []
        new.socket.settimeout(60)
        handler.held.release()
        assert new.receive(1)[0].info.data == "again"
    assert handler.asked == ["finalize_block", "info"]
    assert at_hand.faults == []


def test_a_client_may_go_at_any_moment(tmp_path: Path) -> None:
    """ABCI-6: within a length, within a message, with answers unread; none of it is a fault."""
    frame = encode_frame(check_tx(bytes(500)).SerializeToString())
    with served(tmp_path, Noting()) as at_hand:
        for ending in (b"", frame[:1], frame[:2], frame[:200], frame * 5000):
            client = at_hand.connect()
            client.socket.settimeout(0.3)
            with suppress(TimeoutError):  # the server reads no more while its answers are unread
                client.socket.sendall(ending)
            client.close()
        assert at_hand.connect().ask(info("well")).info.data == "well"
    assert at_hand.faults == []


def test_stopping_is_quick_and_final(tmp_path: Path) -> None:
    handler = Noting()
    with served(tmp_path, handler) as at_hand:
        clients = [at_hand.connect() for _ in range(4)]
        for client in clients:
            client.ask(info())
        begin = time.monotonic()
        at_hand.server.stop()
        assert time.monotonic() - begin < 5
        assert [client.rest() for client in clients] == [[]] * 4
        assert not at_hand.server.path.exists()
        with pytest.raises(OSError):
            Client(at_hand.server.path)
        at_hand.server.stop()
    assert not [thread for thread in threading.enumerate() if "abci" in thread.name]


def test_stopping_waits_for_the_call_at_hand(tmp_path: Path) -> None:
    """Or the store would be closed under it."""
    handler = Blocking()
    with served(tmp_path, handler) as at_hand:
        client = at_hand.connect()
        client.send(FINALIZE, COMMIT)
        assert handler.held.reached.wait(60)
        stopping = threading.Thread(target=at_hand.server.stop)
        stopping.start()
        assert client.rest() == []
        assert stopping.is_alive()
        handler.held.release()
        stopping.join(60)
        assert not stopping.is_alive()
    assert handler.asked == ["finalize_block"]


def test_a_fault_may_stop_the_server(tmp_path: Path) -> None:
    stopped = threading.Event()

    def on_fault(error: BaseException) -> None:
        server.stop()
        stopped.set()

    server = AbciServer(tmp_path / "abci.sock", Failing(), on_fault)
    server.start()
    client = Client(server.path)
    client.send(COMMIT)
    assert "No space left" in client.rest()[0].exception.error
    server.stop()  # from here too, at the same time
    assert stopped.wait(60)
    assert not server.path.exists()
    client.close()


def test_a_server_that_never_started_may_be_stopped(tmp_path: Path) -> None:
    AbciServer(tmp_path / "abci.sock", Noting(), print).stop()


# -- the socket --


def test_only_its_owner_reaches_the_socket(tmp_path: Path) -> None:
    """ABCI-8"""
    with served(tmp_path / "new", Noting()) as at_hand:
        path = at_hand.server.path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    """ABCI-8: one that a killed node left behind."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "abci.sock"))
    with served(tmp_path, Noting()) as at_hand:
        assert at_hand.connect().ask(info("new")).info.data == "new"


def test_a_socket_that_is_served_is_left_alone(tmp_path: Path) -> None:
    """ABCI-8"""
    with served(tmp_path, Noting()) as at_hand:
        with pytest.raises(SocketInUse, match="another node"):
            AbciServer(at_hand.server.path, Noting(), print).start()
        assert at_hand.connect().ask(info("old")).info.data == "old"


@pytest.mark.parametrize("kind", ["file", "link"])
def test_another_file_is_left_alone(tmp_path: Path, kind: str) -> None:
    """ABCI-8"""
    path, kept = tmp_path / "abci.sock", tmp_path / "kept"
    kept.write_text("precious")
    if kind == "link":
        path.symlink_to(kept)
    else:
        os.link(kept, path)
    with pytest.raises(SocketInUse, match="no socket"):
        AbciServer(path, Noting(), print).start()
    assert path.read_text() == "precious"


def test_a_path_that_is_too_long_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="107 bytes"):
        AbciServer(tmp_path / ("x" * 108), Noting(), print).start()
