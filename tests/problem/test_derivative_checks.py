"""Derivative checks pass what is right, and find each kind of mistake."""

import autograd.numpy as anp
import numpy as np
import pymanopt
import pytest
from own_problems import numpy_problem

from sphereufm.errors import InvalidInputError
from sphereufm.problem.derivative_checks import check_gradient, check_hessian
from sphereufm.problem.pymanopt.from_pymanopt import from_pymanopt
from sphereufm.problem.ufm import UFMProblem


class Altered:
    """A problem whose derivatives are changed on the way."""

    def __init__(self, gradient=lambda X, g: g, hessian=lambda X, U, h: h):
        self.inner = UFMProblem(class_sizes=(2, 1), dim=3, tau=2)
        self.spheres, self.symmetry = self.inner.spheres, self.inner.symmetry
        self.change_gradient, self.change_hessian = gradient, hessian

    def at(self, X):
        inner = self.inner.at(X)

        class Point:
            cost = inner.cost
            gradient = self.change_gradient(X, inner.gradient)

            @staticmethod
            def hessian_product(U):
                return self.change_hessian(X, U, inner.hessian_product(U))

        return Point()


@pytest.mark.parametrize("tau", ["0.01", "1", "30"])
@pytest.mark.parametrize("seed", [0, 1])
def test_closed_forms_pass(tau, seed):
    problem = UFMProblem(class_sizes=(3, 2, 1), dim=4, tau=tau)
    gradient, hessian = check_gradient(problem, rng=seed), check_hessian(problem, rng=seed)
    assert gradient.passed
    assert hessian.passed
    assert gradient.observed_order == pytest.approx(2.0, abs=0.1)
    assert hessian.observed_order >= 2.9


def test_pymanopt_problems_pass():
    manifold = pymanopt.manifolds.Oblique(3, 4)

    @pymanopt.function.autograd(manifold)
    def cost(X):
        return anp.sum((X.T @ X) ** 4)

    problem = from_pymanopt(pymanopt.Problem(manifold, cost))
    assert check_gradient(problem).passed
    assert check_hessian(problem).passed


def test_a_wrong_factor_in_the_gradient_is_found():
    check = check_gradient(Altered(gradient=lambda X, g: 1.001 * g))
    assert not check.passed
    assert check.observed_order < 1.5


def test_a_gradient_with_a_normal_part_is_found():
    check = check_gradient(Altered(gradient=lambda X, g: g + 0.1 * X))
    assert not check.passed
    assert check.tangency_error > 1e-3


def test_a_missing_multiplier_term_is_found():
    check = check_hessian(Altered(hessian=lambda X, U, h: h + 0.01 * U))
    assert not check.passed
    assert check.observed_order < 2.5


def test_an_asymmetric_hessian_is_found():
    def rotated(X, U, h):
        change = h.copy()
        change[..., 0] += 0.1 * (U[..., 1] - X[..., 0] * (X[..., 0] @ U[..., 1]))
        return change

    assert check_hessian(Altered(hessian=rotated)).symmetry_error > 1e-6


def test_a_nonlinear_hessian_is_found():
    check = check_hessian(Altered(hessian=lambda X, U, h: h * (1.0 + (U * h).sum() ** 2)))
    assert not check.passed
    assert check.linearity_error > 1e-6


@pytest.mark.parametrize("wrong", [1.0, 0.5])
@pytest.mark.parametrize("constant", [0.0, 1e6, 1e13, 1e16])
@pytest.mark.parametrize("seed", range(3))
def test_a_constant_hides_nothing(wrong, constant, seed):
    """A gradient that is wrong by half never passes, a right one never fails: at worst it is inconclusive."""
    manifold = pymanopt.manifolds.Sphere(3)
    wrap = pymanopt.function.numpy(manifold)
    problem = from_pymanopt(
        pymanopt.Problem(
            manifold,
            wrap(lambda x: constant + (x**3).sum()),
            euclidean_gradient=wrap(lambda x: wrong * 3.0 * x**2),
        )
    )
    check = check_gradient(problem, rng=seed)
    assert not (check.passed and wrong != 1.0)
    assert check.passed or check.inconclusive or wrong != 1.0
    assert check.inconclusive == (constant >= 1e13) or constant == 1e6
    assert ("leave constants out" in repr(check)) == check.inconclusive


def test_no_change_at_all_is_not_hidden():
    manifold = pymanopt.manifolds.Sphere(3)
    flat = pymanopt.Problem(manifold, pymanopt.function.autograd(manifold)(lambda x: 3.0 + 0.0 * x[0]))
    assert check_gradient(from_pymanopt(flat)).passed


def own_cost(function):
    manifold = pymanopt.manifolds.Sphere(3)
    return from_pymanopt(pymanopt.Problem(manifold, pymanopt.function.autograd(manifold)(function)))


@pytest.mark.parametrize("check", [check_gradient, check_hessian])
def test_a_cost_that_is_no_number_passes_nothing(check):
    # its derivatives are finite
    assert not check(own_cost(lambda x: anp.log(-1.0 - anp.sum(x**2)) + x[0])).passed


@pytest.mark.parametrize("beyond", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("radius", [1e-4, 1e-2, 0.2])
def test_beyond_a_costs_domain_nothing_is_believed_and_within_it_all_is_seen(beyond, radius):
    here = np.array([0.6, 0.8, 0.0])

    def within(x, value):
        return value if np.abs(x - here).max() <= radius else beyond

    def checks(slope, bend):
        problem = numpy_problem(
            pymanopt.manifolds.Sphere(3),
            lambda x: within(x, (x**3).sum()),
            lambda x: slope * 3.0 * x**2,
            lambda x, u: bend * 6.0 * x * u,
        )
        return [check(problem, here[:, None], rng=1).passed for check in (check_gradient, check_hessian)]

    assert checks(1.0, 1.0) == [True, True]
    assert checks(1.01, 1.0) == [False, False]
    assert checks(1.0, 1.01) == [True, False]


@pytest.mark.parametrize("scale", [1e-280, 1e-170, 1e170, 1e300])
def test_scales_beyond_squares_change_no_outcome(scale):
    problem = own_cost(lambda x: scale * anp.sum(x**3))
    assert check_gradient(problem).passed
    assert check_hessian(problem).passed
    tilted = Altered(lambda X, g: scale * (g + 1e-3 * X), lambda X, U, h: scale * h)
    assert check_gradient(tilted).tangency_error > 1e-4


@pytest.mark.parametrize("bad", [np.ones((3, 5)), np.ones((2, 3, 5)) / 3**0.5, np.full((3, 5), np.nan), "X"])
def test_a_check_needs_one_point(bad):
    for check in (check_gradient, check_hessian):
        with pytest.raises(InvalidInputError, match="X"):
            check(UFMProblem(class_sizes=(2, 1), dim=3, tau=1), bad)
