"""Running a node: store, genesis, engine and HTTP in one process, stopped cleanly (API-10)."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import lmdb
import msgspec
import uvicorn
from msgspec import Meta

from synnergy import __version__
from synnergy.api.app import create_app
from synnergy.api.logs import BadLogSetting, node_log
from synnergy.api.node import Node
from synnergy.api.streams import STREAMING
from synnergy.chain.application import Application, BadNode
from synnergy.chain.dump import stored_height
from synnergy.chain.genesis import BadGenesis, Genesis, decode_genesis_file
from synnergy.chain.versions import upgrade_warning
from synnergy.engines.abci.server import SocketInUse
from synnergy.engines.cometbft.engine import CometEngine
from synnergy.engines.cometbft.files import (
    BadFiles,
    Layout,
    NodeSettings,
    load_settings,
    read_identity,
    without_blocks,
)
from synnergy.engines.cometbft.joining import CannotJoin, begin_with
from synnergy.engines.cometbft.process import NoCometBFT, find_cometbft
from synnergy.engines.solo import SoloEngine
from synnergy.gas.schedule import BrokenSchedule
from synnergy.identity.keys import KeyPair
from synnergy.opcodes.plans import use_threads
from synnergy.state.store import DEFAULT_MAP_BYTES, Store, StoreFull, StoreLocked
from synnergy.tensor.environment import WrongEnvironment
from synnergy.tensor.kernels.selection import chosen
from synnergy.wire.codec import read_json

DATA = "data"
GENESIS = "genesis.json"
NODE_KEY = "node_key.json"

#: Requests that are still running get this long, in seconds, once the node is told to stop.
GRACE_SECONDS = 10
#: Streams are over by then, unless their clients take nothing.
STREAM_GRACE_SECONDS = 1.0
#: Threads evaluate policies, which need a stack of a known size (POL-12); only address space.
STACK_BYTES = 16 * 1024 * 1024

BACKLOG = 2048

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_log = logging.getLogger(__name__)


class ServeError(Exception):
    """The node cannot be started; the message is one sentence for people."""


class EngineEnded(ServeError):
    """The engine ended while the node ran, and the node with it."""


class _NodeKey(msgspec.Struct, frozen=True):
    """`node_key.json`: the seed of the key that signs headers."""

    seed: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


def serve(
    home: Path,
    listen: str,
    on_ready: Callable[[str], None],
    map_size: int = DEFAULT_MAP_BYTES,
    *,
    state_sync: bool = False,
    tensor_threads: int = 1,
) -> None:
    """Run the node of `home` until SIGTERM or SIGINT, then finish the block at hand and return.

    `listen` is HOST:PORT, with port 0 for any free one; `on_ready` gets the URL once requests are
    answered; the store holds at most `map_size` bytes; with `state_sync` a validator that has no
    blocks begins with a snapshot of the other members'; `tensor_threads` compute one inference.
    Raises ServeError where the node cannot start. In a thread other than the main one signals are
    not heard, and only the end of the process ends it.
    """
    host, port = parse_listen(listen)

    def ready(url: str) -> None:
        _log.info("ready", extra={"url": url})
        on_ready(url)

    threading.stack_size(STACK_BYTES)
    use_threads(tensor_threads)
    with ExitStack() as stack:
        try:
            stack.enter_context(node_log())
        except BadLogSetting as error:
            raise ServeError(str(error)) from error
        _try_kernels()
        ended = _Ended()
        node = stack.enter_context(open_node(home, map_size, ended, state_sync=state_sync))
        listener = stack.enter_context(bind(host, port))
        app = create_app(node)
        config = uvicorn.Config(
            app,
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        server = _Server(config, ready, lambda: app.state.streams.end())
        ended.watch(server)
        server.run([listener])
    if ended.why is not None:
        raise EngineEnded(ended.why)


def _try_kernels() -> None:
    """Try builds of the kernels until one may be used, and tell of those that may not."""
    try:
        kernels = chosen()
    except WrongEnvironment as error:
        raise ServeError(f"models can't be run in this process: {error}") from error
    for verdict in kernels.passed_over:
        if verdict.wrong:
            _log.warning("kernels_not_used", extra={"build": verdict.name, "why": verdict.reason})
    _log.info("kernels", extra={"build": kernels.name, "vectors": kernels.vectors})


class _Ended:
    """Stops the server where the engine ended, before the server runs or while it does."""

    def __init__(self) -> None:
        self.why: str | None = None
        self._server: uvicorn.Server | None = None
        self._lock = threading.Lock()

    def __call__(self, why: str) -> None:
        with self._lock:
            self.why = why
            if self._server is not None:
                self._server.should_exit = True

    def watch(self, server: uvicorn.Server) -> None:
        with self._lock:
            self._server = server
            server.should_exit = self.why is not None


def _ignore(_: str) -> None:
    """Of an engine that cannot end by itself."""


@contextmanager
def open_node(
    home: Path,
    map_size: int = DEFAULT_MAP_BYTES,
    on_end: Callable[[str], None] = _ignore,
    *,
    state_sync: bool = False,
) -> Generator[Node]:
    """The running node of a home: its engine makes blocks until the context ends.

    `on_end` is told why where the engine ends before that.
    """
    genesis = _read_genesis(home / GENESIS)
    # What it lacks is told before there is a store.
    validator = _read_validator(home) if genesis.validators else None
    threads = ThreadPoolExecutor(os.cpu_count() or 1, "verifier")
    with _open_store(home / DATA, map_size) as store, threads as verifiers:
        try:
            application = Application(store, genesis, verifiers)
        except (BadNode, BadGenesis, BrokenSchedule) as error:
            raise ServeError(f"this node cannot serve {home}: {error}") from error
        except (StoreFull, lmdb.Error) as error:
            raise ServeError(str(error)) from error
        if validator is None:
            engine = SoloEngine(application, _read_key(home / NODE_KEY, genesis))
            engine.start()
        else:
            engine = _start_validator(validator, application, on_end, state_sync)
        about = {"chain_id": application.chain_id, "version": __version__, "pid": os.getpid()}
        _log.info("started", extra=about | _head(application))
        warning = upgrade_warning(application.journal())
        if warning:
            _log.warning("upgrade", extra={"reason": warning})
        try:
            if isinstance(engine, CometEngine):
                yield Node(application, engine, engine.relay, engine.proofs)
            else:
                yield Node(application, engine)
        finally:
            engine.stop()
            _log.info("stopped", extra=_head(application))


@dataclass(frozen=True, slots=True)
class _Validator:
    """What a validator's home and machine have for its engine."""

    layout: Layout
    settings: NodeSettings
    binary: Path


