"""Solvers on problems that come from elsewhere: Pymanopt, and the benchmark suites."""

import numpy as np
import pytest

from sphereufm.comparison import suites
from sphereufm.geometry.spheres import retract
from sphereufm.solvers import SOLVERS, solve


@pytest.fixture(scope="module")
def pymanopt_problem():
    """A Pymanopt problem on spheres of different sizes, and its least cost."""
    import autograd.numpy as anp
    import pymanopt
    from pymanopt.manifolds import Oblique, Product, Sphere

    from sphereufm.problem.pymanopt.from_pymanopt import from_pymanopt

    rng = np.random.default_rng(0)
    a, B = rng.standard_normal(5), rng.standard_normal((3, 4))
    manifold = Product([Sphere(5), Oblique(3, 4)])

    @pymanopt.function.autograd(manifold)
    def cost(x, Y):
        return anp.exp(anp.sum(a * x)) + anp.sum(B * Y)

    least = np.exp(-np.linalg.norm(a)) - np.linalg.norm(B, axis=0).sum()
    return from_pymanopt(pymanopt.Problem(manifold, cost)), least


@pytest.mark.parametrize("solver", SOLVERS)
def test_pymanopt_problems_on_products_are_solved(pymanopt_problem, solver):
    problem, least = pymanopt_problem
    result = solve(problem, rng=0, solver=solver)
    assert result.converged
    assert result.cost == pytest.approx(least, rel=2e-13)


@pytest.mark.parametrize("instance", suites.OTHERS, ids=lambda instance: instance.name)
def test_closed_forms_of_the_benchmark_problems(instance):
    problem = instance.make()
    X = problem.spheres.random_point(0)
    U = problem.spheres.random_tangent(1, X)
    point = problem.at(X)
    errors = []
    for h in (1e-3, 5e-4):
        ahead, behind = problem.at(retract(X, h * U)), problem.at(retract(X, -h * U))
        slope = float(np.vdot(point.gradient, U))
        bend = float(np.vdot(U, point.hessian_product(U)))
        # the retraction is of second order, so costs along it show the Riemannian Hessian
        measured = float(ahead.gradient.ravel() @ U.ravel() - behind.gradient.ravel() @ U.ravel()) / (2 * h)
        errors.append((abs(slope - float(ahead.cost - behind.cost) / (2 * h)), abs(bend - measured)))
    (slope_1, bend_1), (slope_2, bend_2) = errors
    floor = 1e-9 * max(abs(float(point.cost)), 1.0)
    assert slope_2 < 0.3 * slope_1 + floor
    assert bend_2 < 0.3 * bend_1 + floor


def test_euclidean_forms_of_the_benchmark_problems_give_the_riemannian_ones():
    for instance in suites.OTHERS:
        problem = instance.make()
        X = problem.spheres.random_point(2)
        point = problem.at(X)
        E = point.euclidean_gradient
        assert np.allclose(
            E - X * (X * E).sum(axis=0), point.gradient, rtol=1e-12, atol=1e-12 * np.abs(E).max()
        )


def test_the_standard_suite_is_what_it_was():
    names = [instance.name for instance in suites.STANDARD]
    assert len(set(names)) == 12
    sizes = [instance.make() for instance in suites.STANDARD]
    assert sorted({problem.classes for problem in sizes}) == [4, 10, 50]
    assert sorted({problem.tau for problem in sizes}) == [1.0, 5.0, 20.0]
    assert {problem.samples // problem.classes for problem in sizes} == {1, 10, 100}
    assert all(problem.dim in (problem.classes + 1, 2 * problem.classes) for problem in sizes)
    assert sum(not problem.is_balanced for problem in sizes) == 2
