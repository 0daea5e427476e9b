r"""How large a gradient is nearby: the scale by which a cost of unknown make is measured, column by column.

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

# radians; exp(40 <x, y>) changes by a factor of at most e^2 over them
_NEAR = 0.05
_SEED = 20_220_914


def local_scale(
    spheres: ProductOfSpheres, X: Array, gradient: Callable[[Array], Array], here: Array, own: Array
) -> Array:
    """Scale of each column's gradient, shape ``(..., M)``; NaN where the gradient is not finite.

    * ``X``, shape ``(..., d, M)``.
    * ``gradient``: Riemannian gradient at a stack of points.
    * ``here``, shape ``(..., d, M)``: Riemannian gradient at ``X``.
    * ``own``, shape ``(..., M)``: size of the terms that the gradient at ``X`` is made of: the norm of the
      Euclidean gradient, for example.

    Result: a column that the cost does not depend on has the largest scale of the others; one where there is
    none, shape ``(..., M)``.
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
