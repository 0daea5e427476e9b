r"""How close K vectors are to a simplex equiangular tight frame, to another frame, and to uniform.

==============  ===========  ======================================================================
symbol          shape        meaning
==============  ===========  ======================================================================
``A``, ``M``    ``(K, d)``   vectors as rows: a classifier, class means
``E``           ``(K, K)``   ``(I - 1 1^T / K) / sqrt(K - 1)``, the frame's Gram matrix, of norm one
==============  ===========  ======================================================================

* simplex distance ``| A A^T / |A A^T|_F - E |_F`` (NC2);
* self-duality ``| A M^T / |A M^T|_F - E |_F`` (NC3), ``| A / |A|_F - M / |M|_F |_F``, and the latter after the best
  rotation of ``M``, ``sqrt(2 - 2 |A^T M|_*)`` for frames of norm one, ``|.|_*`` the nuclear norm;
* equinorm: population standard deviation of the lengths over their mean;
* equiangularity: mean of ``|cos + 1 / (K - 1)|`` over pairs;
* uniformity on the sphere: mean over pairs of ``-log |u_k - u_l|`` and of ``1 / |u_k - u_l|``.

All return None where they are undefined: zero vectors, coincident directions.
"""

from __future__ import annotations

import math

import numpy as np

from sphereufm.features.metrics.statistics import Array

_SMALLEST = 1e-290


def simplex_distance(A: Array) -> float | None:
    """NC2 of the rows of ``A``."""
    return duality_distance(A, A)


def duality_distance(A: Array, M: Array) -> float | None:
    """NC3 of a classifier and class means, as the released code of Yaras et al. (2022) has it."""
    product = _unit(A) @ _unit(M).T
    size = float(np.linalg.norm(product))
    if not size > _SMALLEST:
        return None
    K = A.shape[0]
    frame = (np.eye(K) - 1.0 / K) / math.sqrt(K - 1)
    return float(np.linalg.norm(product / size - frame))


def frame_difference(A: Array, M: Array) -> float | None:
    """``| A / |A|_F - M / |M|_F |_F``."""
    if not (A.any() and M.any()):
        return None
    return float(np.linalg.norm(_unit(A) - _unit(M)))


def rotated_difference(A: Array, M: Array) -> float | None:
    """The same after the best rotation or reflection of the feature space (Procrustes)."""
    if not (A.any() and M.any()):
        return None
    # in coordinates of both spans, K of each
    a, m = (np.asarray(np.linalg.qr(_unit(X).T, mode="r")) for X in (A, M))
    U, _, Vt = np.linalg.svd(m @ a.T, full_matrices=False)
    # as a norm of a difference, not as sqrt(2 - 2 sum s): nothing cancels
    return float(np.linalg.norm(a.T - m.T @ (U @ Vt)))


def equinorm(A: Array) -> float | None:
    """Population standard deviation of the rows' lengths over their mean."""
    lengths = np.linalg.norm(A, axis=1)
    mean = float(lengths.mean())
    return float(lengths.std()) / mean if mean > _SMALLEST else None


def directions(A: Array) -> Array | None:
    """Rows of length one; None if one is zero."""
    lengths = np.linalg.norm(A, axis=1)
    return A / lengths[:, None] if (lengths > _SMALLEST).all() else None


def cosines(A: Array) -> Array | None:
    """Cosines of all pairs ``k < l``, none if a row is zero."""
    U = directions(A)
    return None if U is None else (U @ U.T)[np.triu_indices(len(U), 1)].clip(-1.0, 1.0)


def equiangularity(A: Array) -> float | None:
    """Mean of ``|cos + 1 / (K - 1)|`` over pairs of rows."""
    pairs = cosines(A)
    return None if pairs is None else float(np.abs(pairs + 1.0 / (A.shape[0] - 1)).mean())


def uniformity(A: Array) -> tuple[float, float] | None:
    """Mean over pairs of ``-log |u_k - u_l|`` and of ``1 / |u_k - u_l|``; none if directions coincide."""
    from scipy.spatial.distance import pdist

    U = directions(A)
    if U is None:
        return None
    distances = pdist(U)
    if not (distances > _SMALLEST).all():
        return None
    return -float(np.log(distances).mean()), float((1.0 / distances).mean())


def _unit(A: Array) -> Array:
    """``A / |A|_F``; zero stays zero."""
    size = float(np.linalg.norm(A))
    return A / size if size > _SMALLEST else A
