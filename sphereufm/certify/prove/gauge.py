"""The gauge-fixed system whose zeros are exact critical points (docs/proofs.md, Lemma 3), and Krawczyk's test on it.

Unknowns, in the order of the vector: X column after column, ``mu_j = lambda_j / s_j``, and the entries
Omega_ab (a < b) of a skew matrix; ``s_j = 2^{e_j}`` are scales, so that everything is of order one also where
the softmax saturates.

    F1_j = (grad f)_j / s_j - mu_j x_j + Omega x_j,   F2_j = (|x_j|^2 - 1) / 2,   F3_ab = <A_ab Xhat, X>.

``A_ab = E_ab - E_ba``. Without a continuous symmetry Omega and F3 are absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from sphereufm.certify.balls import BallEvaluation, BallProblem, ball, box, floats

__all__ = ["Krawczyk", "gauge_pairs", "jacobian", "krawczyk", "power", "residual", "scaled_multipliers"]

Columns = tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Krawczyk:
    """Outcome of the test on a box: a unique zero lies in it when ``eta + q < 1``.

    Attributes
    ----------
    eta, q : arb
        Bounds of the scaled Newton step at the centre and of ``|I - Y J|`` over the box.
    radius : arb
        The zero lies within this distance of the centre, in every entry of X.
    """

    eta: arb
    q: arb
    radius: arb

    @property
    def holds(self) -> bool:
        """Whether existence and uniqueness are proved."""
        return bool(self.eta + self.q < 1)


def power(e: int) -> arb:
    """Return 2^e exactly."""
    return arb((1, e))


def gauge_pairs(problem: BallProblem, r: int) -> list[tuple[int, int]]:
    """Return the pairs (a, b) that number a basis of so(r); none without that symmetry."""
    return list(combinations(range(r), 2)) if problem.is_orthogonally_invariant else []


def scaled_multipliers(evaluation: BallEvaluation, scales: list[int]) -> list[arb]:
    """Return ``mu_j = lambda_j / s_j``."""
    return [value * power(-e) for value, e in zip(evaluation.multipliers, scales, strict=True)]


def residual(
    evaluation: BallEvaluation, mu: list[arb], scales: list[int], pairs: list[tuple[int, int]]
) -> arb_mat:
    """Return F at ``(X, mu, 0)`` with the gauge centred at X, as one column."""
    X = evaluation.X.transpose().tolist()
    first: list[arb] = []
    for x, gradient, m, e in zip(X, evaluation.gradient, mu, scales, strict=True):
        s = power(-e)
        first += [g * s - m * a for g, a in zip(gradient, x, strict=True)]
    second = [(sum((a * a for a in x), arb(0)) - 1) / 2 for x in X]
    return arb_mat([[value] for value in [*first, *second, *[arb(0) for _ in pairs]]])


def jacobian(
    evaluation: BallEvaluation,
    mu: list[arb],
    omega: arb,
    scales: list[int],
    pairs: list[tuple[int, int]],
    centre: list[list[arb]],
) -> list[list[arb]]:
    """Return the rows of J over a box: X in ``evaluation.X``, mu and every Omega_ab in the given balls."""
    X = evaluation.X.transpose().tolist()
    M, r = len(X), len(X[0])
    zero, extra = arb(0), [arb(0)] * (M + len(pairs))
    rows = []
    for j, x in enumerate(X):
        s = power(-scales[j])
        for a in range(r):
            row = [value * s for value in evaluation.hessian[j * r + a]] + extra
            row[j * r + a] -= mu[j]
            row[r * M + j] = -x[a]
            for q, (b, c) in enumerate(pairs):
                if a == b:
                    row[j * r + c] += omega
                    row[r * M + M + q] = x[c]
                elif a == c:
                    row[j * r + b] -= omega
                    row[r * M + M + q] = -x[b]
            rows.append(row)
    for j, x in enumerate(X):
        row = [zero] * (r * M) + extra
        row[j * r : j * r + r] = x
        rows.append(row)
    for b, c in pairs:
        row = [zero] * (r * M) + extra
        for j, x in enumerate(centre):
            row[j * r + b], row[j * r + c] = x[c], -x[b]
        rows.append(row)
    return rows


def krawczyk(
    problem: BallProblem, columns: Columns, rho: Fraction, inverse: NDArray[np.float64] | None = None
) -> Krawczyk:
    """Test the box of radius ``rho`` around exact columns, at the working precision.

    Parameters
    ----------
    problem : BallProblem
    columns : tuple of tuple of Fraction
        Centre, M columns.
    rho : Fraction
        Radius of the box in the entries of X and Omega; mu gets what the box needs.
    inverse : ndarray, optional
        Approximate inverse of the Jacobian; computed where it is not given.

    Returns
    -------
    Krawczyk
        A failed test has ``holds`` False, and means nothing.
    """
    at_centre, over_box = problem.at(box(columns, Fraction(0))), problem.at(box(columns, rho))
    scales, r = at_centre.scales, len(columns[0])
    pairs = gauge_pairs(problem, r)
    mu = [value.mid() for value in scaled_multipliers(at_centre, scales)]
    margin = ball(rho).upper()
    wide = [abs(m - c).upper() for m, c in zip(scaled_multipliers(over_box, scales), mu, strict=True)]
    reach = [(2 * value + margin).upper() for value in wide]
    widths = [margin] * (r * problem.columns) + reach + [margin] * len(pairs)
    mu_box = [c + arb(0, u) for c, u in zip(mu, reach, strict=True)]
    J = arb_mat(jacobian(over_box, mu_box, arb(0, margin), scales, pairs, at_centre.X.transpose().tolist()))
    Y = _inverse(J) if inverse is None else arb_mat(inverse.tolist())
    step = Y * residual(at_centre, mu, scales, pairs)
    eta = _largest([abs(value) / u for value, u in zip(step.entries(), widths, strict=True)])
    product = Y * J
    defect = arb_mat(
        [[abs((1 if i == j else 0) - v) for j, v in enumerate(row)] for i, row in enumerate(product.tolist())]
    )
    spread = defect * arb_mat([[u] for u in widths])
    q = _largest([value / u for value, u in zip(spread.entries(), widths, strict=True)])
    return Krawczyk(eta=eta, q=q, radius=margin * eta / (1 - q))


def _inverse(J: arb_mat) -> arb_mat:
    """Return an approximate inverse of the midpoint: floats, or balls where floats are too coarse."""
    middle = floats(J)
    try:
        inverse = np.linalg.inv(middle)
    except np.linalg.LinAlgError:
        inverse = np.full_like(middle, np.inf)
    size = np.abs(inverse).sum(axis=1).max() * np.abs(middle).sum(axis=1).max()
    if size < 1e13:
        return arb_mat(inverse.tolist())
    identity = arb_mat([[1 if i == j else 0 for j in range(J.ncols())] for i in range(J.nrows())])
    try:
        return J.mid().solve(identity, algorithm="approx").mid()
    except ZeroDivisionError:
        return identity


def _largest(values: list[arb]) -> arb:
    """Return an upper bound of nonnegative balls; not finite where one of them is not."""
    uppers = [value.upper() for value in values]
    if not all(value.is_finite() for value in uppers):
        return arb.pos_inf()
    return max(uppers)
