"""Costs that are not ours, brought in from Pymanopt: their critical points are known."""

import pymanopt

from sphereufm import from_pymanopt


def numpy_problem(manifold, cost, gradient, hessian, symmetry=None):
    """A Pymanopt problem with supplied Euclidean derivatives, behind our interface."""
    bare = pymanopt.Problem(
        manifold,
        pymanopt.function.numpy(manifold)(cost),
        euclidean_gradient=pymanopt.function.numpy(manifold)(gradient),
        euclidean_hessian=pymanopt.function.numpy(manifold)(hessian),
    )
    return from_pymanopt(bare, symmetry)


def fourth_powers(n):
    return numpy_problem(
        pymanopt.manifolds.Sphere(n),
        lambda x: (x**4).sum(),
        lambda x: 4.0 * x**3,
        lambda x, u: 12.0 * x**2 * u,
    )
