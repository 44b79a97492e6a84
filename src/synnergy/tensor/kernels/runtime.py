"""What a build of the kernels offers: memory that stays between calls, and runs over it."""

from __future__ import annotations

from typing import Protocol, Self

from synnergy.tensor.environment import WrongEnvironment
from synnergy.tensor.kernels.program import Builder, Operand, Program
from synnergy.tensor.kernels.vectors import Replayer
from synnergy.tensor.types import Array, BadInput

#: How many threads may compute one run; `c/program.c` holds as many.
MAX_THREADS = 64


class Prepared(Protocol):
    """One program with a workspace, used by one call at a time: within a `with` block."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def array(self, operand: Operand) -> Array:
        """An operand's place in the workspace or among the weights, to read and to write."""
        ...

    def run(self, begin: int, end: int) -> None:
        """Run the words begin..end. Raises WrongEnvironment and BadInput."""
        ...


class Session(Protocol):
    """The memory of one plan: its weights, resident between calls."""

    def place(self, builder: Builder) -> None:
        """Write the weights that a finished program adds, as its next segment."""
        ...

    def prepare(self, program: Program, threads: int) -> Prepared: ...


class Runtime(Protocol):
    """A build of the kernels on this machine, by name (`native-avx2`, `wasm-relaxed` …)."""

    @property
    def name(self) -> str: ...

    def session(self) -> Session: ...

    def replayer(self) -> Replayer:
        """What vectors are run on, one after the other."""
        ...


_BAD_INPUT = 4
_REASONS = {
    1: "the floating-point environment was changed before the run",
    2: "the floating-point environment changed during the run",
    3: "these kernels don't know a step of the program",
}


def check_status(status: int) -> None:
    """Raise WrongEnvironment or BadInput unless a run ended well. TENSOR-3"""
    if status == _BAD_INPUT:
        raise BadInput("an index or a length is outside its axis")
    if status:
        raise WrongEnvironment(_REASONS.get(status, f"the kernels answered {status}"))
