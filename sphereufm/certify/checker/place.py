"""One point in balls: the cost at and around it, the system whose zeros are critical points, and S in its own units."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from itertools import combinations, product
from typing import Any, NamedTuple

from sphereufm.certify.checker.calculus import Evaluated, Jet, combined, leaf
from sphereufm.certify.checker.kernel import dot, on_tangent, require, scaled
from sphereufm.certify.checker.losses import LOSSES, at_best_bias
from sphereufm.certify.checker.programs import evaluate_program
from sphereufm.certify.checker.reading import Point, Problem


class Box(NamedTuple):
    """All columns near stored ones, their lengths, and everything at the columns divided by these."""

    columns: list[list[Any]]
    lengths: list[Any]
    unit: Evaluated


class Place:
    """The stored point of a certificate at one precision, and the claims about it with the statuses found so far."""

    def __init__(self, B: Any, p: Problem, point: Point, claims: dict[str, Any]) -> None:
        self.B, self.p, self.point, self.claims = B, p, point, claims
        self.status: dict[str, str] = {}
        self.cache: dict[Fraction, Box] = {}

    @cached_property
    def shares(self) -> list[Any]:
        """Normalised weights of all samples."""
        # in balls: the exact sum may have as many digits as the file
        self.B.charge(2 * len(self.p.weights))
        weights = [self.B.number(w) for w in self.p.weights]
        total = sum(weights)
        return [w / total for w in weights]

    def evaluate(self, groups: list[tuple[int, int, int]], X: list[list[Any]]) -> Evaluated:
        """Cost and derivatives at columns of balls; groups of label, size and one sample."""
        B, p, K = self.B, self.p, self.p.classes
        if p.program:
            return evaluate_program(B, p, X)
        B.charge(len(groups) * K * (12 + len(X[0]) // 4))
        masses, loss, z = [m * self.shares[first] for _, m, first in groups], LOSSES[p.loss], []
        for g, (_, _, first) in enumerate(groups, K):
            tau = B.number(p.taus[first])
            z.append([leaf(B, tau * dot(w, X[g]), (k, g), tau) for k, w in enumerate(X[:K])])

        def cost(z: list[list[Jet]]) -> Jet:
            samples = zip(z, groups, strict=True)
            return combined(
                masses, [loss.cost(row, y, p.taus[i], p.parameters) for row, (y, _, i) in samples]
            )

        entries = (K - loss.shifts) * p.bias
        return at_best_bias(B, X, cost, z, entries) if entries else Evaluated(B, X, [], [cost(z)])

    def box(self, point: Point, radius: Any) -> Box:
        """All columns within ``radius`` of those of a point."""
        B = self.B
        B.charge(4 * point.rank * len(point.columns))
        columns = [[B.around(B.number(x), radius) for x in column] for column in point.columns]
        squares = [dot(c, c) for c in columns]
        inside = all(B.less(0.25, x) and B.less(x, 4) for x in squares)
        require(inside, "a column is not proved to have a length between 1/2 and 2")
        lengths = [B.function("sqrt", x) for x in squares]
        unit = [[x / t for x in c] for c, t in zip(columns, lengths, strict=True)]
        return Box(columns, lengths, self.evaluate(point.groups, unit))

    def around(self, radius: Any) -> Box:
        """``B(radius)``."""
        if radius not in self.cache:
            self.cache[radius] = self.box(self.point, self.B.number(radius))
        return self.cache[radius]

    def weighted(self, X: list[list[Any]]) -> list[list[Any]]:
        """The first columns times ``(s_j / max s)^(1/2)``."""
        scales = self.point.scales[: len(X)]
        units = [self.B.dyadic(1, k - max(scales)) for k in scales]
        return [[a * unit for a in x] for x, unit in zip(X, units, strict=True)]

    def residual(self) -> list[Any]:
        """Phi at the centre, where gamma is zero, columns in units of ``s_j^(1/2)`` (Lemma 3).

        ``Phi_j(X) = P_j (grad f(Xt))_j / |x_j| + s_j (|x_j| - 1) xt_j + s_j sum_q gamma_q(X) A_q x_j``
        """
        e, F = self.around(0).unit, []
        for x, y, length, k in zip(e.X, e.tangential, self.around(0).lengths, self.point.scales, strict=True):
            unit, root = self.B.dyadic(1, -k), self.B.dyadic(1, k)
            F += [unit * b / length + root * (length - 1) * a for a, b in zip(x, y, strict=True)]
        return F

    def jacobian(self, radius: Fraction) -> Any:
        """Its derivative over a box, both factors of the gauge's term included: so it holds Lemma 6's A too."""
        B, box, zero = self.B, self.around(radius), self.B.number(0)
        e, r, M = box.unit, self.point.rank, len(box.columns)
        B.charge(4 * (r * M) ** 2 + M * r**3)
        units = [B.dyadic(1, -k) / length for k, length in zip(self.point.scales, box.lengths, strict=True)]
        H = B.matrix(scaled(e.hessian, [t for t in units for _ in range(r)]))
        N = [[x if i == j else zero for i in range(M)] for j, column in enumerate(e.X) for x in column]
        J = on_tangent(B, H, B.matrix(N))
        omega = [[zero] * r for _ in range(r)]
        if self.p.invariant and r > 1:
            V, Vhat = self.weighted(box.columns), self.weighted(self.around(0).columns)
            pairs = combinations(range(r), 2)
            # rows A_ab V for A_ab = E_ab - E_ba, whose inner products with Vhat are gamma
            Z = B.matrix([[{a: v[b], b: -v[a]}.get(c, zero) for v in V for c in range(r)] for a, b in pairs])
            J = J + B.times(Z.transpose(), Z)
            turned = B.times(B.matrix(V).transpose(), B.matrix(Vhat))
            omega = (turned - turned.transpose()).tolist()
        rows = J.tolist()
        for j, (x, y, length, t) in enumerate(zip(e.X, e.tangential, box.lengths, units, strict=True)):
            shrink = 1 - 1 / length
            for a, b in product(range(r), repeat=2):
                bend = t * t * (x[a] * y[b] + y[a] * x[b]) + shrink * x[a] * x[b]
                rows[j * r + a][j * r + b] += omega[a][b] - bend + (shrink if a == b else 0)
        return B.matrix(rows)

    def split_block(self, e: Evaluated, j: int) -> Any:
        """``P (m_g B_g) P / s + h_g h_g^T`` for the column j of h_g: the block of column j in the Hessian (Lemma 1).

        A free bias is at rest: what tells equal samples apart does not move it.
        """
        B, r = self.B, e.r
        block = [row[j * r : j * r + r] for row in e.at_rest.hessian[j * r : j * r + r]]
        A = B.matrix(scaled(block, [B.dyadic(1, -self.point.scales[j])] * r))
        return on_tangent(B, A, B.matrix([[x] for x in e.X[j]]))

    def multiplier_matrix(self, e: Evaluated, shifts: list[Fraction] | None = None) -> tuple[int, Any]:
        """A number n and a matrix T with ``n + n_-(T) = n_-(S + diag(delta))`` for the S of all samples.

        delta are the shifts of single samples.  With ``b_g = m_g delta_g - beta_g``, which must not be zero, n is the
        sum of ``m_g`` over ``b_g < 0``, and ``T = diag(delta_k - alpha_k) - G diag(1/b) G^T`` (Haynsworth's law; equal
        samples by Lemma 1).  Without shifts the kernel of T holds the rows of W, and ``T + V V^T``, ``V = D W^T``,
        takes its place (Lemma 6).  T comes in units ``s_k^(1/2)``.  Of an expression T is the whole matrix.
        """
        B, K, sizes = self.B, self.p.classes or self.p.columns, self.point.sizes
        moved = zip(e.multipliers, sizes, shifts or [Fraction(0)] * len(sizes), strict=True)
        diagonal = [B.number(m * x) - a for a, m, x in moved]
        known = all(B.less(0, x) or B.less(x, 0) for x in diagonal[K:])
        require(known, "a diagonal entry of the multiplier matrix is not proved nonzero")
        B.charge(K * K)
        rows = [[diagonal[k] if k == l else B.number(0) for l in range(K)] for k in range(K)]
        for i, j in e.first if self.p.program else ():
            rows[i][j] += e.first[i, j]
            rows[j][i] += e.first[i, j]
        if self.p.classes:
            G = [[e.first[k, K + g] for k in range(K)] for g in range(len(sizes) - K)]
            over = B.matrix([[-x / b for x in row] for row, b in zip(G, diagonal[K:], strict=True)])
            rows = (B.matrix(rows) + B.times(over.transpose(), B.matrix(G))).tolist()
        T = B.matrix(scaled(rows, [B.dyadic(1, -k) for k in self.point.scales[:K]]))
        if shifts is None:
            V = B.matrix(self.weighted(e.X[:K]))
            T = T + B.times(V, V.transpose())
        return sum(m for m, b in zip(sizes[K:], diagonal[K:], strict=True) if B.less(b, 0)), T
