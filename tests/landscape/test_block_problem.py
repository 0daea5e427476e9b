"""The cost on fixed-point spaces: against the restriction of the full problem, and its own Hessian."""

import numpy as np
import pytest

from sphereufm.landscape.search.eigenvector_following import follow_eigenvectors
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.problem.restriction import fixed_point_spaces
from sphereufm.problem.ufm import UFMProblem

PROBLEMS = [
    UFMProblem(class_sizes=(2,) * 5, dim=6, tau=2),
    UFMProblem(class_sizes=(3, 3, 0, 0, 1), dim=6, tau=1),
    UFMProblem(class_sizes=(1,) * 4, dim=5, tau=60),
]


def spaces():
    return [(problem, space) for problem in PROBLEMS for space in fixed_point_spaces(problem)]


@pytest.mark.parametrize(("problem", "space"), spaces(), ids=lambda v: getattr(v, "name", None))
def test_agrees_with_the_full_problem_pulled_back(problem, space):
    small = space.problem
    Y, basis = small.spheres.random_point(0), np.eye(small.spheres.mask.size)
    U = small.spheres.random_tangent(1, Y)
    # the linear map to the large points, one image for each entry of a small one
    images = space.expand(basis.reshape(-1, *Y.shape))
    full = problem.in_dimension(images.shape[-2]).at(space.expand(Y))

    def pulled(V):
        return ((images * V).sum(axis=(-1, -2)) * small.spheres.mask.ravel()).reshape(Y.shape)

    mine = small.at(Y)
    np.testing.assert_allclose(mine.cost, full.cost, rtol=1e-12)
    np.testing.assert_allclose(mine.gradient, pulled(full.gradient), atol=1e-12 * problem.tau)
    image = pulled(full.hessian_product(space.expand(U)))
    np.testing.assert_allclose(mine.hessian_product(U), image, atol=1e-12 * problem.tau**2)
    # columns of one block are one column
    block, m = np.array(space.space.block_of), len(space.space.blocks)
    of = [*block, *(m + np.searchsorted(small.sampled, block[problem.labels]))]
    scales = np.bincount(of, weights=full.gradient_scale)
    np.testing.assert_allclose(mine.gradient_scale, scales, rtol=1e-10)


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
def test_starts_moved_towards_an_index_stay_in_the_space_and_converge(target):
    """Blocks of one class use fewer coordinates than others; a step must leave the rest alone."""
    space = list(fixed_point_spaces(UFMProblem(class_sizes=(1,) * 4, dim=5, tau=1)))[1]
    problem = space.problem
    assert space.name == "S_3 x S_1"
    starts = problem.spheres.random_point(0, (40,))
    moved = follow_eigenvectors(problem, starts, np.full(40, target))
    assert not moved[:, ~problem.spheres.mask.astype(bool)].any()
    assert find_critical_points(problem, moved, tolerance=1e-12).converged.mean() > 0.9
