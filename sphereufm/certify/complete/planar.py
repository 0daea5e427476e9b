"""The equations of cross-entropy in the plane, in balls (docs/complete.md, section 2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from flint import arb

from sphereufm.certify.complete.arithmetic import Row, around, exact, hull, positive, sine_cosine, squared
from sphereufm.certify.complete.reading import Instance

# larger than 2 pi, with room for the rounding of a sum of floats
ROUND = 6.283185308
GAP_BOX = (-1 / 128, -1 / 128 + 13 / 4)
TURN_BOX = (-1 / 128, -1 / 128 + 101 / 16)


class Planar:
    """Cross-entropy with classes in a given order on the circle (docs/complete.md, section 2).

    Unknowns: gaps ``g_1 .. g_{K-1}``, then the angle of each sample as seen from its own classifier.
    """

    def __init__(self, p: Instance, order: Sequence[int], closed: float) -> None:
        self.p, self.order, self.closed = p, list(order), closed
        self.K, self.N = p.classes, len(p.labels)
        self.places = [self.order.index(y) for y in p.labels]
        self.tau2, self.omega = exact(2 * p.tau), [exact(w) for w in p.weights]
        self.variables = self.K - 1 + self.N
        self.low = [GAP_BOX[0]] * (self.K - 1) + [TURN_BOX[0]] * self.N
        self.periodic = [j >= self.K - 1 for j in range(self.variables)]
        self.high = [GAP_BOX[1]] * (self.K - 1) + [TURN_BOX[1]] * self.N
        back = [self.order[-1 - i] for i in range(self.K)]
        self.mirrored = all(p.like(a, b) for a, b in zip(self.order, back, strict=True))
        same: dict[tuple[int, Fraction], int] = {}
        self.alike = []
        for i, key in enumerate(zip(p.labels, p.weights, strict=True)):
            if key in same:
                self.alike.append((same[key], i))
            same[key] = i

    def outside(self, low: list[float], high: list[float]) -> bool:
        """Whether a box misses the fundamental domain, or lies where a lemma leaves collapsed classifiers only."""
        n = self.K - 1
        g, top = low[:n], high[:n]
        return (
            min(top) < 0
            or sum(g) + max(g) > ROUND
            or sum(top) < self.closed - 1e-9
            or (self.mirrored and n > 1 and g[0] > top[-1])
            or any(low[n + a] > high[n + b] for a, b in self.alike)
        )

    def halves(self, x: list[Any]) -> list[list[Any]]:
        """``(a_j - a_l) / 2`` for all places l, j."""
        K = self.K
        table = [[arb(0)] * K for _ in range(K)]
        for l in range(K):
            total = arb(0)
            for j in range(l + 1, K):
                total = total + x[j - 1] / 2
                table[l][j], table[j][l] = total, -total
        return table

    def angles(self, x: list[Any]) -> tuple[list[Row], list[tuple[Any, ...]]]:
        """Sines of half the angles between places; for each sample b, sin delta, and sines and cosines of the rest."""
        K, half = self.K, self.halves(x)
        sines = [[sine_cosine(half[l][j])[0] if l < j else arb(0) for j in range(K)] for l in range(K)]
        samples = []
        for i, y in enumerate(self.places):
            b = x[K - 1 + i]
            S = [sines[y][k] if y < k else -sines[k][y] for k in range(K)]
            near = [sine_cosine(b - half[y][k]) for k in range(K)]
            turn = [sine_cosine(2 * half[y][k] - b) for k in range(K)]
            samples.append((b, half[y], S, near, turn, [s * n[1] for s, n in zip(S, near, strict=True)]))
        return sines, samples

    def has_one_sign(self, samples: list[tuple[Any, ...]]) -> bool:
        """Whether all terms of one equation have one sign."""
        of_classes: list[list[Any]] = [[] for _ in range(self.K)]
        rows = [
            [t for k, t in enumerate(A) if k != y] for (*_, A), y in zip(samples, self.places, strict=True)
        ]
        for (*_, turn, _), y in zip(samples, self.places, strict=True):
            for k, (s, _) in enumerate(turn):
                of_classes[k].append(-s if k == y else s)
        return any(positive(row) or positive([-t for t in row]) for row in [*rows, *of_classes])

    def evaluate(self, x: list[Any], derivative: bool = True) -> tuple[list[Any], list[Row]] | None:
        """Values, and rows of the derivative unless signs alone exclude a zero: then None."""
        K, N = self.K, self.N
        sines, samples = self.angles(x)
        if derivative and self.has_one_sign(samples):
            return None
        values = [arb(0)] * K
        rows = [[arb(0)] * self.variables for _ in range(K + N)]
        chis = []
        for i, (y, (b, delta, S, near, turn, A)) in enumerate(zip(self.places, samples, strict=True)):
            low, high = self.ratios(b, y, near, delta, sines)
            everyone, rivals = range(K), [j for j in range(K) if j != y]
            p = [self.share(low[k], high[k], everyone) for k in range(K)]
            rest = [self.complement(low[k], high[k], everyone) for k in range(K)]
            rho = [arb(0) if k == y else self.share(low[k], high[k], rivals) for k in range(K)]
            weight = [-rest[k] if k == y else p[k] for k in range(K)]
            chi = sum((r * a for r, a in zip(rho, A, strict=True)), arb(0))
            chis.append(chi)
            for k in range(K):
                values[k] = values[k] + self.omega[i] * weight[k] * turn[k][0]
            if derivative:
                self.differentiate(rows, i, (S, near, turn, A), (p, rest, rho, weight, chi))
        return values + chis, rows

    def ratios(self, b: Any, y: int, near: Any, delta: Row, sines: list[Row]) -> tuple[list[Row], list[Row]]:
        """Lower and upper bounds of ``exp(z_j - z_k)`` in row k; zero at ``j = k``.

        Bounds are kept apart: a ball from 1e-10 to 1 would forget its lower end.
        """
        K, most = self.K, around(arb(0), self.tau2)
        low = [[arb(0)] * K for _ in range(K)]
        high = [[arb(0)] * K for _ in range(K)]
        for k in range(K):
            for j in range(k + 1, K):
                # z_j - z_k = 2 tau sin((a_j - a_k) / 2) sin(b - delta_k - delta_j)
                across = near[k + j - y][0] if y in (k, j) else sine_cosine(b - delta[k] - delta[j])[0]
                z = (self.tau2 * sines[k][j] * across).intersection(most)
                low[k][j], high[k][j] = z.lower().exp(), z.upper().exp()
                low[j][k], high[j][k] = 1 / high[k][j], 1 / low[k][j]
        return low, high

    @staticmethod
    def share(low: Row, high: Row, among: Iterable[int]) -> Any:
        """``1 / (1 + sum)``."""
        top, bottom = sum((high[j] for j in among), arb(1)), sum((low[j] for j in among), arb(1))
        return hull(1 / top, 1 / bottom)

    @staticmethod
    def complement(low: Row, high: Row, among: Iterable[int]) -> Any:
        """``sum / (1 + sum)``."""
        top, bottom = sum((high[j] for j in among), arb(0)), sum((low[j] for j in among), arb(0))
        return hull(bottom / (1 + bottom), top / (1 + top))

    def differentiate(self, rows: list[Row], i: int, angles: Any, weights: Any) -> None:
        """Add one sample's part of the derivative."""
        K, y, w, tau2 = self.K, self.places[i], self.omega[i], self.tau2
        S, near, turn, A = angles
        p, rest, rho, weight, chi = weights
        column, row = K - 1 + i, rows[K + i]
        spread = arb(0)
        for l in range(K):
            for j in range(l + 1, K):
                if y not in (l, j):
                    both = (rho[l] * rho[j]).intersection(arb(0.125, 0.125))
                    spread = spread + both * squared(A[l] - A[j])
        tilt = sum((r * s * n[0] for r, s, n in zip(rho, S, near, strict=True)), arb(0))
        row[column] = tau2 * spread - tilt
        by_delta = [r * (t[1] - tau2 * t[0] * (a - chi)) for r, t, a in zip(rho, turn, A, strict=True)]
        self.by_gaps(row, y, by_delta)
        mean = sum((q * a for q, a in zip(p, A, strict=True)), arb(0))
        for k in range(K):
            s, c = turn[k]
            rows[k][column] = rows[k][column] + w * (tau2 * p[k] * (A[k] - mean) * s - weight[k] * c)
            pull = tau2 * w * p[k] * s
            slopes = [pull * (p[l] * turn[l][0]) if l != k else -pull * (rest[k] * s) for l in range(K)]
            slopes[k] = slopes[k] + 2 * w * weight[k] * c
            self.by_gaps(rows[k], y, slopes)

    def by_gaps(self, row: Row, y: int, by_delta: list[Any]) -> None:
        """Add derivatives by ``delta_k = (a_k - a_y) / 2`` as derivatives by gaps."""
        upper, lower = arb(0), arb(0)
        for k in range(self.K - 1, y, -1):
            upper = upper + by_delta[k] / 2
            row[k - 1] = row[k - 1] + upper
        for k in range(y):
            lower = lower - by_delta[k] / 2
            row[k] = row[k] + lower

    def cost(self, x: list[Any]) -> Any:
        """The cost in nats."""
        half, total = self.halves(x), arb(0)
        for i, y in enumerate(self.places):
            b = x[self.K - 1 + i]
            z = [self.tau2 * half[y][k].sin() * (b - half[y][k]).sin() for k in range(self.K) if k != y]
            total = total + self.omega[i] * sum((v.exp() for v in z), arb(0)).log1p()
        return total
