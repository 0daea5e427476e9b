"""One point in balls: the cost at and around it, the system whose zeros are critical points, and S in its own units."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from itertools import combinations
from typing import Any

from sphereufm.certify.checker.arithmetic import Undecided
from sphereufm.certify.checker.calculus import Evaluated, evaluate
from sphereufm.certify.checker.kernel import dot, inertia, on_tangent, scaled
from sphereufm.certify.checker.reading import Point, Problem


class Place:
    """The stored point of a certificate at one precision."""

    def __init__(self, B: Any, p: Problem, point: Point) -> None:
        self.B, self.p, self.point = B, p, point
        self.cache: dict[tuple[Fraction, int], Evaluated] = {}

    @cached_property
    def shares(self) -> list[Any]:
        """Normalised weights of all samples; of one, where they are equal."""
        if self.p.weights is None:
            return [self.B.number(1) / max(self.p.samples, 1)]
        # in balls: the exact sum may have as many digits as the file
        self.B.charge(2 * self.p.samples)
        weights = [self.B.number(w) for w in self.p.weights]
        total = sum(weights)
        return [w / total for w in weights]

    def evaluate(self, groups: list[tuple[int, int, int]], X: list[list[Any]], order: int) -> Evaluated:
        """Cost and derivatives at columns of balls."""
        masses = [m * self.shares[first if self.p.weights else 0] for _, m, first in groups]
        return evaluate(self.B, self.p, groups, masses, X, order)

    def balls(self, point: Point, radius: Any) -> list[list[Any]]:
        """All columns within ``radius`` of the stored ones, whose lengths lie between 1/2 and 2."""
        B = self.B
        B.charge(4 * point.rank * len(point.columns))
        columns = [[B.number(x) for x in column] for column in point.columns]
        squares = [dot(c, c) for c in columns]
        if not all(B.less(0.25, x) and B.less(x, 4) for x in squares):
            raise Undecided("a stored column has a length outside 1/2 .. 2")
        return [[B.around(x, radius) for x in column] for column in columns]

    def at(self, radius: Fraction, order: int) -> Evaluated:
        """Evaluation over ``B(radius)``."""
        if (radius, order) not in self.cache:
            X = self.balls(self.point, self.B.number(radius))
            self.cache[radius, order] = self.evaluate(self.point.groups, X, order)
        return self.cache[radius, order]

    def normalised(
        self, point: Point, radius: Any, order: int
    ) -> tuple[Evaluated, list[list[Any]], list[Any]]:
        """Evaluation at the columns near the stored ones divided by their lengths; the columns, and the lengths."""
        columns = self.balls(point, radius)
        lengths = [self.B.function("sqrt", dot(c, c)) for c in columns]
        if not all(self.B.less(0, length) for length in lengths):
            raise Undecided("a column is not proved nonzero")
        unit = [[x / t for x in c] for c, t in zip(columns, lengths, strict=True)]
        return self.evaluate(point.groups, unit, order), columns, lengths

    @cached_property
    def centre(self) -> tuple[Evaluated, list[list[Any]], list[Any]]:
        """At the stored columns divided by their lengths."""
        return self.normalised(self.point, self.B.number(0), 1)

    @property
    def scales(self) -> list[int]:
        """Exponents ``k_j`` of the scales ``s_j = 4^(k_j)`` of columns, as the file gives them; any would do."""
        if self.point.scales is None:
            raise Undecided("the point has no scales")
        return self.point.scales

    def weighted(self, X: list[list[Any]]) -> list[list[Any]]:
        """Columns times ``(s_j / max s)^(1/2)``."""
        units = [self.B.dyadic(1, k - max(self.scales)) for k in self.scales]
        return [[a * unit for a in x] for x, unit in zip(X, units, strict=True)]

    def turns(self, X: list[list[Any]]) -> list[list[Any]]:
        """The vectors ``A_ab X``, ``A_ab = E_ab - E_ba``: one for each pair a < b, column after column."""
        zero, r = self.B.number(0), len(X[0])
        self.B.charge(len(X) * r**3)
        pairs = combinations(range(r), 2)
        return [
            [x[b] if c == a else -x[a] if c == b else zero for x in X for c in range(r)] for a, b in pairs
        ]

    def residual(self) -> list[Any]:
        """Phi at the centre, where gamma is zero, columns in units of ``s_j^(1/2)``."""
        e, _, lengths = self.centre
        F = []
        for x, y, length, k in zip(e.X, e.tangential, lengths, self.scales, strict=True):
            unit, root = self.B.dyadic(1, -k), self.B.dyadic(1, k)
            F += [unit * b / length + root * (length - 1) * a for a, b in zip(x, y, strict=True)]
        return F

    def jacobian(self, e: Evaluated, columns: list[list[Any]], lengths: list[Any], turning: bool) -> Any:
        """Its derivative over a box, both factors of the gauge's term included: so it holds Lemma 6's A too."""
        B, r, M = self.B, e.r, len(e.X)
        units = [B.dyadic(1, -k) / length for k, length in zip(self.scales, lengths, strict=True)]
        B.charge(4 * (r * M) ** 2)
        H = B.matrix(scaled(e.hessian(), [t for t in units for _ in range(r)]))
        zero = B.number(0)
        N = B.matrix(
            [[x if i == j else zero for i in range(M)] for j, column in enumerate(e.X) for x in column]
        )
        J = on_tangent(B, H, N)
        omega = [[zero] * r for _ in range(r)]
        if turning:
            V, Vhat = self.weighted(columns), self.weighted(self.centre[1])
            Z = B.matrix(self.turns(V))
            J = J + B.times(Z.transpose(), Z)
            for a, b in combinations(range(r), 2):
                omega[a][b] = sum(h[b] * v[a] - h[a] * v[b] for h, v in zip(Vhat, V, strict=True))
                omega[b][a] = -omega[a][b]
        rows = J.tolist()
        for j, (x, y, length, t) in enumerate(zip(e.X, e.tangential, lengths, units, strict=True)):
            shrink = 1 - 1 / length
            for a in range(r):
                for b in range(r):
                    bend = t * t * (x[a] * y[b] + y[a] * x[b]) + shrink * x[a] * x[b]
                    rows[j * r + a][j * r + b] += omega[a][b] - bend + (shrink if a == b else 0)
        return B.matrix(rows)

    def detour(self, k: int | None, witnesses: list[Any]) -> Any:
        """Lemma 4: within this factor of its distance, a critical point has a copy with gamma = 0."""
        if k is None:
            return self.B.dyadic(1, max(self.scales) - min(self.scales))
        V, bound = self.B.matrix(self.weighted(self.centre[1])), self.B.dyadic(1, -2 * k)
        rows = self.B.times(V.transpose(), V).tolist()
        for a, row in enumerate(rows):
            row[a] -= bound
        if inertia(self.B, witnesses[0], self.B.matrix(rows), "the stored columns") != 0:
            raise Undecided("the stored columns are not proved to span their space")
        return 1 + self.B.dyadic(1, k + 1)

    def multiplier_inertia(self, e: Evaluated, ready: Any) -> int:
        """``n_-(S)`` at X*, whose kernel holds the rows of X*: of ``D^(-1/2) (S + D X^T X D / max s) D^(-1/2)``."""
        V = self.B.matrix(self.weighted(e.X))
        S = self.B.matrix(scaled(e.S(), [self.B.dyadic(1, -k) for k in self.scales]))
        return inertia(self.B, ready, S + self.B.times(V, V.transpose()), "the multiplier matrix")
