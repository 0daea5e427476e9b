"""Inertia of symmetric ball matrices, and the matrices whose inertia is a Morse index (docs/proofs.md, Lemmas 6 and 7).

Sylvester's law: for any real T, if ``T^T A T`` is strictly diagonally dominant then A is nonsingular and its
eigenvalues have the signs of that diagonal. T comes from a float eigendecomposition and is not trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from flint import arb, arb_mat

from sphereufm.certify.balls import BallEvaluation, floats
from sphereufm.certify.prove.gauge import power

__all__ = [
    "hessian_form",
    "inertia",
    "is_positive",
    "morse_matrix",
    "normal_matrix",
    "scaled",
    "split_matrix",
]


def inertia(A: arb_mat) -> tuple[int, int] | None:
    """Return how many eigenvalues are negative and how many positive, for every symmetric matrix in A, or None.

    Examples
    --------
    >>> inertia(arb_mat([[2, 1], [1, -3]]))
    (1, 1)
    >>> inertia(arb_mat([[1, 1], [1, 1]])) is None
    True
    """
    middle = floats(A)
    if not np.isfinite(middle).all():
        return None
    values, vectors = np.linalg.eigh((middle + middle.T) / 2)
    if not np.abs(values).min() > 0:
        return None
    T = arb_mat((vectors / np.sqrt(np.abs(values))).tolist())
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


def morse_matrix(evaluation: BallEvaluation, form: arb_mat, orthogonal: bool) -> arb_mat:
    """Return ``P H P + N N^T + Z Z^T`` of Lemma 6, in columns scaled by ``s_j^(-1/2)``.

    Parameters
    ----------
    evaluation : BallEvaluation
        Over the box of the critical point.
    form : arb_mat
        From :func:`hessian_form`.
    orthogonal : bool
        Whether O(r) acts; if not, Z is absent.
    """
    scales = evaluation.scales
    X = evaluation.X.transpose().tolist()
    M, r = len(X), len(X[0])
    H = scaled(form, scales)
    N = arb_mat(r * M, M, _block_diagonal(X))
    NH = N.transpose() * H
    C = NH * N
    identity = arb_mat([[1 if i == j else 0 for j in range(M)] for i in range(M)])
    E = NH - (C + identity) * N.transpose() / 2
    NE = N * E
    A = H - NE - NE.transpose()
    if orthogonal and r > 1:
        top = max(scales)
        weighted = [[a * power((e - top) // 2) for a in x] for x, e in zip(X, scales, strict=True)]
        Z = arb_mat([_rotation(weighted, a, b) for a, b in combinations(range(r), 2)])
        A += Z.transpose() * Z
    return A


def normal_matrix(S: list[list[arb]], X: arb_mat, scales: Sequence[int]) -> arb_mat:
    """Return ``S + V V^T`` with ``V = D X^T``, in columns scaled by ``s_j^(-1/2)``; X must have full row rank."""
    top = max(scales)
    weights = [power((e - top) // 2) for e in scales]
    V = arb_mat([[v * w for v, w in zip(row, weights, strict=True)] for row in X.tolist()])
    return scaled(arb_mat(S), scales) + V.transpose() * V


def split_matrix(block: list[list[arb]], h: Sequence[arb], scale: int) -> arb_mat:
    """Return ``P B P / s + h h^T``, whose inertia is that of B on the tangent space of h and one positive number."""
    s = power(-scale)
    B = arb_mat([[value * s for value in row] for row in block])
    x = arb_mat([[value] for value in h])
    Bx = B * x
    E = Bx.transpose() - ((x.transpose() * Bx) + arb_mat([[1]])) * x.transpose() / 2
    return B - x * E - E.transpose() * x.transpose()


def _block_diagonal(X: list[list[arb]]) -> list[arb]:
    """Return the entries of the matrix whose column j holds x_j in block j, row after row."""
    M, zero = len(X), arb(0)
    entries = []
    for j, x in enumerate(X):
        for value in x:
            row = [zero] * M
            row[j] = value
            entries += row
    return entries


def _rotation(X: list[list[arb]], a: int, b: int) -> list[arb]:
    """Return the entries of ``A_ab X``, column after column."""
    entries = []
    for x in X:
        column = [arb(0)] * len(x)
        column[a], column[b] = x[b], -x[a]
        entries += column
    return entries
