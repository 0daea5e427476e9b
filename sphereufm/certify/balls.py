"""Cost, gradient, Hessian and multiplier matrix of the cross-entropy problem in ball arithmetic.

Every function returns balls that contain the exact values at *every* point of the ball matrix it is given.

=========  ==============================================================  ============
symbol     meaning                                                         shape
=========  ==============================================================  ============
``X``      ``[W H]``, H one column per group of equal samples              ``(r, M)``
``mass``   ``m_g omega_g``, sums to one                                    ``(g,)``
``P``      softmax of ``tau W^T H``, by columns                            ``(K, g)``
``G``      ``tau mass (P - Y)``, never formed as a difference              ``(K, g)``
``S``      ``[[-diag(alpha), G], [G^T, -diag(beta)]]``                     ``(M, M)``
=========  ==============================================================  ============

Softmax of balls: if every logit of a column moves by at most rho, ``log p_k`` moves by at most ``2 rho``; so p
is evaluated at the centre and multiplied by ``exp([-2 rho, 2 rho])``. Each entry keeps its relative accuracy,
however small.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import cached_property
from typing import Protocol

import numpy as np
from flint import arb, arb_mat, ctx, fmpq
from numpy.typing import NDArray

from sphereufm.certify.certificate import ExactInstance, Groups

__all__ = [
    "BallEvaluation",
    "BallProblem",
    "UFMBalls",
    "UFMEvaluation",
    "ball",
    "box",
    "exponent",
    "floats",
    "precision",
    "unit_columns",
]


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Set the working precision, which is global to the process, and restore it.

    Examples
    --------
    >>> with precision(200):
    ...     print(ctx.prec)
    200
    """
    before = ctx.prec
    ctx.prec = bits
    try:
        yield
    finally:
        ctx.prec = before


def ball(value: Fraction) -> arb:
    """Return a ball around an exact number (exact where the precision allows)."""
    return arb(fmpq(value.numerator, value.denominator))


def box(columns: Sequence[Sequence[Fraction]], radius: Fraction) -> arb_mat:
    """Return the balls of one radius around stored columns, shape (r, M)."""
    margin = ball(radius)
    grow = arb(0, margin.upper()) if radius else arb(0)
    return arb_mat([[ball(value) + grow for value in row] for row in zip(*columns, strict=True)])


def unit_columns(columns: Sequence[Sequence[Fraction]]) -> arb_mat:
    """Return the columns divided by their lengths, shape (r, M)."""
    scaled = []
    for column in columns:
        entries = [ball(value) for value in column]
        length = sum((entry * entry for entry in entries), arb(0)).sqrt()
        scaled.append([entry / length for entry in entries])
    return arb_mat(scaled).transpose()


def floats(matrix: arb_mat) -> NDArray[np.float64]:
    """Return the midpoints rounded to floats."""
    return np.array([float(entry) for entry in matrix.entries()]).reshape(matrix.nrows(), matrix.ncols())


def exponent(value: arb) -> int:
    """Return the least e with ``|value| <= 2^e`` for the whole ball, up to one; of zero, a very low one."""
    mantissa, power = value.abs_upper().man_exp()
    return int(power) + int(mantissa).bit_length() if mantissa else -100000


class BallEvaluation(Protocol):
    """Balls of a cost and its derivatives over a ball matrix X."""

    X: arb_mat

    @property
    def cost(self) -> arb:
        """The cost."""

    @property
    def gradient(self) -> list[list[arb]]:
        """Euclidean gradient, a list of M columns."""

    @property
    def multipliers(self) -> list[arb]:
        """``lambda_j = <x_j, gradient_j>``."""

    @property
    def hessian(self) -> list[list[arb]]:
        """Euclidean Hessian, rows of a symmetric matrix, column after column of X."""

    @property
    def scales(self) -> list[int]:
        """Even integers e_j; ``2^{e_j}`` measures the gradient of column j."""


class BallProblem(Protocol):
    """A cost on unit columns, in balls."""

    @property
    def columns(self) -> int:
        """M, the number of columns."""

    @property
    def is_orthogonally_invariant(self) -> bool:
        """Whether O(r) acts."""

    @property
    def multiplicities(self) -> list[int]:
        """How often each column counts in the metric."""

    def at(self, X: arb_mat) -> BallEvaluation:
        """Evaluate over a ball matrix."""


