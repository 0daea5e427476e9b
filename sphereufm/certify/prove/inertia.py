"""Inertia of symmetric ball matrices, and the matrices whose inertia is a Morse index (docs/proofs.md, Lemmas 6 and 7).

Sylvester's law: for any real T, if ``T^T A T`` is strictly diagonally dominant then A is nonsingular and its
eigenvalues have the signs of that diagonal. T comes from floating point and is not trusted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from flint import arb, arb_mat

from sphereufm.certify.balls import BallEvaluation, floats

__all__ = [
    "blocks",
    "diagonaliser",
    "hessian_form",
    "inertia",
    "is_positive",
    "normal_matrix",
    "on_tangent",
    "power",
    "scaled",
    "split_matrix",
]


def power(e: int) -> arb:
    """Return 2^e exactly."""
    return arb((1, e))


def diagonaliser(A: arb_mat) -> arb_mat | None:
    """Return T with ``T^T A T`` nearly a diagonal of signs, or None; nothing is proved of it.

    Floats find it; where they are too coarse, elimination block by block at the working precision.
    """
    middle = floats(A)
    if not np.isfinite(middle).all():
        return None
    values, vectors = np.linalg.eigh((middle + middle.T) / 2)
    sizes = np.abs(values)
    if sizes.max() < 1e13 * sizes.min():
        return arb_mat((vectors / np.sqrt(sizes)).tolist())
    try:
        return _eliminated(A.mid())
    except ZeroDivisionError:
        return None


def _eliminated(A: arb_mat) -> arb_mat:
    """Return T of ``[[I, -P^(-1) Q], [0, I]]``, and then of each half by itself."""
    n, m = A.nrows(), A.nrows() // 2
    if n == 1:
        return arb_mat([[(1 / abs(A[0, 0]).sqrt()).mid()]])
    rows = A.tolist()
    P, Q = arb_mat([row[:m] for row in rows[:m]]), arb_mat([row[m:] for row in rows[:m]])
    X = P.solve(Q, algorithm="approx").mid()
    S = (arb_mat([row[m:] for row in rows[m:]]) - Q.transpose() * X).mid()
    left, right = _eliminated(P), _eliminated(S)
    corner = (-X * right).mid().tolist()
    top = [a + b for a, b in zip(left.tolist(), corner, strict=True)]
    return arb_mat(top + [[arb(0)] * m + row for row in right.tolist()])


def inertia(A: arb_mat) -> tuple[int, int] | None:
    """Return how many eigenvalues are negative and how many positive, for every symmetric matrix in A, or None.

    Examples
    --------
    >>> inertia(arb_mat([[2, 1], [1, -3]]))
    (1, 1)
    >>> inertia(arb_mat([[1, 1], [1, 1]])) is None
    True
    """
    T = diagonaliser(A)
    if T is None:
        return None
    D = (T.transpose() * A * T).tolist()
    negative = 0
    for i, row in enumerate(D):
        others = sum((abs(value) for j, value in enumerate(row) if j != i), arb(0))
        if row[i] < -others:
            negative += 1
        elif not row[i] > others:
            return None
    return negative, len(D) - negative


def is_positive(A: arb_mat) -> bool:
    """Tell whether every symmetric matrix in A is proved positive definite."""
    return inertia(A) == (0, A.nrows())


def hessian_form(evaluation: BallEvaluation) -> arb_mat:
    """Return the Riemannian Hessian form extended to all matrices: Euclidean Hessian minus ``lambda_j I`` a block."""
    r = evaluation.X.nrows()
    rows = [list(row) for row in evaluation.hessian]
    for j, value in enumerate(evaluation.multipliers):
        for a in range(j * r, j * r + r):
            rows[a][a] -= value
    return arb_mat(rows)


def scaled(A: arb_mat, scales: Sequence[int]) -> arb_mat:
    """Return ``D^(-1/2) A D^(-1/2)`` for D made of ``2^{e_j}``, each repeated to fill the rows of A."""
    repeat = A.nrows() // len(scales)
    roots = [power(-e // 2) for e in scales for _ in range(repeat)]
    return arb_mat(
        [
            [v * s * t for v, t in zip(row, roots, strict=True)]
            for row, s in zip(A.tolist(), roots, strict=True)
        ]
    )


def on_tangent(A: arb_mat, N: arb_mat) -> arb_mat:
    """Return ``P A P + N N^T`` with ``P = I - N N^T``, for N of orthonormal columns."""
    NA = N.transpose() * A
    C = NA * N
    identity = arb_mat([[1 if i == j else 0 for j in range(C.ncols())] for i in range(C.nrows())])
    NE = N * (NA - (C + identity) * N.transpose() / 2)
    return A - NE - NE.transpose()


def normal_matrix(S: list[list[arb]], X: arb_mat, scales: Sequence[int]) -> arb_mat:
    """Return ``S + V V^T`` with ``V = D X^T``, in columns scaled by ``s_j^(-1/2)``; X must have full row rank."""
    top = max(scales)
    weights = [power((e - top) // 2) for e in scales]
    V = arb_mat([[v * w for v, w in zip(row, weights, strict=True)] for row in X.tolist()])
    return scaled(arb_mat(S), scales) + V.transpose() * V


def split_matrix(block: list[list[arb]], h: Sequence[arb], scale: int) -> arb_mat:
    """Return ``P B P / s + h h^T``, whose inertia is that of B on the tangent space of h and one positive number."""
    s = power(-scale)
    return on_tangent(
        arb_mat([[value * s for value in row] for row in block]), arb_mat([[value] for value in h])
    )


def blocks(X: list[list[arb]]) -> arb_mat:
    """Return the matrix whose column j holds x_j in block j."""
    M, zero = len(X), arb(0)
    return arb_mat([[value if i == j else zero for i in range(M)] for j, x in enumerate(X) for value in x])
