"""A cost that is not ours: its critical points are known."""

import pymanopt

from sphereufm import from_pymanopt


def fourth_powers(n):
    """``sum x_i^4`` on the unit sphere of ``R^n``."""
    sphere = pymanopt.manifolds.Sphere(n)
    function = pymanopt.function.numpy(sphere)
    return from_pymanopt(
        pymanopt.Problem(
            sphere,
            function(lambda x: (x**4).sum()),
            euclidean_gradient=function(lambda x: 4.0 * x**3),
            euclidean_hessian=function(lambda x, u: 12.0 * x**2 * u),
        )
    )
