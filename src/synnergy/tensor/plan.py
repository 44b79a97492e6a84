"""READ FIRST in this package: from ONNX bytes to a checked plan, its cost, and its results."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from synnergy.tensor.casts import canonicalise
from synnergy.tensor.compiled import (
    Compiled,
    HostNode,
    Kernelled,
    Ready,
    compile_graph,
    threads_within,
)
from synnergy.tensor.dynamic import DynamicScope, contents, run_dynamic
from synnergy.tensor.encoding import NamedTensor
from synnergy.tensor.environment import check_environment, quiet
from synnergy.tensor.execution import ArrayScope, run_nodes
from synnergy.tensor.inference import (
    Inference,
    Specialised,
    infer_main,
    value_of,
)
from synnergy.tensor.inputs import check_arrays, check_values, input_types, unit_types
from synnergy.tensor.kernels.runtime import MAX_THREADS, Prepared, Runtime
from synnergy.tensor.kernels.selection import runtime_of
from synnergy.tensor.limits import DEFAULT_LIMITS, Limits
from synnergy.tensor.liveness import LifetimeCache, every_graph
from synnergy.tensor.loader import Model, parse
from synnergy.tensor.types import (
    Array,
    BadInput,
    GraphInput,
    MapsType,
    Node,
    Problem,
    Refuse,
    TensorType,
    Unsupported,
    Work,
)

#: Element types of a ledger's inputs. TENSOR-2
LEDGER_DTYPES = ("float32", "float64", "int32", "int64", "bool", "string")

_REMEMBERED = 4
#: Signatures (kernel, threads, names, types and shapes) whose runs skip every check of them.
_READY = 8


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run at batch size 1 takes: work, peak bytes with weights, nodes in the file."""

    work: Work
    memory: int
    nodes: int