def _read_validator(home: Path) -> _Validator:
    layout = Layout(home)
    try:
        height = 0 if layout.blocks.exists() else stored_height(home / DATA)
    except (OSError, ValueError, lmdb.Error) as error:
        raise ServeError(f"the store {home / DATA} cannot be opened: {error}") from error
    if height:
        raise ServeError(without_blocks(layout, height))
    try:
        settings = load_settings(layout)
        read_identity(layout)
        return _Validator(layout, settings, find_cometbft())
    except (BadFiles, NoCometBFT) as error:
        raise ServeError(str(error)) from error


def _start_validator(
    validator: _Validator,
    application: Application,
    on_end: Callable[[str], None],
    state_sync: bool,
) -> CometEngine:
    layout, settings = validator.layout, validator.settings
    try:
        sync = begin_with(application, settings) if state_sync or settings.state_sync else None
        engine = CometEngine(application, layout, settings, validator.binary, on_end, sync)
        engine.start()
    except (BadFiles, CannotJoin, NoCometBFT, SocketInUse) as error:
        raise ServeError(str(error)) from error
    except (OSError, ValueError) as error:
        raise ServeError(f"this node cannot listen for its CometBFT: {error}") from error
    return engine


def _head(application: Application) -> dict[str, object]:
    return {"height": application.height, "app_hash": application.app_hash.hex()}


def parse_listen(listen: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, an IPv6 host in brackets. Raises ServeError else."""
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    valid = port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) < 65_536
    if not colon or not host or not valid:
        raise ServeError(f"{listen!r} is not HOST:PORT, as in 127.0.0.1:7070")
    return host, int(port)


def _read_genesis(path: Path) -> Genesis:
    try:
        return decode_genesis_file(path.read_bytes())
    except FileNotFoundError as error:
        raise ServeError(
            f"there is no ledger in {path.parent}; `synnergy init` makes one"
        ) from error
    except OSError as error:
        raise ServeError(f"{path} cannot be read: {error.strerror}") from error
    except BadGenesis as error:
        raise ServeError(f"{path}: {error}") from error


def _read_key(path: Path, genesis: Genesis) -> KeyPair:
    try:
        seed = read_json(path.read_bytes(), _NodeKey).seed
    except OSError as error:
        raise ServeError(f"{path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Without the decoder's words, which could quote what is meant to be secret.
        raise ServeError(f'{path} is not {{"seed": 64 hex digits}}') from None
    signer = KeyPair.from_seed(bytes.fromhex(seed))
    if signer.public_key.hex() != genesis.signer:
        raise ServeError(f"the key in {path} is not the one that the genesis lets sign blocks")
    return signer


@contextmanager
def _open_store(path: Path, map_size: int) -> Generator[Store]:
    try:
        store = Store.open(path, map_size=map_size)
    except (StoreLocked, StoreFull, ValueError) as error:
        raise ServeError(str(error)) from error
    except (OSError, lmdb.Error) as error:
        raise ServeError(f"the store {path} cannot be opened: {error}") from error
    try:
        yield store
    finally:
        store.close()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
        # With its protocol named, unlike create_server's, so that the event loop sends small
        # answers at once instead of after the client's delayed acknowledgement.
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
        return listener
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or error
        raise ServeError(
            f"cannot listen on {host}:{port}: {said}; another node may be running there,"
            " --listen chooses another address"
        ) from error


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it is ready and does not end by the signal it caught."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_ready: Callable[[str], None],
        on_stop: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            self._on_ready(_url(sockets[0]))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Streams have no end of their own that could be waited for.
        self._on_stop()
        asyncio.get_running_loop().call_later(STREAM_GRACE_SECONDS, self._cut_streams)
        await super().shutdown(sockets)

    def _cut_streams(self) -> None:
        """Drop the connections of streams whose clients don't even take the end."""
        connections: list[Any] = list(self.server_state.connections)
        for connection in connections:
            if connection.cycle is not None and STREAMING in connection.cycle.scope:
                connection.transport.abort()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
