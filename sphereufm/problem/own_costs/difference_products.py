r"""Riemannian Hessian products of a cost that has gradients only.

    Hess f(X)[U] = P_X (grad f(exp_X(h U)) - grad f(exp_X(-h U))) / (2 h) + O(h^2),

for ``U`` whose longest column has length one: projecting a tangent field along a great circle differentiates it
covariantly.  With ``h = eps^(1/3)`` the error is about ``eps^(2/3)``, 4e-11 of the third derivative's size.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sphereufm.geometry.spheres import Array, column_norms, exponential, project

_STEP = float(np.finfo(np.float64).eps ** (1.0 / 3.0))
# of the gradient's scale: rounding of the gradients over the step, and the third derivative
RELATIVE_ERROR = 1e-9


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