def load(
    onnx_bytes: bytes,
    limits: Limits = DEFAULT_LIMITS,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> Plan:
    """Parse and check a model at batch size 1, or at `shapes` for the inputs named there.

    Raises Unsupported with every problem: of the file, of each node, or of memory.
    """
    model = parse(onnx_bytes, limits)
    plan = Plan(model, limits)
    plan.check(shapes or {})
    return plan


class Plan:
    """A model that this engine can run. Made by `load`; for any number of threads."""

    def __init__(self, model: Model, limits: Limits) -> None:
        self.model = model
        self.limits = limits
        self._lifetimes = LifetimeCache()
        self._specialised: OrderedDict[tuple[tuple[str, tuple[int, ...]], ...], Specialised]
        self._specialised = OrderedDict()
        self._kernelled: dict[str, Kernelled] = {}
        self._ready: dict[tuple[object, ...], Ready] = {}
        self._large: list[tuple[Ready, Prepared]] = []
        self._lock = threading.RLock()
        self._dynamic: tuple[Problem, ...] = ()
        self._cost = Cost(Work(), 0, 0)

    @property
    def inputs(self) -> tuple[GraphInput, ...]:
        """Declared inputs, in order; those with an initializer may be left out of a run."""
        return self.model.graph.inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.model.graph.outputs

    @property
    def cost(self) -> Cost:
        return self._cost

    @property
    def static(self) -> bool:
        """Whether every cost follows from input shapes alone."""
        return not self._dynamic

    def check(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Specialise at batch size 1 and keep the cost. Raises Unsupported. TENSOR-44"""
        types = unit_types(self.model.graph, shapes)
        inference = Inference(self.limits, self._lifetimes)
        specialised = self._infer(inference, types)
        nodes = sum(len(graph.nodes) for graph in every_graph(self.model.graph))
        self._dynamic = tuple(inference.dynamic)
        self._cost = Cost(specialised.work, specialised.memory, nodes)
        if specialised.memory > self.limits.memory:
            reason = f"it needs {specialised.memory} bytes at once, above {self.limits.memory}"
            raise Unsupported([Problem("", "model", reason)])

    def specialise(self, shapes: Mapping[str, tuple[int, ...]]) -> Specialised:
        """The plan at these input shapes. Raises BadInput where the inputs' shapes don't fit,
        Unsupported where a node can't be computed at them."""
        types = input_types(self.model.graph, shapes)
        key = tuple(sorted((name, kind.shape) for name, kind in types.items()))
        with self._lock:
            known = self._specialised.get(key)
            if known is not None:
                self._specialised.move_to_end(key)
                return known
        known = self._infer(Inference(self.limits, self._lifetimes), types)
        with self._lock:
            self._specialised[key] = known
            if len(self._specialised) > _REMEMBERED:
                self._specialised.popitem(last=False)
        return known

    @quiet
    def _infer(self, inference: Inference, types: Mapping[str, TensorType]) -> Specialised:
        try:
            specialised = infer_main(inference, self.model.graph, types)
        except Refuse as refusal:
            raise Unsupported([Problem("", "model", str(refusal))]) from refusal
        if inference.problems:
            raise Unsupported(tuple(inference.problems))
        return specialised

    def check_inputs(self, arrays: Mapping[str, Array], allow_missing: bool = False) -> None:
        """Raise BadInput, naming the input, unless these arrays fit the model. TENSOR-45

        With `allow_missing` NaN may stand for a missing value; infinities never may.
        """
        check_arrays(self.model.graph, arrays)
        check_values(arrays, allow_missing)

    def ledger_problems(self) -> tuple[Problem, ...]:
        """Why the model can't be invoked on a ledger, although it runs here. TENSOR-2"""
        problems = [
            Problem(f"input {entry.name!r}", "model", f"element type {entry.dtype} isn't accepted")
            for entry in self.inputs
            if entry.dtype not in LEDGER_DTYPES
        ]
        return (*problems, *self._dynamic)

    def execute(
        self, arrays: Mapping[str, Array], kernel: str = "auto", threads: int = 1
    ) -> list[NamedTensor]:
        """Named results with their types, NaN canonicalised, in the order of `outputs`.

        `kernel` chooses a path of KERNELS, `threads` how many compute; neither changes a bit.
        Raises BadInput where the arrays don't fit or an operator can't compute their values,
        Unsupported where a node can't be computed at their shapes, NoKernels where the path
        isn't to be had here.
        """
        signature = (kernel, threads, *[(n, a.dtype, a.shape) for n, a in arrays.items()])
        ready = self._ready.get(signature)
        if ready is None or ready.texts:
            check_arrays(self.model.graph, arrays)  # the contents of texts, too
        if ready is None:
            runtime = runtime_of(kernel)
            if runtime is None or not self.static:
                return self._run_reference(arrays)
            shapes = {name: array.shape for name, array in arrays.items()}
            ready = self._make_ready(signature, shapes, runtime, threads)
        if ready is None:
            return self._run_reference(arrays)
        try:
            return ready.run(arrays, self.model.graph, self._lifetimes)
        except MemoryError:  # WASM addresses less than there may be
            return self._run_reference(arrays)

    @quiet
    def _run_reference(self, arrays: Mapping[str, Array]) -> list[NamedTensor]:
        check_environment()
        results = self._run_static(arrays) if self.static else self._run_dynamic(arrays)
        check_environment()
        return [(name, kind, _owned(array)) for name, kind, array in results]

    def _make_ready(
        self,
        signature: tuple[object, ...],
        shapes: Mapping[str, tuple[int, ...]],
        runtime: Runtime,
        threads: int,
    ) -> Ready | None:
        if not 1 <= threads <= MAX_THREADS:
            raise ValueError(f"{threads} threads: 1 to {MAX_THREADS} may compute")
        with self._lock:
            compiled = self._compiled(shapes, runtime)
            if compiled is None:
                return None
            threads = threads_within(compiled.program, threads)
            texts = any(entry.dtype == "string" for entry in self.inputs)
            session = self._kernelled[runtime.name].session
            ready = Ready(compiled, session, threads, texts, self._large)
            while len(self._ready) >= _READY:
                del self._ready[next(iter(self._ready))]
            self._ready[signature] = ready
        return ready

    def left_to_reference(
        self, shapes: Mapping[str, tuple[int, ...]], kernel: str = "auto"
    ) -> tuple[Node, ...]:
        """The nodes that kernels don't run at these input shapes, in order; bits are the same."""
        runtime = runtime_of(kernel)
        if runtime is None or not self.static:
            return self.model.graph.nodes
        with self._lock:
            compiled = self._compiled(shapes, runtime)
        if compiled is None:
            return self.model.graph.nodes
        return tuple(part.node for part in compiled.parts if isinstance(part, HostNode))

    def _compiled(
        self, shapes: Mapping[str, tuple[int, ...]], runtime: Runtime
    ) -> Compiled | None:
        """The programs at these input shapes, made or remembered; the lock is held.

        None where none can be made: the reference, which always can, gives the same bits.
        """
        graph = self.model.graph
        specialised = self.specialise(shapes)
        kernelled = self._kernelled.get(runtime.name)
        if kernelled is not None and specialised in kernelled.compiled:
            return kernelled.compiled[specialised]
        if kernelled is None or kernelled.outgrown:
            kernelled = self._begin_anew(runtime)
        kernelled.forget(set(self._specialised.values()))
        try:
            compiled = compile_graph(
                graph,
                specialised,
                input_types(graph, shapes),
                self._lifetimes,
                kernelled.session,
                kernelled.weights,
                self.limits.memory,
            )
        except (ArithmeticError, LookupError, MemoryError, TypeError, ValueError) as error:
            if not isinstance(error, MemoryError):
                reason = f"kernels are not used for a model: {type(error).__name__}: {error}"
                warnings.warn(reason, RuntimeWarning, stacklevel=2)
            kernelled = self._begin_anew(runtime)  # the weights are half made
            compiled = None
        kernelled.compiled[specialised] = compiled
        return compiled

    def _begin_anew(self, runtime: Runtime) -> Kernelled:
        """Let go of all weights and programs of a build; runs that go on keep theirs."""
        old = self._kernelled.get(runtime.name)
        if old is not None:
            for signature, ready in list(self._ready.items()):
                if ready.session is old.session:
                    del self._ready[signature]
            self._large.clear()
        new = self._kernelled[runtime.name] = Kernelled(runtime.session())
        return new

    def _run_static(self, arrays: Mapping[str, Array]) -> list[NamedTensor]:
        specialised = self.specialise({name: array.shape for name, array in arrays.items()})
        graph = self.model.graph
        scope = ArrayScope(self._lifetimes, None, graph, {**specialised.constants, **arrays})
        run_nodes(scope, specialised.folded, specialised.types)
        return [(name, kind, scope.lookup(name)) for name, kind in specialised.outputs]

    def _run_dynamic(self, arrays: Mapping[str, Array]) -> list[NamedTensor]:
        inference = Inference(self.limits, self._lifetimes)
        values = {name: value_of(array) for name, array in arrays.items()}
        scope = DynamicScope(inference, None, self.model.graph, {**values})
        run_dynamic(scope)
        results: list[NamedTensor] = []
        for name in self.outputs:
            value = scope.lookup(name)
            if value is None:
                raise BadInput(f"the value {name!r} is missing")
            results.append((name, value.type, contents(scope, name)))
        return results

    def run(
        self, arrays: Mapping[str, Array], kernel: str = "auto", threads: int = 1
    ) -> dict[str, Array | list[dict[Any, Any]]]:
        """`execute` for people: maps become a list of {label: number}, one for each row."""
        return {
            name: maps_of(kind, array) if isinstance(kind, MapsType) else array
            for name, kind, array in self.execute(arrays, kernel, threads)
        }


def _owned(array: Array) -> Array:
    """A result of its own, not a view of a weight or an input, with the one NaN. TENSOR-4"""
    return canonicalise(np.array(array, order="C"))


def maps_of(kind: MapsType, array: Array) -> list[dict[Any, Any]]:
    """The rows of ZipMap's output as dictionaries."""
    return [dict(zip(kind.labels, row, strict=True)) for row in array.tolist()]
