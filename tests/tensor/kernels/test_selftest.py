"""Every recorded case has the recorded bits, on every path of this machine. TENSOR-64"""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from synnergy.tensor.selftest import check, values
from synnergy.tensor.selftest.models import models
from synnergy.tensor.selftest.node_suite import node_suite
from synnergy.tensor.selftest.operators import operators

OWN = tuple(operators()) + tuple(models())
NAMES = {case.name for case in OWN}


@pytest.mark.parametrize("path", check.paths_here())
def test_every_path_gives_the_recorded_bits(path: str) -> None:
    known = {name: line for name, line in check.recorded().items() if name in NAMES}
    told: list[str] = []
    report = check.check([path], OWN, known, told.append)
    assert told == [] and report.held and report.paths[0].equal == len(OWN)


def test_a_wrong_digest_is_told_with_its_case_and_path() -> None:
    case = next(operators())
    right = check.recorded()[case.name]
    wrong = {case.name: check.Recorded(right.case, "0" * 64)}
    report = check.check(["reference"], [case], wrong)
    assert not report.held and report.paths[0].different == [case.name]


def test_another_case_of_the_name_is_told_and_not_compared() -> None:
    case = next(operators())
    right = check.recorded()[case.name]
    report = check.check(
        ["reference"], [case], {case.name: check.Recorded("0" * 16, right.results)}
    )
    assert report.unknown == [case.name] and not report.held


def test_a_recorded_case_that_is_gone_is_told() -> None:
    case = next(operators())
    known = {case.name: check.recorded()[case.name], "gone": check.Recorded("", "")}
    report = check.check(["reference"], [case], known)
    assert report.missing == ["gone"] and not report.held


def test_values_are_those_of_every_machine() -> None:
    floats = values.ordinary("a", (4,))
    assert floats.tobytes().hex() == "03a71fc097ee8fbfdeac123d2f0246c0"
    hostile = values.hostile("a", (400,))
    assert np.isnan(hostile).sum() > 10 and np.isinf(hostile).sum() > 1
    assert len(np.unique(hostile[np.isnan(hostile)].view(np.uint32))) > 3


def test_node_tests_are_among_the_cases() -> None:
    recorded = check.recorded()
    cases = list(islice(node_suite(), 200))
    shared = [case for case in cases if case.name in recorded]
    assert len(shared) > 100
    assert all(check.case_digest(case) == recorded[case.name].case for case in shared)
