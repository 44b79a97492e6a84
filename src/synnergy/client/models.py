"""Reading an ONNX file for publication, or as a receipt's model: the same bytes both times.

External data is embedded and local functions are inlined, because a validator refuses both; a file
that needs neither is taken byte for byte (CLIENT-11). The file may come from anyone: external data
is read from inside the model's own folder only, and functions are counted before they are inlined.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import onnx
import onnx.inliner
from google.protobuf.message import DecodeError, EncodeError

from synnergy.client.failures import ClientError
from synnergy.client.home import read_file
from synnergy.tensor.limits import DEFAULT_LIMITS
from synnergy.tensor.wire_scan import scan

MAX_MODEL_BYTES = DEFAULT_LIMITS.model_bytes
MAX_NODES = DEFAULT_LIMITS.nodes
MAX_GRAPH_DEPTH = 16


def read_model(path: Path) -> bytes:
    """The bytes to publish of the model at `path`. ClientError names what cannot be."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise _bad(path, error.strerror or str(error)) from None
    if size > MAX_MODEL_BYTES:
        raise _bad(path, f"it has {size} bytes, at most {MAX_MODEL_BYTES} are taken")
    content = read_file(path)
    scanned = scan(content, DEFAULT_LIMITS.fields)
    if scanned.problem:
        raise _bad(path, scanned.problem)
    if scanned.fields > DEFAULT_LIMITS.fields:
        raise _bad(path, f"the file has more than {DEFAULT_LIMITS.fields} fields")
    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError:
        raise _bad(path, "it is not an ONNX model") from None
    external = [tensor for tensor in _tensors(model) if _is_external(tensor)]
    if not external and not len(model.functions):
        return content
    _embed(path, external, len(content))
    if len(model.functions):
        model = _inline(path, model)
    try:
        published = model.SerializeToString(deterministic=True)
    except (EncodeError, ValueError) as error:
        raise _bad(path, f"it is too large as one file: {error}") from None
    if len(published) > MAX_MODEL_BYTES:
        raise _bad(path, f"as one file it has {len(published)} bytes, above {MAX_MODEL_BYTES}")
    return published


def _bad(path: Path, why: str) -> ClientError:
    return ClientError("bad_model_file", f"{path}: {why}")


def _is_external(tensor: Any) -> bool:
    return tensor.data_location == onnx.TensorProto.EXTERNAL


def _tensors(model: Any) -> Iterator[Any]:
    """Every tensor of the model: initializers and attributes, in functions and subgraphs too."""
    yield from _graph_tensors(model.graph, 0)
    for function in model.functions:
        yield from _node_tensors(function.node, 0)
        yield from _attribute_tensors(function.attribute_proto, 0)


def _graph_tensors(graph: Any, depth: int) -> Iterator[Any]:
    if depth > MAX_GRAPH_DEPTH:
        return  # the checker refuses such a model; nothing in it is worth embedding
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _node_tensors(graph.node, depth)


def _node_tensors(nodes: Iterable[Any], depth: int) -> Iterator[Any]:
    for node in nodes:
        yield from _attribute_tensors(node.attribute, depth)


def _attribute_tensors(attributes: Iterable[Any], depth: int) -> Iterator[Any]:
    for attribute in attributes:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for sparse in (*attribute.sparse_tensors, attribute.sparse_tensor):
            yield from (sparse.values, sparse.indices)
        if attribute.HasField("g"):
            yield from _graph_tensors(attribute.g, depth + 1)
        for graph in attribute.graphs:
            yield from _graph_tensors(graph, depth + 1)


def _embed(path: Path, tensors: list[Any], size: int) -> None:
    """Put external data into its tensors; `size` is what the model has without them."""
    for tensor in tensors:
        fields = {entry.key: entry.value for entry in tensor.external_data}
        file = _inside(path, tensor.name, fields.get("location", ""))
        offset = _number(path, tensor.name, fields.get("offset", "0"))
        available = file.stat().st_size - offset
        length = _number(path, tensor.name, fields.get("length", str(max(available, 0))))
        size += length
        if length > available:
            raise _bad(path, f"tensor {tensor.name!r}: {file.name} is too short")
        if size > MAX_MODEL_BYTES:
            raise _bad(path, f"with its external data it is above {MAX_MODEL_BYTES} bytes")
        with file.open("rb") as opened:
            opened.seek(offset)
            data = opened.read(length)
        tensor.raw_data = data
        del tensor.external_data[:]
        tensor.ClearField("data_location")


def _inside(path: Path, tensor: str, location: str) -> Path:
    """The file that a location names: relative, below the model's folder, no link on the way."""
    parts = location.replace("\\", "/").split("/")
    if not location or location.startswith("/") or os.path.isabs(location) or ":" in parts[0]:
        raise _bad(path, f"tensor {tensor!r}: its data lies at {location!r}, not a relative path")
    if any(part in ("", "..") for part in parts):
        raise _bad(path, f"tensor {tensor!r}: its data lies at {location!r}, outside the folder")
    file = path.resolve().parent
    for part in parts:
        file = file / part
        if file.is_symlink():
            raise _bad(path, f"tensor {tensor!r}: its data lies behind the link {file}")
    if not file.is_file():
        raise _bad(path, f"tensor {tensor!r}: its data file {location!r} is missing")
    return file


def _number(path: Path, tensor: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise _bad(path, f"tensor {tensor!r}: {text!r} is not an offset or length")
    return int(text)


def _inline(path: Path, model: Any) -> Any:
    """The model with its local functions inlined, after counting what that makes."""
    count = _inlined_nodes(path, model)
    if count > MAX_NODES:
        raise _bad(path, f"inlining its functions makes {count} nodes, at most {MAX_NODES}")
    try:
        inlined = onnx.inliner.inline_local_functions(model)
    except (RuntimeError, ValueError) as error:
        raise _bad(path, f"its functions cannot be inlined: {error}") from None
    if len(inlined.functions):
        left = ", ".join(sorted({function.name for function in inlined.functions}))
        raise _bad(
            path,
            f"its functions {left} are not of the model's own opset and cannot be inlined;"
            " export it again with a single target opset",
        )
    return inlined


def _inlined_nodes(path: Path, model: Any) -> int:
    """How many nodes inlining makes: functions that call each other double at every level."""
    functions = {(f.domain, f.name, f.overload): f for f in model.functions}
    known: dict[tuple[str, str, str], int] = {}
    open_calls: set[tuple[str, str, str]] = set()

    def count_nodes(nodes: Iterable[Any]) -> int:
        return sum(count_node(node) for node in nodes)

    def count_node(node: Any) -> int:
        total = 1
        for attribute in node.attribute:
            graphs = [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]
            total += sum(count_nodes(graph.node) for graph in graphs)
        key = (node.domain, node.op_type, node.overload)
        return total + count_function(key) if key in functions else total

    def count_function(key: tuple[str, str, str]) -> int:
        if key in open_calls:
            raise _bad(path, f"its function {key[1]!r} calls itself")
        if key not in known:
            open_calls.add(key)
            known[key] = count_nodes(functions[key].node)
            open_calls.remove(key)
        return known[key]

    try:
        return count_nodes(model.graph.node)
    except RecursionError:
        raise _bad(path, "its functions nest too deeply") from None