class UFMBalls:
    """The merged cross-entropy problem of an exact instance and a grouping of its samples.

    Parameters
    ----------
    instance : ExactInstance
    groups : tuple or None
        Ranges of samples that share a feature; None for every sample by itself.

    Examples
    --------
    >>> instance = ExactInstance(classes=2, dim=2, class_sizes=(1, 1), tau=Fraction(1))
    >>> problem = UFMBalls(instance, None)
    >>> X = arb_mat([[1, -1, 1, -1], [0, 0, 0, 0]])
    >>> bool(abs(float(problem.at(X).cost) - np.log1p(np.exp(-2.0))) < 1e-15)
    True
    """

    is_orthogonally_invariant = True

    def __init__(self, instance: ExactInstance, groups: Groups | None) -> None:
        ranges = groups or tuple(((i, i + 1),) for i in range(instance.samples))
        self.classes = instance.classes
        self.tau = instance.tau
        self.labels = [instance.label(group[0][0]) for group in ranges]
        self.counts = [sum(stop - start for start, stop in group) for group in ranges]
        self.omega = [instance.weight(group[0][0]) for group in ranges]

    @property
    def columns(self) -> int:
        """M = K + g."""
        return self.classes + len(self.labels)

    @property
    def multiplicities(self) -> list[int]:
        """One for classes, the number of samples for groups."""
        return [1] * self.classes + self.counts

    def at(self, X: arb_mat) -> UFMEvaluation:
        """Evaluate over a ball matrix of shape (r, M)."""
        return UFMEvaluation(self, X)


