r"""Search for saddles of a chosen index by following eigenvectors, batched over starts.

With eigenpairs ``(lambda_i, v_i)`` of the (column-scaled) Hessian, ascending, one step is

    s = sum_{i < k} <v_i, g> / |lambda_i| v_i - sum_{i >= k} <v_i, g> / |lambda_i| v_i :

uphill along the ``k`` softest directions, downhill along all others.  Its only stable fixed points are
critical points of index ``k`` (for ``k = 0`` a solver does the same without eigenvectors).  It brings starts near such
points; the regularised Newton search of :mod:`~sphereufm.landscape.search.squared_gradient` finishes them.

References
----------
C. J. Cerjan, W. H. Miller, *On finding transition states*, J. Chem. Phys. 1981.  D. J. Wales, *Energy
Landscapes*, Cambridge University Press, 2003, section 6.2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array, retract
from sphereufm.landscape.search.squared_gradient import limited_move, scaled_derivatives
from sphereufm.problem.interface import SphereProblem

_LONGEST_STEP = 0.4
_SOFTEST = 1e-3
# A start whose next step is shorter than this, in radians, is left to the Newton search.
_CLOSE = 0.02


def follow_eigenvectors(
    problem: SphereProblem, starts: Array, index: NDArray[np.intp], *, iterations: int = 40
) -> Array:
    """Move each start towards a critical point of its own target index.

    * ``starts``, shape ``(B, d, M)``.
    * ``index``, shape ``(B,)``: target Morse index (in ``R^d``) of each start.
    * ``iterations``: most steps: the result need not have converged.

    Returns an array of shape ``(B, d, M)``.
    """
    X = starts.copy()
    active = np.arange(len(X))
    for _ in range(iterations):
        move, close = _follow(problem, X[active], index[active])
        active, move = active[~close], move[~close]
        if not active.size:
            break
        X[active] = retract(X[active], move)
    return X


def _follow(problem: SphereProblem, X: Array, index: NDArray[np.intp]) -> tuple[Array, NDArray[np.bool_]]:
    """One step for each item, and whether it is close to a critical point of its index already."""
    root, g, scaled = scaled_derivatives(problem, problem.at(X))
    hessian = scaled.dense()
    # where everything underflows, or is not finite, there is no curvature to follow, and the item stays where it is
    lost = ~(np.isfinite(hessian).all(axis=(-2, -1)) & np.isfinite(g).all(axis=-1))
    hessian[lost], g[lost] = 0.0, 0.0
    values, vectors = np.linalg.eigh(hessian)
    along = np.swapaxes(vectors, -1, -2) @ g[..., None]
    uphill = np.arange(values.shape[-1]) < index[:, None]
    stiffness = np.maximum(np.abs(values), _SOFTEST * np.abs(values).max(axis=-1, keepdims=True))
    stiffness[stiffness == 0.0] = 1.0
    weights = np.where(uphill, 1.0, -1.0) / stiffness
    # null directions out of smaller spheres would turn rounding into moves
    c = (vectors @ (weights[..., None] * along))[..., 0] * problem.spheres.used
    move, longest = limited_move(X, c, root, _LONGEST_STEP)
    return move, longest < _CLOSE
