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

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sphereufm.certify.checker.reading import refuse_if
from sphereufm.certify.complete.arithmetic import (
    FINE,
    LARGEST,
    LEAST,
    Array,
    Balls,
    Mask,
    applied,
    arranged,
    between,
    exponential,
    joined,
    outward,
    point,
    power,
    rational,
    sine_cosine,
)
from sphereufm.certify.complete.reading import Instance
from sphereufm.certify.complete.symmetry import symmetries

# above 2 pi, with room for the rounding of a sum of floats
ROUND = 6.283185308
# dyadic, a little more than [0, pi] and, so that neither arc of a feature is cut, [-pi/2, 3 pi/2]
GAP_BOX = (-1 / 128, -1 / 128 + 13 / 4)
TURN_BOX = (-13 / 8, 19 / 4)
# room for the rounding of a few sums of angles
ROOM = 1e-9
# parts of the range of a feature's angle that are tried on their own, and boxes at a time
PARTS, FEW = 8, 64
TURN_UNIT = 4.0


class Angles(NamedTuple):
    """Linear forms in the unknowns, each up to its sign once, and where they occur in several arrays."""

    forms: Array
    which: list[NDArray[np.int64]]
    sign: list[Array]

    @staticmethod
    def of(*groups: Array) -> Angles:
        """The angles of some arrays of forms, the last axis the unknowns'."""
        rows = np.concatenate([group.reshape(-1, group.shape[-1]) for group in groups])
        sign = np.sign(rows[np.arange(len(rows)), (rows != 0).argmax(1)])
        forms, which = np.unique(rows * sign[:, None], axis=0, return_inverse=True)
        shapes = [group.shape[:-1] for group in groups]
        cuts = np.cumsum([*map(math.prod, shapes)])[:-1]

        def parted(values: NDArray) -> list[NDArray]:  # type: ignore[type-arg]
            return [part.reshape(s) for part, s in zip(np.split(values.ravel(), cuts), shapes, strict=True)]

        return Angles(forms, parted(which), parted(sign))

    def sines(self, x: Balls) -> list[tuple[Balls, Balls]]:
        """Sines and cosines, array by array, a leading axis for the boxes."""
        sine, cosine = sine_cosine(applied("fv,bv->bf", self.forms, x, self.forms.shape[1]))
        return [
            (Balls(sine.m[:, k] * sign, sine.r[:, k]), cosine[:, k])
            for k, sign in zip(self.which, self.sign, strict=True)
        ]


