"""The system whose zeros are exact critical points (docs/proofs.md, Lemma 3), and its derivative.

With ``xt_j = x_j / |x_j|``, ``s_j = 4^{k_j}`` near the size of the gradient of column j, ``A_ab = E_ab - E_ba`` and
``gamma_ab(X) = sum_j s_j <A_ab xhat_j, x_j> / max s``:

    Phi_j = (grad_j(Xt) - <xt_j, grad_j(Xt)> xt_j) / |x_j| + s_j (|x_j| - 1) xt_j + s_j sum_ab gamma_ab A_ab x_j.

Columns are measured in units of ``s_j^(-1/2)``, so that everything is of order one also where the softmax
saturates; there the derivative at a zero is the matrix of Lemma 6. Without a continuous symmetry gamma is absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from flint import arb, arb_mat

from sphereufm.certify.balls import BallEvaluation, BallProblem
from sphereufm.certify.prove.inertia import blocks, on_tangent, power

Columns = tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Local:
    """A ball matrix, its column lengths, and the problem at the columns divided by them."""

    columns: list[list[arb]]
    lengths: list[arb]
    evaluation: BallEvaluation

    @property
    def tangential(self) -> list[list[arb]]:
        """``grad_j - lambda_j x_j`` at the unit columns."""
        e = self.evaluation
        parts = zip(e.X.transpose().tolist(), e.gradient, e.multipliers, strict=True)
        return [[g - t * a for a, g in zip(x, gradient, strict=True)] for x, gradient, t in parts]


def local(problem: BallProblem, X: arb_mat) -> Local:
    """Evaluate the problem at the columns of ``X`` divided by their lengths."""
    columns = X.transpose().tolist()
    lengths = [sum((a * a for a in x), arb(0)).sqrt() for x in columns]
    unit = arb_mat([[a / t for a in x] for x, t in zip(columns, lengths, strict=True)]).transpose()
    return Local(columns=columns, lengths=lengths, evaluation=problem.at(unit))


def residual(at: Local, scales: list[int]) -> arb_mat:
    """Return the system at a centre (where gamma is zero), in units, as one column."""
    values = []
    parts = zip(at.evaluation.X.transpose().tolist(), at.tangential, at.lengths, scales, strict=True)
    for x, gradient, length, e in parts:
        inner, outer = power(-e // 2) / length, power(e // 2) * (length - 1)
        values += [inner * g + outer * a for a, g in zip(x, gradient, strict=True)]
    return arb_mat([[value] for value in values])


def jacobian(problem: BallProblem, at: Local, centre: list[list[arb]], scales: list[int]) -> arb_mat:
    """Return its derivative over a box, in units, gauge centred at ``centre``.

    Both factors of the gauge's term range over the box, so that the matrix of Lemma 6 at a zero lies in it.
    """
    unit = at.evaluation.X.transpose().tolist()
    r = len(unit[0])
    units = [power(-e // 2) / length for e, length in zip(scales, at.lengths, strict=True)]
    J = on_tangent(_form(at.evaluation, units), blocks(unit))
    top = max(scales)
    omega = [[arb(0)] * r for _ in range(r)]
    if problem.is_orthogonally_invariant and r > 1:
        V, Vhat = (
            [[a * power((e - top) // 2) for a in x] for x, e in zip(X, scales, strict=True)]
            for X in (at.columns, centre)
        )
        for a, b in combinations(range(r), 2):
            omega[a][b] = sum((h[b] * v[a] - h[a] * v[b] for h, v in zip(Vhat, V, strict=True)), arb(0))
            omega[b][a] = -omega[a][b]
        Z = arb_mat([rotated(V, a, b) for a, b in combinations(range(r), 2)])
        J += Z.transpose() * Z
    rows = J.tolist()
    for j, (x, y, length, u) in enumerate(zip(unit, at.tangential, at.lengths, units, strict=True)):
        t, shrink = u * u, 1 - 1 / length
        for a in range(r):
            for b in range(r):
                bend = t * (x[a] * y[b] + y[a] * x[b]) + shrink * x[a] * x[b]
                rows[j * r + a][j * r + b] += omega[a][b] - bend + (shrink if a == b else 0)
    return arb_mat(rows)


def rotated(X: list[list[arb]], a: int, b: int) -> list[arb]:
    """Return the entries of ``A_ab X``, column after column."""
    entries = []
    for x in X:
        column = [arb(0)] * len(x)
        column[a], column[b] = x[b], -x[a]
        entries += column
    return entries


def _form(evaluation: BallEvaluation, units: list[arb]) -> arb_mat:
    """Return the Hessian form with multipliers, block (i, j) multiplied by both units."""
    r = evaluation.X.nrows()
    wide = [unit for unit in units for _ in range(r)]
    rows = []
    for i, (row, s) in enumerate(zip(evaluation.hessian, wide, strict=True)):
        line = [v * t for v, t in zip(row, wide, strict=True)]
        line[i] -= evaluation.multipliers[i // r] * s
        rows.append([v * s for v in line])
    return arb_mat(rows)
