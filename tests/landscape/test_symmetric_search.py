"""Critical points in fixed-point spaces of class permutations."""

import numpy as np
import pytest

from sphereufm.landscape.points import CriticalFamily, CriticalPointKind, embed
from sphereufm.landscape.symmetric_search import symmetric_critical_points
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.problem.theory.theorems import global_minimum
from sphereufm.problem.ufm import UFMProblem


def check(problem, found):
    """Every entry is critical for the problem itself, and the global minimiser is there."""
    isolated = [entry for entry in found.critical if not isinstance(entry, CriticalFamily)]
    assert found.critical[0].cost == pytest.approx(global_minimum(problem), rel=1e-10)
    assert found.critical[0].kind is CriticalPointKind.GLOBAL_MINIMUM
    for entry in isolated:
        assert entry.rank <= problem.dim
        assert float(relative_gradient_norm(problem.at(embed(entry.X, problem.dim)))) <= 1e-9
    return isolated


def test_points_of_the_spaces_are_critical_for_the_problem():
    problem = UFMProblem(class_sizes=(3, 3, 3), dim=4, tau=1)
    found = symmetric_critical_points(problem)
    isolated = check(problem, found)
    costs = [entry.cost for entry in isolated]
    # with equal samples the landscape of one sample a class is inside
    for cost in (0.3689811, 0.7851513, 1.0741167, 2.4125711):
        assert np.abs(np.array(costs) - cost).min() < 1e-6
    assert set(found.coverage) == {"S_3", "S_2 x S_1", "S_1 x S_1 x S_1"}


@pytest.mark.slow
def test_ten_classes_of_five_samples():
    problem = UFMProblem(class_sizes=(5,) * 10, dim=11, tau=1)
    found = symmetric_critical_points(problem)
    assert len(found.coverage) == 14
    assert all(c.unseen_bound <= 0.05 for c in found.coverage.values())
    check(problem, found)
