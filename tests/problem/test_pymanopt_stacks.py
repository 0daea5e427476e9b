"""Stacks of points through a framework's own vmap: the answers of the loop, in one call of the cost."""

import numpy as np
import pymanopt
import pytest
from pymanopt.manifolds import Elliptope, Oblique, Product, Sphere

from sphereufm import verify_landscape
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.problem.pymanopt.from_pymanopt import from_pymanopt

WEIGHTS = np.random.default_rng(0).standard_normal((4, 3))


def library(name):
    """Array functions of a framework and Pymanopt's decorator for it."""
    if name == "torch":
        torch = pytest.importorskip("torch")
        return torch, torch.from_numpy, pymanopt.function.pytorch
    jax = pytest.importorskip("jax")
    return jax.numpy, jax.numpy.asarray, pymanopt.function.jax


def coupled(name, calls):
    """A cost on Sphere(3) x Sphere(2, 2) x Oblique(4, 3), and how often it was called."""
    module, array, decorator = library(name)
    manifold = Product([Sphere(3), Sphere(2, 2), Oblique(4, 3)])

    @decorator(manifold)
    def cost(x, m, Y):
        calls.append(1)
        B = array(WEIGHTS)
        return module.sum(x**3) + module.exp(module.sum(m @ m)) + module.sum((B * Y) ** 3) * x[0]

    return pymanopt.Problem(manifold, cost)


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_stacks_are_what_the_loop_says_in_one_call(name):
    calls = []
    original = coupled(name, calls)
    problem = from_pymanopt(original)
    X = problem.spheres.random_point(0, (5, 1))
    U = problem.spheres.random_tangent(1, np.broadcast_to(X, (5, 6, *X.shape[-2:])))
    calls.clear()
    stack = problem.at(X)
    answers = stack.cost, stack.gradient, stack.hessian_product(U)
    assert len(calls) <= 3
    for i, j in np.ndindex(5, 6):
        one = problem.at(X[i, 0])
        np.testing.assert_allclose(answers[0][i, 0], one.cost, rtol=1e-12)
        np.testing.assert_allclose(answers[1][i, 0], one.gradient, rtol=0, atol=1e-12)
        np.testing.assert_allclose(answers[2][i, j], one.hessian_product(U[i, j]), rtol=0, atol=1e-11)
    # and Pymanopt, which derived derivatives by now, is no other problem than before
    assert from_pymanopt(original).stacked is not None


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_what_cannot_be_mapped_is_looped_over(name):
    module, _, decorator = library(name)
    sphere = Sphere(3)

    @decorator(sphere)
    def branching(x):
        return module.sum(x**4) if x[0] > 0 else module.sum(x**2) * 2

    problem = from_pymanopt(pymanopt.Problem(sphere, branching))
    assert problem.stacked is None
    X = problem.spheres.random_point(0, (3,))
    np.testing.assert_allclose(problem.cost(X), [problem.cost(x) for x in X])


def test_derivatives_by_hand_are_asked_for_themselves():
    module, _, decorator = library("torch")
    sphere = Sphere(3)
    cost = decorator(sphere)(lambda x: module.sum(x**4))
    wrong = pymanopt.function.numpy(sphere)(lambda x: 2.0 * x**3)
    problem = from_pymanopt(pymanopt.Problem(sphere, cost, euclidean_gradient=wrong))
    assert problem.stacked is None


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_a_landscape_through_vmap_is_that_of_the_formula(name):
    """The cut of a triangle on the elliptope: three equal angles, and rank-one saddles."""
    module, _, decorator = library(name)
    manifold = Elliptope(3, 2)
    cost = decorator(manifold)(lambda Y: (module.sum(Y @ Y.T) - 3.0) / 2)
    problem = from_pymanopt(pymanopt.Problem(manifold, cost), SymmetryGroup.full(3))
    report = verify_landscape(problem, effort="quick", starts=12)
    assert [round(entry.cost, 9) for entry in report.critical] == [-1.5, -1.0, 3.0]
