r"""What differences of gradients say of a cost of unknown make: Hessian products, and how large a gradient is nearby.

    Hess f(X)[U] = P_X (grad f(exp_X(h U)) - grad f(exp_X(-h U))) / (2 h) + O(h^2),

for ``U`` whose longest column has length one: projecting a tangent field along a great circle differentiates it
covariantly.  With ``h = eps^(1/3)`` the error is about ``eps^(2/3)``, 4e-11 of the third derivative's size.

    scale_j(X) = max( |egrad_j(X)|,  |grad_j(Y) - grad_j(X)| / h,  |grad_j(X)| ),   Y = exp_X(h V),

with a pseudo-random tangent ``V`` (the same at the same point) whose columns have length one.  The second part is a
curvature times one radian over a neighbourhood of ``h`` radians: local, since costs may vary by many orders over a
sphere, and yet positive at a critical point where the Hessian itself vanishes, unless the cost is flat around it.
A gradient of about ``eps`` times its scale is rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sphereufm.geometry.spheres import (
    Array,
    ProductOfSpheres,
    column_lengths,
    column_norms,
    exponential,
    project,
)

_STEP = float(np.finfo(np.float64).eps ** (1.0 / 3.0))
# of the gradient's scale: rounding of the gradients over the step, and the third derivative
RELATIVE_ERROR = 1e-9
# radians; exp(40 <x, y>) changes by a factor of at most e^2 over them
_NEAR = 0.05
_SEED = 20_220_914


def difference_product(gradient: Callable[[Array], Array], X: Array, U: Array) -> Array:
    """Hessian product by central differences, shape ``(..., d, M)``, batch axes of ``X`` and ``U`` broadcast.

    ``gradient``: Riemannian gradient at a stack of points; ``X`` and ``U``, shape ``(..., d, M)``.
    """
    X, U = np.broadcast_arrays(X, U)
    longest = column_norms(U).max(axis=-1)[..., None, None]
    length = np.where(longest > 0.0, longest, 1.0)
    step = _STEP * (U / length)
    change = gradient(exponential(X, step)) - gradient(exponential(X, -step))
    return project(X, change * (length / (2.0 * _STEP)))


def local_scale(
    spheres: ProductOfSpheres, X: Array, gradient: Callable[[Array], Array], here: Array, own: Array
) -> Array:
    """Scale of each column's gradient, shape ``(..., M)``; NaN where the gradient is not finite.

    ``gradient``: Riemannian, at a stack of points; ``here``: at ``X``; ``own``, shape ``(..., M)``: size of the terms
    that it is made of there, such as the norm of the Euclidean gradient.  A column that the cost does not depend on has
    the largest scale of the others; one where there is none.
    """
    V = project(X, np.where(spheres.mask, np.random.default_rng(_SEED).standard_normal(X.shape[-2:]), 0.0))
    size = column_norms(V)[..., None, :]
    V = V / np.where(size > 0.0, size, 1.0)
    with np.errstate(all="ignore"):
        change = column_lengths(gradient(exponential(X, _NEAR * V)) - here) / _NEAR
        scale = np.maximum(own, column_lengths(here))
        # a neighbour may lie where the cost is not defined, which says nothing about this point
        scale = np.where(np.isfinite(change), np.maximum(scale, change), scale)
        largest = scale.max(axis=-1, keepdims=True)
    return np.where(scale == 0.0, np.where(largest == 0.0, 1.0, largest), scale)
