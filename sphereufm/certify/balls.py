"""Cost, gradient, Hessian and multiplier matrix of a problem of normalised features in ball arithmetic.

Every function returns balls that contain the exact values at *every* point of the ball matrix it is given.

=========  ==============================================================  ============
symbol     meaning                                                         shape
=========  ==============================================================  ============
``X``      ``[W H]``, H one column per group of equal samples              ``(r, M)``
``mass``   ``m_g omega_g``, sums to one                                    ``(g,)``
``G``      ``tau mass`` times the loss's derivatives by the logits         ``(K, g)``
``C_i``    second derivatives of a sample's loss by its logits             ``(K, K)``
``S``      ``[[-diag(alpha), G], [G^T, -diag(beta)]]``                     ``(M, M)``
=========  ==============================================================  ============

Losses are in :mod:`sphereufm.certify.loss_balls`, one function each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import cached_property
from typing import Protocol

import numpy as np
from flint import arb, arb_mat, ctx
from numpy.typing import NDArray

from sphereufm.certify.certificate import ExactInstance, Groups
from sphereufm.certify.loss_balls import LOSSES, LossBalls, ball

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
    """Set the working precision, which is global to the process, and restore it."""
    before = ctx.prec
    ctx.prec = bits
    try:
        yield
    finally:
        ctx.prec = before


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

    @property
    def S(self) -> list[list[arb]]:
        """Rows of the multiplier matrix; only where O(r) acts."""


class BallProblem(Protocol):
    """A cost on unit columns, in balls."""

    @property
    def columns(self) -> int:
        """M, the number of columns."""

    @property
    def is_orthogonally_invariant(self) -> bool:
        """Whether O(r) acts."""

    @property
    def is_convex(self) -> bool:
        """Whether the cost is convex in the Gram matrix, so that ``S >= 0`` proves a global minimum."""

    @property
    def multiplicities(self) -> list[int]:
        """How often each column counts in the metric."""

    def at(self, X: arb_mat) -> BallEvaluation:
        """Evaluate over a ball matrix."""


class UFMBalls:
    """The merged problem of an exact instance and a grouping of its samples.

    ``groups``: ranges of samples that share a feature; None for every sample by itself.
    """

    is_orthogonally_invariant = True

    def __init__(self, instance: ExactInstance, groups: Groups | None) -> None:
        ranges = groups or tuple(((i, i + 1),) for i in range(instance.samples))
        self.classes = instance.classes
        self.tau = instance.tau
        self.loss = LOSSES[instance.loss]
        self.is_convex = self.loss.convex
        self.parameters = dict(instance.parameters)
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
        self.samples: list[LossBalls] = [
            problem.loss.evaluate(z, y, self.tau, problem.parameters)
            for z, y in zip(logits.tolist(), problem.labels, strict=True)
        ]

    @cached_property
    def cost(self) -> arb:
        """The cost."""
        return sum((m * one.value for m, one in zip(self.mass, self.samples, strict=True)), arb(0))

    @cached_property
    def g(self) -> list[list[arb]]:
        """Columns of G, each of K entries."""
        pairs = zip(self.samples, self.mass, strict=True)
        return [[self.tau * mass * slope for slope in one.slopes] for one, mass in pairs]

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
    def _curvatures(self) -> list[arb_mat]:
        """``tau^2 mass_i C_i`` of every sample."""
        square = self.tau * self.tau
        pairs = zip(self.samples, self.mass, strict=True)
        return [arb_mat(one.curvature()) * (square * mass) for one, mass in pairs]

    @cached_property
    def _seen(self) -> list[arb_mat]:
        """``W^T`` as the curvature sees it, shape (K, r): less ``w_y`` where a common shift of logits is ignored."""
        if not self.problem.loss.shift_invariant:
            return [arb_mat(self.w)] * len(self.h)
        # exactly zero at y, and small where classifiers nearly agree
        zero = [arb(0)] * self.X.nrows()
        known = {
            y: arb_mat(
                [
                    zero if j == y else [a - b for a, b in zip(w, self.w[y], strict=True)]
                    for j, w in enumerate(self.w)
                ]
            )
            for y in set(self.problem.labels)
        }
        return [known[y] for y in self.problem.labels]

    @cached_property
    def _curved(self) -> list[arb_mat]:
        """``tau^2 mass_i C_i W^T``, shape (K, r)."""
        return [C * seen for C, seen in zip(self._curvatures, self._seen, strict=True)]

    def _class_blocks(self) -> Iterator[tuple[tuple[int, int], list[list[arb]]]]:
        """Blocks ``sum_i tau^2 mass_i C_i[k, l] h_i h_i^T`` for k <= l."""
        K, r = self.problem.classes, self.X.nrows()
        pairs = [(k, l) for k in range(K) for l in range(k, K)]
        curvature = [[C[k, l] for k, l in pairs] for C in self._curvatures]
        outer = [[h[a] * h[b] for a in range(r) for b in range(a, r)] for h in self.h]
        table = arb_mat(curvature).transpose() * arb_mat(outer)
        for pair, packed in zip(pairs, table.tolist(), strict=True):
            yield pair, _unpack(packed, r)

    @cached_property
    def _feature_blocks(self) -> list[list[list[arb]]]:
        """Blocks ``tau^2 mass_i W C_i W^T``, exactly symmetric."""
        blocks = []
        for seen, curved in zip(self._seen, self._curved, strict=True):
            rows = (seen.transpose() * curved).tolist()
            blocks.append([[rows[min(a, b)][max(a, b)] for b in range(len(rows))] for a in range(len(rows))])
        return blocks

    def _cross_block(self, k: int, i: int) -> list[list[arb]]:
        """Block of w_k against h_i: ``G_ki I + h_i (tau^2 mass_i W C_i e_k)^T``."""
        t = [self._curved[i][k, a] for a in range(self.X.nrows())]
        block = [[entry * value for value in t] for entry in self.h[i]]
        for a, row in enumerate(block):
            row[a] += self.g[i][k]
        return block


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
