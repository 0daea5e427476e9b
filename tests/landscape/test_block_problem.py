"""The cost on fixed-point spaces: against the restriction of the full problem, and its own Hessian."""

import numpy as np
import pytest

from sphereufm.landscape.search.eigenvector_following import follow_eigenvectors
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.problem.fixed_spaces.spaces import fixed_point_spaces
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.problem.ufm import UFMProblem
from sphereufm.spectra.matrix import DenseHessian, hessian_matrix

PROBLEMS = [
    UFMProblem(class_sizes=(2,) * 5, dim=6, tau=2),
    UFMProblem(class_sizes=(3, 3, 0, 0, 1), dim=6, tau=1),
    UFMProblem(class_sizes=(1,) * 4, dim=5, tau=60),
]


def spaces():
    return [(problem, space) for problem in PROBLEMS for space in fixed_point_spaces(problem)]


@pytest.mark.parametrize(("problem", "space"), spaces(), ids=lambda v: getattr(v, "name", None))
def test_agrees_with_the_restriction_of_the_full_problem(problem, space):
    small, restricted = space.problem, space.restricted
    assert small.spheres == restricted.spheres
    Y = small.spheres.random_point(0, (3,))
    U = small.spheres.random_tangent(1, Y)
    mine, reference = small.at(Y), restricted.at(Y)
    np.testing.assert_allclose(mine.cost, reference.cost, rtol=1e-12)
    np.testing.assert_allclose(mine.gradient, reference.gradient, atol=1e-12 * problem.tau)
    np.testing.assert_allclose(mine.gradient_scale, reference.gradient_scale, rtol=1e-10)
    images = reference.hessian_product(U)
    np.testing.assert_allclose(mine.hessian_product(U), images, atol=1e-12 * problem.tau**2)


def test_whole_hessian_agrees_with_its_products():
    space = list(fixed_point_spaces(PROBLEMS[0]))[2]
    Y = space.problem.spheres.random_point(0, (2,))
    point = space.restricted.at(Y)
    by_products = hessian_matrix(space.restricted, Y)
    np.testing.assert_allclose(space.problem.at(Y).tangent_hessian(), by_products, atol=1e-12)
    assert isinstance(DenseHessian(by_products), DenseHessian)
    assert point.X is Y


def test_small_costs_keep_their_digits():
    """The collapsed point at tau = 30: five classes in one block."""
    problem = UFMProblem(class_sizes=(2,) * 5, dim=6, tau=30)
    space = next(iter(fixed_point_spaces(problem)))
    Y = np.zeros(space.problem.spheres.shape)
    Y[space.problem.space.common] = 1.0
    X = space.expand(Y)
    assert float(space.problem.at(Y).cost) == pytest.approx(np.log1p(4 * np.exp(-37.5)), rel=1e-12)
    inner = problem.in_dimension(X.shape[0])
    assert float(relative_gradient_norm(inner.at(X))) < 1e-12


@pytest.mark.parametrize("target", [1, 2, 3])
def test_starts_led_to_an_index_stay_in_the_space_and_converge(target):
    """Blocks of one class use fewer coordinates than others; a step must leave the rest alone."""
    space = list(fixed_point_spaces(UFMProblem(class_sizes=(1,) * 4, dim=5, tau=1)))[1]
    problem = space.problem
    assert space.name == "S_3 x S_1"
    starts = problem.spheres.random_point(0, (40,))
    led = follow_eigenvectors(problem, starts, np.full(40, target))
    assert not led[:, ~problem.spheres.mask.astype(bool)].any()
    assert find_critical_points(problem, led, tolerance=1e-12).converged.mean() > 0.9