class Features(NamedTuple):
    """The equations of features and their parts: sin(delta), sin(c), sin(q), cos(q), bounds on ratios, rho, A, chi."""

    S: Balls
    sc: Balls
    sq: Balls
    cq: Balls
    ratios: tuple[Array, Array]
    rho: Balls
    A: Balls
    chi: Balls


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
        # all equations are, in all unknowns
        self.periodic = np.ones(self.variables, dtype=np.bool_)
        # the equations of features narrow their angles once the classes' are narrow
        self.unit = np.repeat([1.0, TURN_UNIT], [K - 1, N])
        pattern = [p.kinds[k] for k in self.order]
        self.mirrored = K > 2 and pattern == pattern[::-1]
        self.equal_samples = [pair for block in p.blocks.values() for pair in pairwise(block)]
        self.group = symmetries(p)
        self.forms()

    @property
    def names(self) -> tuple[str, ...]:
        """The unknowns in words."""
        pairs = zip(self.order, self.order[1:], strict=False)
        gaps = [f"angle from w_{a + 1} to w_{b + 1}" for a, b in pairs]
        return (*gaps, *(f"angle from w_{y + 1} to h_{i + 1}" for i, y in enumerate(self.p.labels)))

    def forms(self) -> None:
        """Every angle as a linear form in the unknowns."""
        K, N, places = self.K, self.N, np.array(self.places)
        self.own = np.arange(K) == places[:, None]
        position = 0.5 * np.tri(K, K - 1, -1)
        # delta, shape (N, K, K - 1)
        self.half = position[None] - position[places][:, None]
        l, j = self.pairs = np.triu_indices(K, 1)
        own_angle = np.zeros((N, 1, self.variables))
        own_angle[np.arange(N), 0, K - 1 + np.arange(N)] = 1

        def form(delta: Array) -> Array:
            return np.concatenate([delta, np.zeros((*delta.shape[:-1], N))], -1)

        apart = form(position[j] - position[l])
        # c_j, b - delta_l - delta_j, and q_j
        near = own_angle - form(self.half)
        across = own_angle - form(self.half[:, l] + self.half[:, j])
        turn = form(2 * self.half) - own_angle
        self.values, self.all = Angles.of(apart, near, across), Angles.of(apart, near, across, turn)
        # sin(delta_k) from the sines of pairs: which pair, and its sign
        number = np.zeros((K, K), dtype=np.int64)
        number[l, j] = number[j, l] = np.arange(len(l))
        self.pair_of = number[places]
        self.sign_of = np.sign(np.arange(K)[None] - places[:, None]).astype(np.float64)

    def trim(self, low: Array, high: Array) -> tuple[Mask, Array, Array]:
        """Boxes outside of the fundamental domain, or settled by the lemma; features cut down to their arcs.

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
        arcs = np.array([self.arc(y, g, top) for y in range(self.K)])[self.places].transpose(1, 2, 0)
        start, end = arcs[..., None] + (np.arange(-2, 3) + 0.5) * np.pi
        b_low, b_high = low[:, n:, None], high[:, n:, None]
        meet = (start <= b_high) & (end >= b_low)
        low[:, n:], high[:, n:] = (
            np.where(meet, np.maximum(start, b_low), np.inf).min(2),
            np.where(meet, np.minimum(end, b_high), -np.inf).max(2),
        )
        dead |= (low > high).any(1)
        left = np.flatnonzero(~dead)
        for few in (left[k : k + FEW] for k in range(0, len(left), FEW)):
            dead[few], low[few], high[few] = self.shaved(low[few], high[few])
        return dead, low, high

    def shaved(self, low: Array, high: Array) -> tuple[Mask, Array, Array]:
        """Features' angles cut down to the parts of their ranges in which ``chi`` may vanish."""
        n = self.K - 1
        ends = low[:, None, n:] + (high - low)[:, None, n:] * (np.arange(PARTS + 1) / PARTS)[:, None]
        ends[:, -1] = high[:, n:]
        gaps = [np.repeat(end[:, None, :n], PARTS, 1) for end in (low, high)]
        parts = np.concatenate([gaps[0], ends[:, :-1]], 2), np.concatenate([gaps[1], ends[:, 1:]], 2)
        x = between(*(part.reshape(-1, self.variables) for part in parts))
        centre = self.features(point(x.m), self.values).chi
        by_own, by_gaps = self.slopes(self.features(x, self.all))
        reach = ((np.abs(by_gaps.m) + by_gaps.r) * x.r[:, None, :n]).sum(2)
        reach += (np.abs(by_own.m) + by_own.r) * x.r[:, n:]
        out = np.abs(centre.m) > outward(centre.r + reach * (1 + 2 * n * FINE), centre.m)
        alive = ~out.reshape(len(low), PARTS, -1)
        first, last = alive.argmax(1), PARTS - alive[:, ::-1].argmax(1)
        low, high = low.copy(), high.copy()
        low[:, n:], high[:, n:] = (np.take_along_axis(ends, k[:, None], 1)[:, 0] for k in (first, last))
        dead: Mask = np.any(np.all(~alive, axis=1), axis=1)
        return dead, low, high

    def arc(self, y: int, g: Array, top: Array) -> tuple[Array, Array]:
        """The least and the largest ``delta'`` of the other classes."""
        ends = [(0.5 * g[:, y:k].sum(1), 0.5 * top[:, y:k].sum(1)) for k in range(y + 1, self.K)]
        ends += [(np.pi - 0.5 * top[:, k:y].sum(1), np.pi - 0.5 * g[:, k:y].sum(1)) for k in range(y)]
        return np.min([a for a, _ in ends], 0) - ROOM, np.max([b for _, b in ends], 0) + ROOM

    def evaluate(self, x: Balls, derivative: bool = True) -> tuple[Balls, Balls]:
        """``(T_1 .. T_K, chi_1 .. chi_N)``, and the derivative unless it is not asked for."""
        f = self.features(x, self.all)
        p, rest = self.softmax(f.ratios)
        weight = Balls(np.where(self.own, -rest.m, p.m), np.where(self.own, rest.r, p.r))
        F = joined(1, (weight * f.sq * self.omega[:, None]).sum(1), f.chi)
        return F, self.derivative(f, p, rest, weight) if derivative else F

    def features(self, x: Balls, angles: Angles) -> Features:
        """The equations of features; their derivatives need all angles."""
        (apart, _), (sc, cc), (across, _), *more = angles.sines(x)
        S = Balls(apart.m[:, self.pair_of] * self.sign_of, apart.r[:, self.pair_of] * np.abs(self.sign_of))
        ratios, A, other = self.ratios(apart[:, None] * across), S * cc, ~self.own
        least, most = ((bound * other[:, None]).sum(3) for bound in ratios)
        rho = between((1 - self.K * FINE) * other / (1 + most), (1 + self.K * FINE) * other / (1 + least))
        return Features(S, sc, *(more[0] if more else (S, S)), ratios, rho, A, (rho * A).sum(2))

    def ratios(self, differences: Balls) -> tuple[Array, Array]:
        """Bounds on ``exp(z_j - z_l)``, shape ``(boxes, N, K, K)``, zero where j is l."""
        (l, j), K = self.pairs, self.K
        most = float(self.tau2.m) + float(self.tau2.r) * 2
        # differences are those of place j and l: sin(delta_j - delta_l) sin(b - delta_l - delta_j)
        z = differences * self.tau2
        low, high = exponential(np.maximum(z.low, -most))[0], exponential(np.minimum(z.high, most))[1]
        below, above = np.zeros((2, *low.shape[:2], K, K))
        below[..., l, j], above[..., l, j] = low, high
        below[..., j, l], above[..., j, l] = (1 - FINE) / high, (1 + FINE) / low
        return below, above

    def softmax(self, ratios: tuple[Array, Array]) -> tuple[Balls, Balls]:
        """``p`` and ``1 - p``, shape ``(boxes, N, K)``.

        Bounds of quotients are kept apart: a ball from 1e-10 to 1 would forget its lower end.
        """
        less, more = 1 - self.K * FINE, 1 + self.K * FINE
        least, most = (bound.sum(3) for bound in ratios)
        p = between(less / (1 + most), more / (1 + least))
        return p, between(less * least / (1 + least), more * most / (1 + most) + LEAST)

    def slopes(self, f: Features) -> tuple[Balls, Balls]:
        """Derivatives of ``chi`` by its own angle, ``2 tau Var_rho(A) - E_rho[sin(delta) sin(c)]``, and by the gaps."""
        l, j = self.pairs
        products = f.rho[:, :, l] * f.rho[:, :, j]
        products = between(np.maximum(products.low, 0), np.clip(products.high, 0, 0.25))
        spread = (products * power(f.A[:, :, l] - f.A[:, :, j], 2)).sum(2)
        # by delta_l: rho_l (z'_l (A_l - chi) + cos q_l), z'_l = -2 tau sin q_l
        by_angles = f.rho * (f.cq - f.sq * self.tau2 * (f.A - f.chi[:, :, None]))
        by_gaps = applied("ilg,bil->big", self.half, by_angles, self.K)
        return spread * self.tau2 - (f.rho * (f.S * f.sc)).sum(2), by_gaps

    def derivative(self, f: Features, p: Balls, rest: Balls, weight: Balls) -> Balls:
        """The derivative, shape ``(boxes, K + N, variables)``."""
        k, tau2, omega = np.arange(self.K), self.tau2, self.omega[:, None]
        # T_k by b_i
        mean = (p * f.A).sum(2)[:, :, None]
        by_turn = (p * (f.A - mean) * (f.sq * tau2) - weight * f.cq) * omega
        # T_k by delta_l: -p_k p_l z'_l ..., and p_k (1 - p_k) z'_k sin q_k + 2 weight_k cos q_k where k = l
        ps = p * f.sq
        cross = ps[:, :, :, None] * (ps * tau2)[:, :, None, :]
        own = weight * f.cq * 2.0 - p * rest * power(f.sq, 2) * tau2
        cross.m[:, :, k, k], cross.r[:, :, k, k] = own.m, own.r
        by_gaps = applied("ilg,bikl->bkg", self.half, cross * omega[:, None], self.N * self.K)
        chi_by_own, chi_by_gaps = self.slopes(f)
        T = joined(2, by_gaps, arranged(lambda m: m.transpose(0, 2, 1), by_turn))
        return joined(1, T, joined(2, chi_by_gaps, chi_by_own[:, :, None] * np.eye(self.N)))

    def cost(self, x: Balls) -> Balls:
        """The cost in nats over one box: in its middle, give or take slopes times the way of any angle."""
        F = self.evaluate(x, False)[0]
        # features weigh twice at most, and turn with their classifiers, by K sides at most
        slopes = (np.abs(F.m) + F.r).sum(1) * 2 * self.tau2.m
        delta = self.half @ x.m[0, : self.K - 1]
        z = self.tau2.m * np.sin(delta) * np.sin(x.m[0, self.K - 1 :, None] - delta)
        middle = np.array([self.omega.m @ np.log1p(np.where(self.own, 0.0, np.exp(z)).sum(1))])
        return Balls(middle, outward(slopes * self.K * x.r.max(), middle))

    def signature(self, x: Balls) -> Balls:
        """A number by which some orbits are told apart: the cost."""
        return self.cost(x)[:, None]

    def place(self, x: Array) -> Array:
        """The point that unknowns stand for, as columns ``[W H]``."""
        n, angle = self.K - 1, np.zeros(self.K)
        angle[self.order[1:]] = np.cumsum(x[:n])
        angles = np.append(angle, x[n:] + angle[self.p.labels])
        return np.array([np.cos(angles), np.sin(angles)])

    def images(self, source: Planar, x: Balls) -> Balls:
        """Unknowns here of what each symmetry makes of a point of another order, modulo ``2 pi``."""
        image, move, sign = self.group
        before = np.tri(self.K, self.K - 1, -1)[np.argsort(source.order)]
        angles = applied("kg,bg->bk", before, x[:, : self.K - 1], self.K)
        W = angles[0, image[:, self.order]]
        # an angle as seen from the own classifier only changes its sign
        return joined(1, W[:, 1:] - W[:, :-1], x[0, self.K - 1 + move]) * sign
