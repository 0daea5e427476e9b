"""Witnesses for symmetric ball matrices (docs/proofs.md, Lemmas 4 and 6).

Floats propose T with ``T^T A T`` near a diagonal of signs E; for ``Y = T E T^T`` a contraction ``|I - Y A| < 1`` over
the balls proves that every symmetric matrix in A has the inertia of E.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx
from numpy.typing import NDArray

from sphereufm.certify.checker import kernel
from sphereufm.certify.checker.kernel import Arb, applied
from sphereufm.certify.prove.attempts import attempt
from sphereufm.certify.witness import Witness, diagonalised

# where floats are much finer than what the inverse amplifies, they serve for the test as well
FLOAT_CONDITION = 1e9
# a test that succeeds by less might fail in another arithmetic
_ROOM = 0.9


def floats(matrix: arb_mat) -> NDArray[np.float64]:
    """Midpoints as floats."""
    return np.array([float(x) for x in matrix.entries()]).reshape(matrix.nrows(), matrix.ncols())


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
    B: Arb, A: arb_mat, witness: Witness, condition: float, u: NDArray[np.float64] | None = None
) -> float:
    """Return ``max_i sum_j |I - Y A|_ij u_j / u_i``, as well as floats know it where that is enough."""
    n = A.nrows()
    u = np.ones(n) if u is None else u
    if condition < FLOAT_CONDITION:
        T = witness.floats()
        Y = (T * np.where(np.arange(n) < witness.minus, -1.0, 1.0)) @ T.T
        wide = np.array([float(entry.rad()) for entry in A.entries()]).reshape(n, -1)
        # a checker multiplies by T^T and then by T, and radii grow with each
        defect = np.abs(np.eye(n) - Y @ floats(A)) + np.abs(T) @ (np.abs(T).T @ wide)
        return float((defect @ u / u).max())
    rows = applied(B, witness.exactly, A).tolist()
    q = attempt(kernel.contraction, B, rows, list(map(B.number, u.tolist())))
    return np.inf if q is None else B.real(q)


def inertia(B: Arb, A: Any) -> Witness | None:
    """Return a witness that proves the inertia of every symmetric matrix in A, or None."""
    found = witness_of(A)
    return found[0] if found is not None and contraction(B, A, *found) < _ROOM else None
