r"""How close K vectors are to a simplex equiangular tight frame, to another frame, and to uniform.

``A`` and ``M``, shape ``(K, d)``, have vectors as rows: a classifier, class means; ``E = (I - 1 1^T / K) / sqrt(K -
1)`` is the frame's Gram matrix, of norm one.

* simplex distance ``| A A^T / |A A^T|_F - E |_F`` (NC2);
* self-duality ``| A M^T / |A M^T|_F - E |_F`` (NC3), ``| A / |A|_F - M / |M|_F |_F``, and the latter after the best
  rotation of ``M``, ``sqrt(2 - 2 |A^T M|_*)`` for frames of norm one, ``|.|_*`` the nuclear norm;
* equinorm: population standard deviation of the lengths over their mean;
* equiangularity: mean of ``|cos + 1 / (K - 1)|`` over pairs;
* uniformity on the sphere: mean over pairs of ``-log |u_k - u_l|`` and of ``1 / |u_k - u_l|``.

What is undefined (zero vectors, coincident directions) is NaN or infinite, and quiet.
"""

from __future__ import annotations

import math

import numpy as np

from sphereufm.features.metrics.companion import Array

_quiet = np.errstate(divide="ignore", invalid="ignore")


def simplex_distance(A: Array) -> float:
    """NC2 of the rows of ``A``."""
    return duality_distance(A, A)


@_quiet
def duality_distance(A: Array, M: Array) -> float:
    """NC3 of a classifier and class means, as the released code of Yaras et al. (2022) has it."""
    K = len(A)
    frame = (np.eye(K) - 1.0 / K) / math.sqrt(K - 1)
    return float(np.linalg.norm(_unit(_unit(A) @ _unit(M).T) - frame))


@_quiet
def frame_difference(A: Array, M: Array) -> float:
    """``| A / |A|_F - M / |M|_F |_F``."""
    return float(np.linalg.norm(_unit(A) - _unit(M)))


def rotated_difference(A: Array, M: Array) -> float:
    """The same after the best rotation or reflection of the feature space (Procrustes)."""
    if not (A.any() and M.any()):
        return math.nan
    # in coordinates of both spans, K of each
    a, m = (np.asarray(np.linalg.qr(_unit(X).T, mode="r")) for X in (A, M))
    U, _, Vt = np.linalg.svd(m @ a.T, full_matrices=False)
    # as a norm of a difference, not as sqrt(2 - 2 sum s): nothing cancels
    return float(np.linalg.norm(a.T - m.T @ (U @ Vt)))


@_quiet
def directions(A: Array) -> Array:
    """Rows of length one."""
    return A / np.linalg.norm(A, axis=1, keepdims=True)


def cosines(A: Array) -> Array:
    """Cosines of all pairs ``k < l``."""
    U = directions(A)
    return np.asarray((U @ U.T)[np.triu_indices(len(U), 1)].clip(-1.0, 1.0))


@_quiet
def vector_measures(A: Array) -> dict[str, float]:
    """Distance of the rows from a simplex frame and from uniform ones, by name."""
    from scipy.spatial.distance import pdist

    lengths, distances = np.linalg.norm(A, axis=1), pdist(directions(A))
    return {
        "nc2": simplex_distance(A),
        "equinorm": float(lengths.std() / lengths.mean()),
        "equiangularity": float(np.abs(cosines(A) + 1.0 / (len(A) - 1)).mean()),
        "uniformity_log": -float(np.log(distances).mean()),
        "uniformity_inverse": float((1.0 / distances).mean()),
    }


def _unit(A: Array) -> Array:
    """``A / |A|_F``."""
    return np.asarray(A / np.linalg.norm(A))
