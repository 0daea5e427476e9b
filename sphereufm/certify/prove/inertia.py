"""Witnesses for symmetric ball matrices, and the matrices whose inertia is a Morse index (Lemmas 6 and 7).

Floats propose T with ``T^T A T`` near a diagonal of signs E; for ``Y = T E T^T`` a contraction ``|I - Y A| < 1`` over
the balls proves that every symmetric matrix in A has the inertia of E.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from flint import arb, arb_mat, ctx
from numpy.typing import NDArray

from sphereufm.certify.balls import BallEvaluation, floats
from sphereufm.certify.witness import Witness, diagonalised

# where floats are much finer than what the inverse amplifies, they serve for the test as well
_FLOAT_CONDITION = 1e9
# a test that succeeds by less might fail in another arithmetic
_ROOM = 0.9


def power(e: int) -> arb:
    """Return 2^e exactly."""
    return arb((1, e))


def witness_of(A: arb_mat, spread: float = 0.0) -> tuple[Witness, float] | None:
    """Return a witness near A, and A's condition number; infinite where floats are too coarse to find one.

    There, elimination block by block at the working precision finds it.  Nothing is proved yet.
    """
    found = diagonalised(floats(A), spread)
    if found is not None:
        return found
    try:
        columns, signs = _eliminated(A.mid())
        order = sorted(range(len(signs)), key=lambda j: signs[j])
        return Witness.exact([columns[j] for j in order], signs.count(-1), ctx.prec // 8), np.inf
    except (ZeroDivisionError, ValueError):
        return None


def _eliminated(A: arb_mat) -> tuple[list[list[tuple[int, int]]], list[int]]:
    """Return columns of T, the product of ``[[I, -P^(-1) Q], [0, I]]`` and those of the halves, and the signs of E."""
    T = _triangular(A)
    diagonal = (T.transpose() * A * T).mid()
    signs, columns = [], []
    for j in range(A.nrows()):
        pivot = diagonal[j, j]
        root = abs(pivot).sqrt()
        signs.append(-1 if pivot < 0 else 1)
        column = [(T[i, j] / root).mid().man_exp() for i in range(A.nrows())]
        columns.append([(int(m), int(e)) for m, e in column])
    return columns, signs


def _triangular(A: arb_mat) -> arb_mat:
    """Return T, upper triangular, with ``T^T A T`` nearly diagonal."""
    n, m = A.nrows(), A.nrows() // 2
    if n == 1:
        return arb_mat([[1]])
    rows = A.tolist()
    P, Q = arb_mat([row[:m] for row in rows[:m]]), arb_mat([row[m:] for row in rows[:m]])
    X = P.solve(Q, algorithm="approx").mid()
    S = (arb_mat([row[m:] for row in rows[m:]]) - Q.transpose() * X).mid()
    left, right = _triangular(P), _triangular(S)
    corner = (-X * right).mid().tolist()
    top = [a + b for a, b in zip(left.tolist(), corner, strict=True)]
    return arb_mat(top + [[arb(0)] * m + row for row in right.tolist()])


def contraction(
    A: arb_mat, witness: Witness, condition: float, u: NDArray[np.float64] | None = None
) -> float:
    """Return ``max_i sum_j |I - Y A|_ij u_j / u_i``, as well as floats know it where that is enough."""
    u = np.ones(A.nrows()) if u is None else u
    if condition < _FLOAT_CONDITION:
        T = witness.floats()
        Y = (T * np.where(np.arange(len(T)) < witness.minus, -1.0, 1.0)) @ T.T
        wide = np.array([float(entry.rad()) for entry in A.entries()]).reshape(A.nrows(), -1)
        defect = np.abs(np.eye(len(Y)) - Y @ floats(A)) + np.abs(Y) @ wide
        return float((defect @ u / u).max())
    rows = applied(witness.minus, turned(witness), A).tolist()
    defect = np.array(
        [
            [float(abs(x - 1 if i == j else x).upper()) for j, x in enumerate(row)]
            for i, row in enumerate(rows)
        ]
    )
    return float((defect @ u / u).max()) if np.isfinite(defect).all() else np.inf


def turned(witness: Witness) -> arb_mat:
    """Return ``T^T``."""
    columns = zip(witness.exponents, witness.integers(), strict=True)
    return arb_mat([[arb((x, e)) for x in column] for e, column in columns])


def applied(minus: int, T: arb_mat, A: arb_mat) -> arb_mat:
    """Return ``Y A`` from ``T^T``."""
    rows = (T * A).tolist()
    rows[:minus] = [[-x for x in row] for row in rows[:minus]]
    return T.transpose() * arb_mat(rows)


def inertia(A: arb_mat) -> Witness | None:
    """Return a witness that proves the inertia of every symmetric matrix in A, or None."""
    found = witness_of(A)
    if found is None or not contraction(A, *found) < _ROOM:
        return None
    return found[0]


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
