"""`synnergy tensor`: the engine on its own, without any ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from synnergy import tensor
from synnergy.cli.command import InputFile, command, group
from synnergy.cli.reply import Reply, listing, plain, reply, table
from synnergy.cli.session import Session
from synnergy.client.failures import ClientError, WrongUse
from synnergy.client.inputs import read_inputs
from synnergy.client.models import read_model
from synnergy.client.outputs import check_output_path, to_lists, write_outputs
from synnergy.tensor.inputs import input_types
from synnergy.tensor.kernels.runtime import MAX_THREADS
from synnergy.tensor.kernels.selection import KERNELS, NoKernels, chosen, verdict_of
from synnergy.tensor.loader import Model, parse
from synnergy.tensor.types import Array, Graph, GraphInput, Problem

File = Annotated[
    Path,
    typer.Argument(metavar="FILE.onnx", exists=True, dir_okay=False, help="A model."),
]


Kernel = Annotated[
    str,
    typer.Option(
        "--kernel",
        metavar="PATH",
        help=f"What computes: {', '.join(KERNELS)}, or a build by its name.",
    ),
]


def add_to(app: typer.Typer) -> None:
    tensors = group("The bit-exact tensor engine, without a ledger.")
    command(tensors, "run")(run)
    command(tensors, "check")(check)
    command(tensors, "selftest")(selftest)
    app.add_typer(tensors, name="tensor")


def run(
    session: Session,
    file: File,
    source: InputFile,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the outputs to an .npz or .json, too."),
    ] = None,
    kernel: Kernel = "auto",
    threads: Annotated[
        int,
        typer.Option(
            "--threads", metavar="N", min=1, max=MAX_THREADS, help="How many threads compute."
        ),
    ] = 1,
) -> Reply:
    """Run a model on an input, bit for bit as a ledger would, whatever computes it."""
    del session
    if out is not None:
        check_output_path(out)
    content = read_model(file)
    try:
        model = parse(content)
        arrays = _read_inputs(source, model.graph)
        shapes = {name: array.shape for name, array in arrays.items()}
        input_types(model.graph, shapes)
        outputs = tensor.load(content, shapes=shapes).execute(arrays, _path(kernel), threads)
    except tensor.Unsupported as unsupported:
        raise ClientError(
            "unsupported_model", f"{file}: {unsupported}", unsupported=_rows(unsupported.problems)
        ) from None
    except tensor.BadInput as bad:
        raise ClientError("bad_input", f"{source}: {bad}") from None
    if out is not None:
        write_outputs(out, outputs)
    lists = to_lists(outputs)
    return reply({"outputs": lists}, listing(lists))


def check(session: Session, file: File) -> Reply:
    """Say whether a ledger would take a model: its inputs, outputs, cost, every unsupported node.

    Fails if there is something that a ledger would refuse.
    """
    del session
    content = read_model(file)
    model: Model | None = None
    try:
        model = parse(content)
        plan = tensor.load(content, tensor.LEDGER_LIMITS)
    except tensor.Unsupported as unsupported:
        return _refused(file, _described(model), unsupported.problems)
    work = plan.cost.work
    fields: dict[str, Any] = {
        **_described(model),
        "cost": {
            "macs": work.macs,
            "elements": work.elements,
            "functions": work.functions,
            "steps": work.steps,
        },
        "memory": plan.cost.memory,
        "nodes": plan.cost.nodes,
    }
    problems = plan.ledger_problems()
    if problems:
        return _refused(file, fields, problems)
    summary = {
        "inputs": ", ".join(f"{entry['name']} {entry['dtype']}" for entry in fields["inputs"]),
        "outputs": ", ".join(fields["outputs"]),
        "a row takes": f"{work.macs:,} multiply-adds, {work.elements:,} element operations,"
        f" {work.functions:,} function values, {work.steps:,} steps",
        "memory": f"{plan.cost.memory:,} bytes",
    }
    fields["unsupported"] = []
    return reply(fields, plain(f"{file}: a ledger takes it"), listing(summary))


def _read_inputs(source: Path, graph: Graph) -> dict[str, Array]:
    """The inputs that a run must give, or those with a value of their own, too."""
    required = _required(graph)
    try:
        return read_inputs(source, required)
    except ClientError:
        if len(required) == len(graph.inputs):
            raise
        return read_inputs(source, graph.inputs)


def selftest(session: Session, kernel: Kernel = "auto") -> Reply:
    """Compute every recorded case on each path of this machine and compare the digests.

    auto takes all paths: the reference and every build of the kernels that runs here.
    """
    # Its cases come with the onnx package's own tests, which are slow to import.
    from synnergy.tensor.selftest import check as proof

    paths = proof.paths_here(_path(kernel))
    report = proof.check(paths, proof.cases(), proof.recorded(), session.say)
    verdicts = [verdict_of(path) for path in paths if path != "reference"]
    wrong = [verdict for verdict in verdicts if verdict.wrong]
    fields: dict[str, Any] = {
        "held": report.held and not wrong,
        "cases": report.cases,
        "paths": [
            {
                "path": path.name,
                "equal": path.equal,
                "different": path.different,
                "nodes": path.nodes,
                "by_kernels": path.lowered,
            }
            for path in report.paths
        ],
        "not_recorded": report.unknown,
        "not_run": report.missing,
        "vectors": {verdict.name: verdict.reason or "held" for verdict in verdicts},
    }
    rows = [
        (path.name, path.equal, len(path.different), f"{path.lowered:,} of {path.nodes:,}")
        for path in report.paths
    ]
    shown = table(("path", "equal", "different", "nodes run by kernels"), rows)
    if fields["held"]:
        most = max((path.equal for path in report.paths if path.name != "reference"), default=0)
        said = [plain(f"{report.cases:,} cases have the recorded bits on every path here")]
        if 0 < most < report.cases:
            rest = report.cases - most
            said.append(plain(f"{rest:,} of them depend on values: the reference alone runs them"))
        return reply(fields, shown, *said)
    reasons = [f"{verdict.name} {verdict.reason}" for verdict in wrong]
    reasons += [
        f"{path.name} differs in {len(path.different)}, first {path.different[0]}"
        for path in report.paths
        if path.different
    ]
    for what, names in (("not recorded", report.unknown), ("not run", report.missing)):
        if names:
            reasons.append(f"{len(names)} cases are {what}, first {names[0]}")
    code, message = "selftest_failed", "; ".join(reasons)
    fields["error"] = {"code": code, "message": message, "rule": "TENSOR-64"}
    return Reply(fields, (shown,), (code, message))


def _path(kernel: str) -> str:
    """A kernel path that is to be had here."""
    try:
        chosen(kernel)
    except ValueError as error:
        raise WrongUse("bad_kernel", str(error)) from None
    except NoKernels as error:
        raise ClientError("no_kernels", str(error)) from None
    return kernel


def _required(graph: Graph) -> list[GraphInput]:
    """Inputs that a run must give: those without a value of their own."""
    return [entry for entry in graph.inputs if entry.name not in graph.initializers]


def _described(model: Model | None) -> dict[str, Any]:
    """What a parsed model declares; nothing where it can't even be parsed."""
    empty: dict[str, Any] = {"inputs": [], "outputs": [], "cost": None, "memory": None}
    if model is None:
        return empty
    inputs = [
        {"name": entry.name, "dtype": entry.dtype, "shape": entry.shape}
        for entry in _required(model.graph)
    ]
    return {**empty, "inputs": inputs, "outputs": list(model.graph.outputs)}


def _refused(file: Path, fields: dict[str, Any], problems: tuple[Problem, ...]) -> Reply:
    rows = _rows(problems)
    code, message = "unsupported_model", f"{file}: {len(rows)} nodes cannot be computed"
    error = {"code": code, "message": message, "rule": "MKT-4"}
    shown = table(
        ("operator", "node", "why"),
        [(row["operator"], row["node"], row["reason"]) for row in rows],
    )
    return Reply({**fields, "unsupported": rows, "error": error}, (shown,), (code, message))


def _rows(problems: tuple[Problem, ...]) -> list[dict[str, str]]:
    return [
        {"node": problem.node, "operator": problem.operator, "reason": problem.reason}
        for problem in problems
    ]
