"""Costs with rotations and without reflections: orbits, mirror images, indices and what is said of them."""

from fractions import Fraction

import autograd.numpy as anp
import numpy as np
import pymanopt
import pytest

from sphereufm import connect_landscape, from_pymanopt, load_report, trace_branches, verify_landscape
from sphereufm.certify.expressions import Cost, thomson
from sphereufm.cli.options import problem_from_file
from sphereufm.errors import InvalidInputError
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.problem.expressions.expression_problem import ExpressionProblem

PROPER = SymmetryGroup.rotations(3, reflections=False)


def triple_product(symmetry=PROPER):
    cost = Cost(dim=3, columns=3)
    return ExpressionProblem(instance=cost.instance(cost.det(0, 1, 2)), symmetry=symmetry)


def pymanopt_triple_product():
    manifold = pymanopt.manifolds.Oblique(3, 3)
    cost = pymanopt.function.autograd(manifold)(lambda X: anp.linalg.det(X))
    gradient = pymanopt.function.numpy(manifold)(lambda X: np.cross(X[:, [1, 2, 0]].T, X[:, [2, 0, 1]].T).T)

    def product(X, U):
        first, second = [1, 2, 0], [2, 0, 1]
        return (np.cross(U[:, first].T, X[:, second].T) + np.cross(X[:, first].T, U[:, second].T)).T

    hessian = pymanopt.function.numpy(manifold)(product)
    bare = pymanopt.Problem(manifold, cost, euclidean_gradient=gradient, euclidean_hessian=hessian)
    return from_pymanopt(bare, PROPER)


@pytest.mark.parametrize("make", [triple_product, pymanopt_triple_product])
def test_every_orbit_of_a_triple_product_is_found_with_its_index(make):
    """Left- and right-handed frames, and four lines; Morse-Bott: indices add up to the Euler number 8 of (S^2)^3."""
    report = verify_landscape(make(), effort="quick", starts=90)
    found = [(round(row.cost, 9) + 0.0, row.rank, row.morse_index, row.nullity) for row in report.critical]
    assert found == [(-1.0, 3, 0, 0), *[(0.0, 1, 2, 0)] * 4, (1.0, 3, 3, 0)]
    assert report.rank_one.orbits == report.rank_one.listed == 4
    # an orbit of lines is a sphere of Euler number two, one of frames a group of Euler number zero
    assert sum((-1) ** row.morse_index * 2 for row in report.critical if row.rank == 1) == 8
    assert [row.spectrum.orbit_dimension for row in report.critical] == [3, 2, 2, 2, 2, 3]


def test_a_mirror_joined_with_an_exchange_of_columns_is_a_generator(tmp_path):
    mirror = (np.diag([-1.0, 1.0, 1.0]), [1, 0, 2])
    group = SymmetryGroup.generated([mirror, [1, 2, 0]], dim=3, columns=3, special_orthogonal=True)
    report = verify_landscape(triple_product(group), effort="quick", starts=90)
    found = sorted((round(row.cost, 9) + 0.0, row.permutation_copies) for row in report.critical)
    assert found == [(-1.0, 1), (0.0, 1), (0.0, 3), (1.0, 1)]
    report.save(tmp_path / "landscape.json")
    again = load_report(tmp_path / "landscape.json").problem.symmetry
    assert (again.is_proper, again.finite.order) == (True, group.finite.order)


@pytest.mark.parametrize(
    ("symmetry", "tetrahedra"),
    [
        (SymmetryGroup.rotations(4, reflections=False), 2),
        (SymmetryGroup.rotations(4), 1),
        (SymmetryGroup.full(4, reflections=False), 1),
    ],
)
def test_mirror_images_are_two_rows_unless_a_permutation_undoes_the_mirror(symmetry, tetrahedra):
    problem = ExpressionProblem(instance=thomson(4), symmetry=symmetry)
    report = verify_landscape(problem, effort="quick", starts=60)
    assert sum(row.morse_index == 0 for row in report.critical) == tetrahedra


def test_a_file_declares_rotations_and_what_they_change_is_refused(tmp_path):
    path = tmp_path / "cost.toml"
    path.write_text('dim = 3\ncolumns = 3\nsymmetry = "rotations"\ncost = "det(0, 1, 2)"\n')
    assert problem_from_file(path).symmetry.is_proper
    report = verify_landscape(problem_from_file(path), effort="quick", starts=12, prove=True)
    assert any("SO(d) was declared" in note for note in report.notes)
    for text, message in (
        ('"rotations"\ncost = """det(0, 1, 2)\n+ x(0, 0)"""', "under a rotation"),
        ('"rotations and columns"\ncost = "det(0, 1, 2)"', "under the permutation of columns"),
        ('"none"\ncost = "det(0, 1)"', "needs 3"),
    ):
        path.write_text(f"dim = 3\ncolumns = 3\nsymmetry = {text}\n")
        with pytest.raises(InvalidInputError, match=message):
            problem_from_file(path)
    with pytest.raises(InvalidInputError, match="reflections=False"):
        triple_product(SymmetryGroup.rotations(3))


def test_branches_and_descents_follow_orbits_of_rotations():
    """``-<x, y> - s det(x, y)`` is ``-sqrt(1 + s^2) cos`` of an angle between two circles modulo rotations."""

    def pair(s):
        cost = Cost(dim=2, columns=2)
        instance = cost.instance(-cost.gram(0, 1) - cost.det(0, 1) * Fraction(s))
        return ExpressionProblem(instance=instance, symmetry=SymmetryGroup.rotations(2, reflections=False))

    report = trace_branches(pair, 0.5, 1.0, effort="quick")
    ends = sorted((b.points[0].cost, b.points[-1].cost) for b in report.branches)
    assert ends == [pytest.approx((-(1.25**0.5), -(2**0.5))), pytest.approx((1.25**0.5, 2**0.5))]
    connections = connect_landscape(verify_landscape(pair(1), effort="quick", starts=8)).connections
    assert {(edge.source, edge.target) for edge in connections.edges} == {(1, 0)}
