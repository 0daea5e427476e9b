"""The critical-point equations of the cross-entropy problem in the plane, over boxes.

Classes stand on the circle in a given order; the unknowns are the gaps ``g_1 .. g_{K-1}`` between neighbours and, for
each sample of class y, its angle ``b`` seen from its own classifier.  With ``delta_j`` half the angle from ``w_y`` to
``w_j``, ``c_j = b - delta_j``, ``q_j = 2 delta_j - b`` and ``S_j = sin(delta_j) cos(c_j)``:

    feature   chi_i = sum_{j != y} rho_ij S_ij = 0,        rho: softmax over the other classes
    classes   T_k = sum_{i: y != k} omega_i p_ki sin(q_ki) + sum_{i: y = k} omega_i (1 - p_yi) sin(b_i) = 0

``z_l - z_j = 2 tau sin(delta_l - delta_j) sin(b - delta_l - delta_j)`` keeps small differences small, and the quotients
by the other classes' weight keep ``chi`` bounded however large tau is.  At ``chi = 0`` the sum of all T vanishes, so
the square system leaves ``T_1`` out; the tests use all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sphereufm.complete.balls import Balls, Mask, between, sine_cosine
from sphereufm.geometry.spheres import Array

# dyadic intervals, a little wider than needed, so that zeros on their ends lie inside
GAP_BOX = (-1 / 128, -1 / 128 + 13 / 4)
TURN_BOX = (-1 / 128, -1 / 128 + 101 / 16)
# above 2 pi, as in the checker, which needs room for rounding
_ROUND = 6.283185308


class PlanarEquations:
    """Values, derivatives and sign tests over batches of boxes, shape ``(boxes, K - 1 + N)``.

    * ``classes``: K.
    * ``labels``: place on the circle, 0 .. K - 1, of each sample's class.
    * ``weights``: ``omega``, sum one.
    * ``closed``: there is no critical point with the diameter of W in ``(0, closed]``.
    * ``mirrored``: whether reversing the order of the places is a symmetry: then ``g_1 <= g_{K-1}`` may be
      asked for.
    * ``alike``: pairs of samples that may be exchanged: their angles may be asked to rise.

    Examples
    --------
    >>> equations = PlanarEquations(
    ...     classes=3, labels=(0, 1, 2), weights=(1 / 3,) * 3, tau=1.0, closed=0.3, mirrored=True, alike=()
    ... )
    >>> frame = np.array([[2 * np.pi / 3, 2 * np.pi / 3, 0, 0, 0]])
    >>> bool(np.abs(equations.values(frame)).max() < 1e-15)
    True
    """

    def __init__(
        self,
        *,
        classes: int,
        labels: Sequence[int],
        weights: Sequence[float],
        tau: float,
        closed: float,
        mirrored: bool,
        alike: Sequence[tuple[int, int]],
    ) -> None:
        K, y = classes, np.array(labels)
        self.classes, self.samples, self.tau = K, len(labels), tau
        self.closed, self.mirrored, self.alike = closed, mirrored, tuple(alike)
        self.variables = K - 1 + self.samples
        self.omega = np.array(weights)
        self.own = np.arange(K) == y[:, None]
        position = np.tri(K, K - 1, -1)
        # half the sum of the gaps from place y to place j, with its sign: shape (N, K, K - 1)
        self.half = 0.5 * (position[None] - position[y][:, None])
        self.pairs = np.triu_indices(K, 1)
        l, j = self.pairs
        self.apart = self.half[:, l] - self.half[:, j]
        self.middle = self.half[:, l] + self.half[:, j]
        # first the classes' rows, then the features'; T_1 follows from the others
        self.square = np.arange(1, K + self.samples, dtype=np.int64)
        self.low = np.array([GAP_BOX[0]] * (K - 1) + [TURN_BOX[0]] * self.samples)
        self.high = np.array([GAP_BOX[1]] * (K - 1) + [TURN_BOX[1]] * self.samples)
        self.periodic = np.arange(self.variables) >= K - 1

    def outside(self, low: Array, high: Array) -> Mask:
        """Tell which boxes miss the fundamental domain, or lie in the neighbourhood that a lemma closes."""
        K = self.classes
        g, top = low[:, : K - 1], high[:, : K - 1]
        out: Mask = (top < 0).any(1) | (g.sum(1) + g.max(1) > _ROUND)
        if self.mirrored and K > 2:
            out |= g[:, 0] > top[:, -1]
        out |= top.sum(1) < self.closed - 1e-9
        for first, second in self.alike:
            out |= low[:, K - 1 + first] > high[:, K - 1 + second]
        return out

    def signs(self, m: Array, r: Array) -> Mask:
        """Tell which boxes hold no zero because all terms of one equation have one sign."""
        b, delta = self._angles(m, r)
        (S, _), (_, cc), (sq, _) = map(sine_cosine, (delta, b - delta, delta * 2.0 - b))
        own = self.own
        turn = np.where(own, -sq.m, sq.m)
        dead: Mask = np.any((turn > sq.r).all(1) | (turn < -sq.r).all(1), axis=1)
        T = S * cc
        one_sign = ((T.m > T.r) | own).all(2) | ((T.m < -T.r) | own).all(2)
        return dead | np.any(one_sign, axis=1)

    def values(self, x: Array) -> Array:
        """Return ``(T_1 .. T_K, chi_1 .. chi_N)`` at points, shape ``(points, K + N)``."""
        K = self.classes
        b = x[:, K - 1 :, None]
        delta = np.einsum("ijk,bk->bij", self.half, x[:, : K - 1])
        S, cc, sq = np.sin(delta), np.cos(b - delta), np.sin(2 * delta - b)
        z = 2 * self.tau * S * np.sin(b - delta)
        e = np.exp(z - z.max(2, keepdims=True))
        others = np.where(self.own, 0.0, e)
        rest = others.sum(2, keepdims=True) / e.sum(2, keepdims=True)
        weight = np.where(self.own, -rest, e / e.sum(2, keepdims=True))
        T = np.einsum("i,bik,bik->bk", self.omega, weight, sq)
        # a softmax over the others alone, which cannot underflow as a whole
        z = np.where(self.own, -np.inf, z)
        rho = np.exp(z - z.max(2, keepdims=True))
        chi = (rho * S * cc).sum(2) / rho.sum(2)
        return np.concatenate([T, chi], 1)

    def derivative(self, m: Array, r: Array) -> tuple[Balls, Balls]:
        """Return values ``(boxes, K + N)`` and derivatives ``(boxes, K + N, variables)`` over boxes."""
        K, N, tau, own = self.classes, self.samples, self.tau, self.own
        b, delta = self._angles(m, r)
        (S, _), (sc, cc) = sine_cosine(delta), sine_cosine(b - delta)
        sq, cq = sine_cosine(delta * 2.0 - b)
        p, rest, rho = self._softmax(m, r, b)
        weight = Balls(np.where(own, -rest.m, p.m), np.where(own, rest.r, p.r))
        omega = self.omega[:, None]
        Scc = S * cc
        chi, T = (rho * Scc).sum(2), (weight * sq * omega).sum(1)
        values = Balls(np.concatenate([T.m, chi.m], 1), np.concatenate([T.r, chi.r], 1))

        boxes = len(m)
        J = Balls(np.zeros((boxes, K + N, self.variables)), np.zeros((boxes, K + N, self.variables)))
        # chi by its own angle: 2 tau Var_rho(S cos c) - E_rho[sin(delta) sin(c)]
        l, j = self.pairs
        products, difference = rho[:, :, l] * rho[:, :, j], Scc[:, :, l] - Scc[:, :, j]
        products = between(np.maximum(products.low, 0), np.clip(products.high, 0, 0.25))
        size = np.abs(difference.m)
        square = between(np.maximum(size - difference.r, 0) ** 2, (size + difference.r) ** 2)
        chi_b = (products * square).sum(2) * (2 * tau) - (rho * (S * sc)).sum(2)
        i = np.arange(N)
        J.m[:, K + i, K - 1 + i], J.r[:, K + i, K - 1 + i] = chi_b.m, chi_b.r
        # chi by delta_l: rho_l (z'_l (S_l cos c_l - chi) + cos q_l), z'_l = -2 tau sin q_l
        chi_d = rho * (cq - sq * (Scc - chi[:, :, None]) * (2 * tau))
        self._by_gaps(J, slice(K, None), chi_d[:, :, None, :], None)
        # T_k by b_i
        mean = (p * Scc).sum(2)[:, :, None]
        T_b = (p * (Scc - mean) * sq * (2 * tau) - weight * cq) * omega
        J.m[:, :K, K - 1 :], J.r[:, :K, K - 1 :] = T_b.m.transpose(0, 2, 1), T_b.r.transpose(0, 2, 1)
        # T_k by delta_l: d p_k / d delta_l = p_k ([k = l] - p_l) z'_l, and 2 weight_k cos q_k where k = l
        cross = -(p[:, :, :, None] * p[:, :, None, :])
        k = np.arange(K)
        diagonal = p * rest
        cross.m[:, :, k, k], cross.r[:, :, k, k] = diagonal.m, diagonal.r
        T_d = cross * (sq[:, :, None, :] * sq[:, :, :, None]) * (-2 * tau)
        own_part = weight * cq * 2.0
        T_d.m[:, :, k, k] += own_part.m
        T_d.r[:, :, k, k] += own_part.r
        self._by_gaps(J, slice(0, K), T_d, self.omega)
        return values, J

    def _angles(self, m: Array, r: Array) -> tuple[Balls, Balls]:
        """``b`` and ``delta``, shapes ``(boxes, N, 1)`` and ``(boxes, N, K)``."""
        K = self.classes
        return Balls(m[:, K - 1 :, None], r[:, K - 1 :, None]), self._linear(self.half, m, r)

    def _linear(self, form: Array, m: Array, r: Array) -> Balls:
        """Linear forms in the gaps."""
        g, s = m[:, : self.classes - 1], r[:, : self.classes - 1]
        return Balls(np.einsum("ijk,bk->bij", form, g), np.einsum("ijk,bk->bij", np.abs(form), s))

    def _softmax(self, m: Array, r: Array, b: Balls) -> tuple[Balls, Balls, Balls]:
        """``p``, ``1 - p``, and the softmax over the other classes, each shape ``(boxes, N, K)``."""
        l, j = self.pairs
        difference = (
            sine_cosine(self._linear(self.apart, m, r))[0]
            * sine_cosine(b - self._linear(self.middle, m, r))[0]
        )
        bound = 2 * self.tau
        low = np.exp(np.maximum(difference.low * bound, -bound))
        high = np.exp(np.minimum(difference.high * bound, bound))
        least, most = np.zeros((2, *low.shape[:2], self.classes))
        least_other, most_other = np.zeros((2, *low.shape[:2], self.classes))
        other = ~self.own
        for t, (first, second) in enumerate(zip(l, j, strict=True)):
            for into, out, below, above in (
                (second, first, low[:, :, t], high[:, :, t]),
                (first, second, 1 / high[:, :, t], 1 / low[:, :, t]),
            ):
                least[:, :, into] += below
                most[:, :, into] += above
                least_other[:, :, into] += below * other[:, out]
                most_other[:, :, into] += above * other[:, out]
        p = between(1 / (1 + most), 1 / (1 + least))
        rest = between(least / (1 + least), most / (1 + most))
        rho = between(other / (1 + most_other), other / (1 + least_other))
        return p, rest, rho

    def _by_gaps(self, J: Balls, rows: slice, by_delta: Balls, weights: Array | None) -> None:
        """Store derivatives by ``delta_il``, shape ``(boxes, N, rows, K)``, as derivatives by gaps."""
        gaps = slice(0, self.classes - 1)
        if weights is None:
            J.m[:, rows, gaps] = np.einsum("bikl,ilg->big", by_delta.m, self.half)
            J.r[:, rows, gaps] = np.einsum("bikl,ilg->big", by_delta.r, np.abs(self.half))
            return
        form = self.half * weights[:, None, None]
        J.m[:, rows, gaps] = np.einsum("bikl,ilg->bkg", by_delta.m, form)
        J.r[:, rows, gaps] = np.einsum("bikl,ilg->bkg", by_delta.r, np.abs(form))
