"""The equations of cross-entropy in the plane, over batches of boxes (docs/complete.md, section 2).

Classes stand on the circle in a given order; the unknowns are the gaps ``g_1 .. g_{K-1}`` between neighbours and, for
each sample of class y, its angle ``b`` seen from its own classifier.  With ``delta_j`` half the angle from ``w_y`` to
``w_j``, ``c_j = b - delta_j``, ``q_j = 2 delta_j - b`` and ``A_j = sin(delta_j) cos(c_j)``:

    feature   chi_i = sum_{j != y} rho_ij A_ij = 0,        rho: softmax over the other classes
    classes   T_k = sum_{i: y != k} omega_i p_ki sin(q_ki) + sum_{i: y = k} omega_i (1 - p_yi) sin(b_i) = 0

``z_l - z_j = 2 tau sin(delta_l - delta_j) sin(b - delta_l - delta_j)`` keeps small differences small, and the
quotients by the other classes' weight keep ``chi`` bounded however large tau is.  At ``chi = 0`` the sum of all T
vanishes, so the square system leaves ``T_1`` out; the tests use all.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from sphereufm.certify.complete.arithmetic import (
    FINE,
    LARGEST,
    LEAST,
    Array,
    Balls,
    Mask,
    applied,
    between,
    exponential,
    rational,
    sine_cosine,
    squared,
)
from sphereufm.certify.complete.reading import Instance, refuse_if

# above 2 pi, with room for the rounding of a sum of floats
ROUND = 6.283185308
# dyadic, a little more than [0, pi] and, so that neither arc of a feature is cut, [-pi/2, 3 pi/2]
GAP_BOX = (-1 / 128, -1 / 128 + 13 / 4)
TURN_BOX = (-13 / 8, 19 / 4)
# room for the rounding of a few sums of angles
ROOM = 1e-9


class Planar:
    """Cross-entropy with classes in a given order on the circle; no critical point has a diameter in (0, closed]."""

    def __init__(self, p: Instance, order: Sequence[int], closed: float) -> None:
        refuse_if(2 * p.tau > LARGEST - 4, "tau is larger than the tables of exponentials")
        self.p, self.order, self.closed = p, list(order), closed
        self.K, self.N = K, N = p.classes, len(p.labels)
        self.places = [self.order.index(y) for y in p.labels]
        self.tau2 = rational(2 * p.tau)
        weights = [rational(w) for w in p.weights]
        self.omega = Balls(np.array([w.m for w in weights]), np.array([w.r for w in weights]))
        self.variables = K - 1 + N
        self.low = np.array([GAP_BOX[0]] * (K - 1) + [TURN_BOX[0]] * N)
        self.high = np.array([GAP_BOX[1]] * (K - 1) + [TURN_BOX[1]] * N)
        self.periodic = np.arange(self.variables) >= K - 1
        self.all_angles = np.ones(self.variables, dtype=np.bool_)
        back = [self.order[-1 - i] for i in range(K)]
        self.mirrored = K > 2 and all(p.like(a, b) for a, b in zip(self.order, back, strict=True))
        same: dict[tuple[int, Fraction], int] = {}
        self.equal_samples = []
        for i, key in enumerate(zip(p.labels, p.weights, strict=True)):
            if key in same:
                self.equal_samples.append((same[key], i))
            same[key] = i
        self.forms()

    def forms(self) -> None:
        """Every angle as a linear form in the unknowns."""
        K, N, places = self.K, self.N, np.array(self.places)
        self.own = np.arange(K) == places[:, None]
        position = 0.5 * np.tri(K, K - 1, -1)
        # delta, shape (N, K, K - 1)
        self.half = position[None] - position[places][:, None]
        l, j = self.pairs = np.triu_indices(K, 1)
        gaps, own_angle = np.zeros((N, 1, self.variables)), np.zeros((N, 1, self.variables))
        own_angle[np.arange(N), 0, K - 1 + np.arange(N)] = 1

        def form(delta: Array) -> Array:
            return gaps + np.concatenate([delta, np.zeros((*delta.shape[:2], N))], 2)

        self.between = np.concatenate([position[j] - position[l], np.zeros((len(l), N))], 1)
        # c_j, q_j, and b - delta_l - delta_j
        self.near = own_angle - form(self.half)
        self.turn = form(2 * self.half) - own_angle
        self.across = own_angle - form(self.half[:, l] + self.half[:, j])
        # sin(delta_k) from the sines of pairs: which pair, and its sign
        number = np.zeros((K, K), dtype=np.int64)
        number[l, j] = number[j, l] = np.arange(len(l))
        self.pair_of = number[places]
        self.sign_of = np.sign(np.arange(K)[None] - places[:, None]).astype(np.float64)

    def trim(self, low: Array, high: Array) -> tuple[Mask, Array, Array]:
        """Boxes outside of the fundamental domain, settled by the lemma or by signs; features cut down to their arcs.

        With delta' in [0, pi] for delta modulo pi, the coefficients ``rho sin(delta')`` of ``chi`` are not negative; so
        ``cos(b - delta')`` vanishes for a delta' between the least and the largest.
        """
        n = self.K - 1
        g, top = low[:, :n], high[:, :n]
        dead = (top < 0).any(1) | (g.sum(1) + g.max(1) > ROUND) | (top.sum(1) < self.closed - ROOM)
        if self.mirrored:
            dead |= g[:, 0] > top[:, -1]
        for first, second in self.equal_samples:
            dead |= low[:, n + first] > high[:, n + second]
        low, high = low.copy(), high.copy()
        for y in set(self.places):
            least, most = self.arc(y, g, top)
            of_class = [n + i for i, place in enumerate(self.places) if place == y]
            b_low, b_high = low[:, of_class], high[:, of_class]
            new_low, new_high = np.full_like(b_low, np.inf), np.full_like(b_high, -np.inf)
            for turns in range(-2, 3):
                start, end = least + (turns + 0.5) * np.pi, most + (turns + 0.5) * np.pi
                meet = (start[:, None] <= b_high) & (end[:, None] >= b_low)
                new_low = np.where(meet, np.minimum(new_low, np.maximum(start[:, None], b_low)), new_low)
                new_high = np.where(meet, np.maximum(new_high, np.minimum(end[:, None], b_high)), new_high)
            low[:, of_class], high[:, of_class] = new_low, new_high
        dead |= (low > high).any(1)
        dead[~dead] = self.has_one_sign(between(low[~dead], high[~dead]))
        return dead, low, high

    def arc(self, y: int, g: Array, top: Array) -> tuple[Array, Array]:
        """The least and the largest ``delta'`` of the other classes."""
        ends = [(0.5 * g[:, y:k].sum(1), 0.5 * top[:, y:k].sum(1)) for k in range(y + 1, self.K)]
        ends += [(np.pi - 0.5 * top[:, k:y].sum(1), np.pi - 0.5 * g[:, k:y].sum(1)) for k in range(y)]
        return np.min([a for a, _ in ends], 0) - ROOM, np.max([b for _, b in ends], 0) + ROOM

    def has_one_sign(self, x: Balls) -> Mask:
        """Whether all terms of one ``T_k`` have one sign."""
        s = sine_cosine(applied("ikv,bv->bik", self.turn, x, self.variables))[0]
        term = np.where(self.own, -s.m, s.m)
        one: Mask = np.any(np.all(term > s.r, axis=1) | np.all(term < -s.r, axis=1), axis=1)
        return one

    def evaluate(self, x: Balls, derivative: bool = True) -> tuple[Balls, Balls]:
        """``(T_1 .. T_K, chi_1 .. chi_N)``, and the derivative unless it is not asked for."""
        parts = self.between, *(f.reshape(-1, self.variables) for f in (self.near, self.turn, self.across))
        sine, cosine = sine_cosine(applied("fv,bv->bf", np.concatenate(parts), x, self.variables))
        ends = np.cumsum([len(part) for part in parts])
        shape = len(x.m), self.N, -1

        def cut(balls: Balls, k: int) -> Balls:
            piece = balls[:, ends[k - 1] : ends[k]]
            return Balls(piece.m.reshape(shape), piece.r.reshape(shape))

        apart = sine[:, : ends[0]]
        S = Balls(apart.m[:, self.pair_of] * self.sign_of, apart.r[:, self.pair_of] * np.abs(self.sign_of))
        sc, cc, sq, cq = cut(sine, 1), cut(cosine, 1), cut(sine, 2), cut(cosine, 2)
        p, rest, rho = self.softmax(apart[:, None] * cut(sine, 3))
        weight = Balls(np.where(self.own, -rest.m, p.m), np.where(self.own, rest.r, p.r))
        A, omega = S * cc, self.omega[:, None]
        chi = (rho * A).sum(2)
        T = (weight * sq * omega).sum(1)
        F = Balls(np.concatenate([T.m, chi.m], 1), np.concatenate([T.r, chi.r], 1))
        if not derivative:
            return F, F
        return F, self.derivative((S, sc, sq, cq, A), (p, rest, rho, weight), chi)

    def softmax(self, differences: Balls) -> tuple[Balls, Balls, Balls]:
        """``p``, ``1 - p``, and the softmax over the other classes, each shape ``(boxes, N, K)``.

        Bounds of quotients are kept apart: a ball from 1e-10 to 1 would forget its lower end.
        """
        (l, j), K = self.pairs, self.K
        most = float(self.tau2.m) + float(self.tau2.r) * 2
        # differences are those of place j and l: sin(delta_j - delta_l) sin(b - delta_l - delta_j)
        z = differences * self.tau2
        low, high = exponential(np.maximum(z.low, -most))[0], exponential(np.minimum(z.high, most))[1]
        below, above = np.zeros((2, *low.shape[:2], K, K))
        below[..., l, j], above[..., l, j] = low, high
        below[..., j, l], above[..., j, l] = (1 - FINE) / high, (1 + FINE) / low
        others = (~self.own)[:, None, :]
        least, most_, least_other, most_other = (
            bound.sum(3) for bound in (below, above, below * others, above * others)
        )
        less, more = 1 - K * FINE, 1 + K * FINE
        p = between(less / (1 + most_), more / (1 + least))
        rest = between(less * least / (1 + least), more * most_ / (1 + most_) + LEAST)
        other = ~self.own
        return p, rest, between(less * other / (1 + most_other), more * other / (1 + least_other))

    def derivative(self, angles: tuple[Balls, ...], weights: tuple[Balls, ...], chi: Balls) -> Balls:
        """The derivative, shape ``(boxes, K + N, variables)``."""
        K, N, tau2, omega = self.K, self.N, self.tau2, self.omega[:, None]
        (S, sc, sq, cq, A), (p, rest, rho, weight) = angles, weights
        shape = len(chi.m), K + N, self.variables
        J = Balls(np.zeros(shape), np.zeros(shape))
        # chi by its own angle: 2 tau Var_rho(A) - E_rho[sin(delta) sin(c)]
        l, j = self.pairs
        products = rho[:, :, l] * rho[:, :, j]
        products = between(np.maximum(products.low, 0), np.clip(products.high, 0, 0.25))
        spread = (products * squared(A[:, :, l] - A[:, :, j])).sum(2)
        by_own = spread * tau2 - (rho * (S * sc)).sum(2)
        i = np.arange(N)
        J.m[:, K + i, K - 1 + i], J.r[:, K + i, K - 1 + i] = by_own.m, by_own.r
        # chi by delta_l: rho_l (z'_l (A_l - chi) + cos q_l), z'_l = -2 tau sin q_l
        pull = sq * tau2
        by_gaps = applied("ilg,bil->big", self.half, rho * (cq - pull * (A - chi[:, :, None])), K)
        J.m[:, K:, : K - 1], J.r[:, K:, : K - 1] = by_gaps.m, by_gaps.r
        # T_k by b_i
        mean = (p * A).sum(2)[:, :, None]
        by_turn = (p * (A - mean) * pull - weight * cq) * omega
        J.m[:, :K, K - 1 :], J.r[:, :K, K - 1 :] = by_turn.m.transpose(0, 2, 1), by_turn.r.transpose(0, 2, 1)
        # T_k by delta_l: -p_k p_l z'_l ..., and p_k (1 - p_k) z'_k sin q_k + 2 weight_k cos q_k where k = l
        ps = p * sq
        cross = ps[:, :, :, None] * (ps * tau2)[:, :, None, :]
        own = weight * cq * 2.0 - p * rest * squared(sq) * tau2
        k = np.arange(K)
        cross.m[:, :, k, k], cross.r[:, :, k, k] = own.m, own.r
        by_gaps = applied("ilg,bikl->bkg", self.half, cross * self.omega[:, None, None], N * K)
        J.m[:, :K, : K - 1], J.r[:, :K, : K - 1] = by_gaps.m, by_gaps.r
        return J

    def cost(self, x: Balls) -> float:
        """The cost in nats, in the middle of one box."""
        delta = self.half @ x.m[0, : self.K - 1]
        z = self.tau2.m * np.sin(delta) * np.sin(x.m[0, self.K - 1 :, None] - delta)
        return float(self.omega.m @ np.log1p(np.where(self.own, 0.0, np.exp(z)).sum(1)))