class UFMEvaluation:
    """Balls of everything at a ball matrix; parts are computed when asked for."""

    def __init__(self, problem: UFMBalls, X: arb_mat) -> None:
        self.problem = problem
        self.X = X
        columns = X.transpose().tolist()
        self.w, self.h = columns[: problem.classes], columns[problem.classes :]
        self.tau = ball(problem.tau)
        self.mass = [ball(m * o) for m, o in zip(problem.counts, problem.omega, strict=True)]
        logits = arb_mat(self.h) * arb_mat(self.w).transpose() * self.tau
        softmax = [_softmax(z, y) for z, y in zip(logits.tolist(), problem.labels, strict=True)]
        self.p, self.rest, self._losses = (list(part) for part in zip(*softmax, strict=True))

    @cached_property
    def cost(self) -> arb:
        """The cost in nats."""
        return sum((m * loss for m, loss in zip(self.mass, self._losses, strict=True)), arb(0))

    @cached_property
    def g(self) -> list[list[arb]]:
        """Columns of G, each of K entries."""
        columns = []
        for p, rest, mass, y in zip(self.p, self.rest, self.mass, self.problem.labels, strict=True):
            factor = self.tau * mass
            columns.append([-factor * rest[k] if k == y else factor * p[k] for k in range(len(p))])
        return columns

    @cached_property
    def gradient(self) -> list[list[arb]]:
        """Columns of ``[H G^T, W G]``."""
        g = arb_mat(self.g)
        rows_w = g.transpose() * arb_mat(self.h)
        rows_h = g * arb_mat(self.w)
        return [*rows_w.tolist(), *rows_h.tolist()]

    @cached_property
    def multipliers(self) -> list[arb]:
        """``alpha`` and then ``beta``."""
        columns = self.w + self.h
        return [_dot(x, grad) for x, grad in zip(columns, self.gradient, strict=True)]

    @cached_property
    def scales(self) -> list[int]:
        """Even exponents of ``sum_i |G_ki|`` and ``sum_k |G_ki|``."""
        sizes = [[abs(entry) for entry in column] for column in self.g]
        sums = [sum(row, arb(0)) for row in zip(*sizes, strict=True)] + [sum(size, arb(0)) for size in sizes]
        highest = max(exponent(value) for value in sums)
        return [2 * (max(exponent(value), highest - 2000) // 2) for value in sums]

    @property
    def S(self) -> list[list[arb]]:
        """Rows of the multiplier matrix."""
        K, zero = self.problem.classes, arb(0)
        total = self.problem.columns
        rows = [[zero] * total for _ in range(total)]
        for j, value in enumerate(self.multipliers):
            rows[j][j] = -value
        for i, column in enumerate(self.g):
            for k, entry in enumerate(column):
                rows[k][K + i] = rows[K + i][k] = entry
        return rows

    def split_block(self, group: int) -> list[list[arb]]:
        """Rows of ``B_g = tau^2 omega W C W^T - (beta / m) I``, shape (r, r)."""
        count = self.problem.counts[group]
        beta = self.multipliers[self.problem.classes + group]
        rows = self._feature_blocks[group]
        return [
            [(entry - beta if a == b else entry) / count for b, entry in enumerate(row)]
            for a, row in enumerate(rows)
        ]

    @cached_property
    def hessian(self) -> list[list[arb]]:
        """Rows of the Euclidean Hessian of the merged cost, shape (r M, r M)."""
        K, r = self.problem.classes, self.X.nrows()
        size, zero = r * self.problem.columns, arb(0)
        rows = [[zero] * size for _ in range(size)]
        for (k, l), block in self._class_blocks():
            _place(rows, block, r * k, r * l)
        for i, block in enumerate(self._feature_blocks):
            _place(rows, block, r * (K + i), r * (K + i))
            for k in range(K):
                _place(rows, self._cross_block(k, i), r * k, r * (K + i))
        return rows

    @cached_property
    def _means(self) -> list[list[arb]]:
        """``c_i = sum_{j != y} p_ji (w_j - w_y)``, which is the mean classifier seen from the label."""
        return [
            [_dot(p, axis) for axis in zip(*self._differences[y], strict=True)]
            for p, y in zip(self.p, self.problem.labels, strict=True)
        ]

    @cached_property
    def _differences(self) -> dict[int, list[list[arb]]]:
        """``w_j - w_y`` for each label y that occurs (exactly zero at j = y)."""
        zero = [arb(0)] * self.X.nrows()
        return {
            y: [
                zero if j == y else [a - b for a, b in zip(w, self.w[y], strict=True)]
                for j, w in enumerate(self.w)
            ]
            for y in set(self.problem.labels)
        }

    def _class_blocks(self) -> Iterator[tuple[tuple[int, int], list[list[arb]]]]:
        """Blocks ``sum_i tau^2 mass_i C_i[k, l] h_i h_i^T`` for k <= l."""
        K, r = self.problem.classes, self.X.nrows()
        pairs = [(k, l) for k in range(K) for l in range(k, K)]
        curvature = []
        for p, rest, mass in zip(self.p, self.rest, self.mass, strict=True):
            q = [self.tau * self.tau * mass * value for value in p]
            curvature.append([q[k] * rest[k] if k == l else -q[k] * p[l] for k, l in pairs])
        outer = [[h[a] * h[b] for a in range(r) for b in range(a, r)] for h in self.h]
        table = arb_mat(curvature).transpose() * arb_mat(outer)
        for pair, packed in zip(pairs, table.tolist(), strict=True):
            yield pair, _unpack(packed, r)

    @cached_property
    def _feature_blocks(self) -> list[list[list[arb]]]:
        """Blocks ``tau^2 mass_i W C_i W^T``, as a covariance of ``w_j - w_y``."""
        r, labels = self.X.nrows(), self.problem.labels
        blocks: list[list[list[arb]]] = [[] for _ in labels]
        for y, differences in self._differences.items():
            members = [i for i, label in enumerate(labels) if label == y]
            outer = [[v[a] * v[b] for a in range(r) for b in range(a, r)] for v in differences]
            second = arb_mat([self.p[i] for i in members]) * arb_mat(outer)
            for i, packed in zip(members, second.tolist(), strict=True):
                factor, c = self.tau * self.tau * self.mass[i], self._means[i]
                spread = [c[a] * c[b] for a in range(r) for b in range(a, r)]
                blocks[i] = _unpack([factor * (m - s) for m, s in zip(packed, spread, strict=True)], r)
        return blocks

    def _cross_block(self, k: int, i: int) -> list[list[arb]]:
        """Block of w_k against h_i: ``G_ki I + h_i (tau^2 mass_i p_ki (w_k - wbar_i))^T``."""
        difference = self._differences[self.problem.labels[i]][k]
        factor = self.tau * self.tau * self.mass[i] * self.p[i][k]
        t = [factor * (a - b) for a, b in zip(difference, self._means[i], strict=True)]
        block = [[entry * value for value in t] for entry in self.h[i]]
        for a, row in enumerate(block):
            row[a] += self.g[i][k]
        return block


def _softmax(z: list[arb], y: int) -> tuple[list[arb], list[arb], arb]:
    """Balls of ``p``, of ``1 - p`` and of ``log(1 + sum_{j != y} exp(z_j - z_y))`` for one column of logits."""
    centre = [value.mid() for value in z]
    radius = 2 * max(value.rad() for value in z)
    spread = arb(0, radius.upper()).exp() if radius > 0 else arb(1)
    e = [arb(1) if j == y else (value - centre[y]).exp() for j, value in enumerate(centre)]
    others = sum((value for j, value in enumerate(e) if j != y), arb(0))
    total = 1 + others
    p = [value / total * spread for value in e]
    rest = [1 - value for value in p]
    rest[y] = others / total * spread
    for k, value in enumerate(p):
        if k != y and value > 0.5:
            rest[k] = sum((entry for j, entry in enumerate(p) if j != k), arb(0))
    return p, rest, (others * spread).log1p()


def _dot(a: Sequence[arb], b: Sequence[arb]) -> arb:
    """Inner product of two lists."""
    return sum((x * y for x, y in zip(a, b, strict=True)), arb(0))


def _unpack(packed: Sequence[arb], r: int) -> list[list[arb]]:
    """Turn the upper triangle of a symmetric matrix, row by row, into rows."""
    rows: list[list[arb]] = [[packed[0]] * r for _ in range(r)]
    entries = iter(packed)
    for a in range(r):
        for b in range(a, r):
            rows[a][b] = rows[b][a] = next(entries)
    return rows


def _place(rows: list[list[arb]], block: list[list[arb]], i: int, j: int) -> None:
    """Write a block and its transpose into a symmetric matrix."""
    width = len(block[0])
    for a, line in enumerate(block):
        rows[i + a][j : j + width] = line
        if i != j:
            for b, entry in enumerate(line):
                rows[j + b][i + a] = entry
