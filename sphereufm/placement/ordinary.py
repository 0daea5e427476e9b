r"""How far an ordinary network, nothing normalised, stands from the best cost for its own norms.

For any column-stochastic ``P~`` and ``G~ = (P~ - Y) diag(omega)``, Gibbs' inequality gives, for all ``W'``, ``H'``
with ``|W'|_F <= |W|_F``, ``|H'|_F <= |H|_F`` and the given bias ``b``,

    f' >= sum_i omega_i Ent(p~_i) - tau |G~|_2 |W|_F |H|_F + <G~, b 1^T>.

Here ``P~ = Y + c (P - Y)`` with the network's own softmax ``P``, and ``c`` in [0, 1] maximises the bound: ``G~ = c G``,
one ``K x K`` eigenvalue problem, and with ``q_i = 1 - p_{y_i}``

    Ent(p~_i) = -(1 - c q_i) log(1 - c q_i) - c q_i log c - c sum_{j != y_i} p_j log p_j.

Over *all* biases the bound holds where ``G~ 1 = 0``.  That is nearly so for the softmax ``P`` at the bias that
minimises the cost for these ``W`` and ``H`` (:mod:`~sphereufm.placement.bias`), and what is missing is mended by mixing
in a little of a constant column; the term with ``b`` is then zero.

Where all classes have equally many samples the least cost over all biases is known in closed form, never below these
bounds; it holds for the given bias as well.  For ``N = n K`` samples, any bias and any dimension, Jensen's inequality
and then Cauchy's give, with ``w = |W|_F`` and ``h = |H|_F``,

    f >= log(1 + (K - 1) exp(-t)),    t = tau w h / sqrt(K N) * K / (K - 1),

since ``-(K - 1) t`` bounds the mean over samples of ``tau sum_j <w_j - w_y, h>`` from below and the bias drops out of
that mean.  A simplex frame with features of equal length and equal biases attains it (``d >= K - 1``).  For entrywise
nonnegative features ``sum_k |mu_k - mubar|^2 <= (1 - 1/K) sum_k |mu_k|^2``, so there ``t`` carries a factor
``sqrt(1 - 1/K)``; orthogonal class features attain that (``d >= K``).

With weight decay ``mu_W w^2 / 2 + mu_H h^2 / 2 >= sqrt(mu_W mu_H) w h``, and none on a bias, the bound is ``sum omega
Ent`` where ``tau c |G|_2 <= sqrt(mu_W mu_H)``; the closed form over the norms is, for ``p = sqrt(mu_W mu_H) w h / t``
below ``(K - 1) / K`` (else it is ``log K``, at zero),

    -p log p - (1 - p) log(1 - p) + p log(K - 1).

The bounds are tight at a simplex frame and may be weak far from it: the least cost lies between them and the cost of a
simplex frame with these norms and this bias.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from sphereufm.errors import InvalidInputError
from sphereufm.features.metrics.companion import Companion, Gathered, View
from sphereufm.geometry.spheres import Array
from sphereufm.placement.bias import Logits, best_bias, few_of_each, newton
from sphereufm.placement.landscape_position import LandscapePosition
from sphereufm.placement.layer import Given
from sphereufm.problem.losses.cross_entropy import PLAIN
from sphereufm.problem.losses.interface import block_from_labels
from sphereufm.problem.theory.theorems import simplex_etf

_EPS = sys.float_info.epsilon
# a bias whose cost is this share of the network's is as good as one of cost zero
_NEGLIGIBLE = 1e-6
# p log p with p below this is zero to all digits that are printed, and its logarithm stays finite
_TINY = 1e-300
# how near the best c is sought: bounds are flat there
_CLOSE = 1e-10
# logits that are kept for the best bias, all of them where they take no more than 128 MB
_MOST_LOGITS = 1 << 24


@dataclass(frozen=True, kw_only=True, eq=False)
class OrdinaryNetwork:
    """Features and a classifier as they are, perhaps with a bias: ``tau W^T H + b 1^T``."""

    given: Given
    tau: float
    tau_source: str

    @property
    def is_balanced(self) -> bool:
        """Whether all classes have equally many samples."""
        return bool((self.given.moments.counts == self.given.moments.counts[0]).all())

    @cached_property
    def companion(self) -> SoftmaxSums:
        """What the second pass gathers; logits are kept where a better bias will be looked for."""
        data, K, kept = self.given.features, self.given.W.shape[1], None
        if data.bias is not None and not self.is_balanced:
            fits = data.labels.size * K <= _MOST_LOGITS
            kept = np.ones(data.labels.size, dtype=bool) if fits else few_of_each(data.labels, K)
        return SoftmaxSums(tau=self.tau, bias=np.zeros(K) if data.bias is None else data.bias, kept=kept)

    def position(self, found: Gathered, more: Callable[[Companion], Gathered]) -> LandscapePosition:
        """Bound the cost from below for the network's own norms; ``more`` makes one more pass for a companion."""
        given, W, counts, bias = self.given, self.given.W, self.given.moments.counts, self.companion.bias
        own = DualBound.of(found, self.tau)
        own = replace(own, bias_term=float(found.added["row_sums"] @ bias) / own.q.size)
        squares, cost = (float(np.square(W).sum()), given.moments.squares), own.cost
        norms = math.sqrt(squares[0]) * math.sqrt(squares[1])
        rounding = 8.0 * _EPS * (1.0 + math.log2(own.q.size)) * cost

        def gap(least: float) -> float:
            return min(cost, max(cost - least, 0.0) + rounding)

        balanced = BalancedNorms(classes=counts.size, samples=own.q.size, tau=self.tau)
        over_biases: Sequence[DualBound | BalancedNorms] = [own]
        nonnegative_gap = None
        if self.is_balanced:
            over_biases = [balanced]
            if given.is_nonnegative:
                nonnegative_gap = gap(replace(balanced, nonnegative=True).least_cost(norms))
        elif given.features.bias is not None:
            over_biases = self._at_best_bias(found, cost, more)
        free = max(bound.least_cost(norms) for bound in over_biases)
        least = max(own.least_cost(norms), free)  # what holds over all biases holds for the given one
        frame = frame_cost(counts, norms, self.tau, bias) if len(W) >= counts.size - 1 else cost
        return LandscapePosition(
            tau=self.tau,
            tau_source=self.tau_source,
            cost=cost,
            optimality_gap=gap(least),
            gap_method="closed-form" if self.is_balanced and least == free else "norm-bound",
            free_bias_gap=None if given.features.bias is None else gap(free),
            least_cost_range=(min(least, cost, frame), min(cost, frame)),
            nonnegative_gap=nonnegative_gap,
            regularised_gap=self._regularised_gap(cost, squares, over_biases),
        )

    def _regularised_gap(
        self, cost: float, squares: tuple[float, float], bounds: Sequence[DualBound | BalancedNorms]
    ) -> float | None:
        """Bound for the objective with weight decay, where that is given."""
        decay = self.given.place.weight_decay
        if decay is None:
            return None
        root = math.sqrt(decay[0]) * math.sqrt(decay[1])
        objective = cost + 0.5 * (decay[0] * squares[0] + decay[1] * squares[1])
        if math.isinf(objective):
            raise InvalidInputError(
                f"weight_decay={decay} makes an objective that overflows; give less of it"
            )
        return max(objective - max(bound.least_regularised(root) for bound in bounds), 0.0)

    def _at_best_bias(
        self, found: Gathered, cost: float, more: Callable[[Companion], Gathered]
    ) -> list[DualBound]:
        """Bounds near the bias of least cost, which is minus infinity for classes without samples.

        Where the logits of all samples were kept, at that bias; else at the best one of some samples, which stand for
        those of their class, and after a step from there: two passes.
        """
        counts, values, N = self.given.moments.counts, found.whole("logits"), self.given.features.labels.size
        labels = self.given.features.labels[self.companion.kept]
        weights = counts / np.maximum(np.bincount(labels, minlength=counts.size), 1)
        logits = Logits(values=values, labels=labels, weights=weights[labels])
        bias = np.where(counts > 0, self.companion.bias, -np.inf)
        bias, C = best_bias(logits, bias, _NEGLIGIBLE * cost)
        sums = SoftmaxSums(tau=self.tau, bias=bias)
        if labels.size == N:
            again = [sums.gathered(logits)]
        else:
            first = more(sums)
            step = newton(first.added["row_sums"] / N, C)
            again = [first, more(replace(sums, bias=bias - step))]
        return [DualBound.over_biases(each, self.tau, counts) for each in again]


@dataclass(frozen=True, kw_only=True, eq=False)
class DualBound:
    """A bound by the softmax ``P`` of all samples."""

    cost: float
    pull: float  #: ``tau |G|_2``
    q: Array  #: shape ``(N,)``
    off_label: float  #: mean of ``sum p log p`` off the label
    bias_term: float = 0.0  #: ``<G, b 1^T>``
    share: float = 1.0  #: that of ``P`` in a mixture, whose other part's entropy is left out

    @classmethod
    def of(cls, found: Gathered, tau: float) -> DualBound:
        """The bound by what :class:`SoftmaxSums` gathered, without the term of a bias."""
        q, (cost, off_label) = found.whole("q"), found.added["totals"].tolist()
        largest = max(float(np.linalg.eigvalsh(found.added["gram"])[-1]), 0.0)
        N = q.size
        return cls(cost=cost / N, pull=tau * math.sqrt(largest) / N, q=q, off_label=off_label / N)

    @classmethod
    def over_biases(cls, found: Gathered, tau: float, counts: NDArray[np.intp]) -> DualBound:
        """The bound over all biases, with ``P`` mixed with a column ``u`` so that rows have the labels' sums.

        With ``r = G 1 / N`` and the classes' shares ``n``: ``P~ = (1 - t) P + t u 1^T``, ``u = n - (1 - t) / t r``;
        here t is the least that leaves u nonnegative.  Entropy is concave; a sum's norm is at most the sum of norms.
        """
        own, N = cls.of(found, tau), int(counts.sum())
        shares, r = counts / N, found.added["row_sums"] / N
        over = r > 0.0  # the others ask for nothing, even where their softmax is zero
        t = float(np.max(r[over] / (shares + r)[over], initial=0.0))
        tu = np.maximum(t * shares - (1.0 - t) * r, 0.0)
        extra = tau * (math.sqrt(N) * float(np.linalg.norm(tu)) + t * math.sqrt(counts.max())) / N
        return replace(own, pull=(1.0 - t) * own.pull + extra, share=1.0 - t)

    def bound(self, c: float, price: float) -> float:
        """Lower bound at ``c``; ``price`` is ``tau |G|_2 |W|_F |H|_F``."""
        if c <= 0.0:
            return 0.0
        rest = 1.0 - c * self.q
        own = -np.where(rest > 0.0, rest * np.log(np.maximum(rest, _TINY)), 0.0)
        entropy = float(own.mean()) - c * float(self.q.mean()) * np.log(c) - c * self.off_label
        return float(self.share * entropy - c * price + c * self.bias_term)

    def least_cost(self, norms: float) -> float:
        """Lower bound on the cost where ``|W|_F |H|_F`` is at most ``norms``."""
        return self.best(1.0, self.pull * norms)

    def least_regularised(self, root: float) -> float:
        """Lower bound with ``mu_W |W|^2 / 2 + mu_H |H|^2 / 2`` added; ``root`` is ``sqrt(mu_W mu_H)``."""
        return self.best(min(1.0, root / self.pull) if self.pull > 0.0 else 1.0, 0.0)

    def best(self, top: float, price: float) -> float:
        """Largest bound for ``c`` in ``[0, top]``; it is concave in ``c``, any ``c`` is valid, and c = 0 gives zero."""
        options = {"xatol": _CLOSE * top}
        found = minimize_scalar(
            lambda c: -self.bound(c, price), bounds=(0.0, top), method="bounded", options=options
        )
        return max(0.0, self.bound(top, price), -float(found.fun))


@dataclass(frozen=True, kw_only=True, eq=False)
class SoftmaxSums:
    """What one pass leaves for the bounds: a companion of the metrics' second pass."""

    tau: float
    bias: Array  #: shape ``(K,)``
    #: Shape ``(N,)`` or None: which samples' logits are kept, in double precision, for a better bias.
    kept: NDArray[np.bool_] | None = None

    def begin(self, found: Gathered) -> None:
        """Nothing yet of ``gram``, ``G G^T``, ``row_sums``, ``G 1``, not divided by N, cost, entropy, q and logits."""
        K = self.bias.size
        found.added.update(gram=np.zeros((K, K)), row_sums=np.zeros(K), totals=np.zeros(2))
        found.joined.update({"q": []} if self.kept is None else {"q": [], "logits": []})

    def add(self, found: Gathered, view: View) -> None:
        """Gather a block."""
        Z = self.tau * np.ascontiguousarray(view.products.T)
        if self.kept is not None:
            found.joined["logits"].append(Z[:, self.kept[view.rows]])
        self._add(found, Z, view.labels)

    def gathered(self, logits: Logits) -> Gathered:
        """The same of logits in memory."""
        found = Gathered(added={})
        self.begin(found)
        for Z, y, _ in logits.blocks():
            self._add(found, Z, y)
        return found

    def _add(self, found: Gathered, Z: Array, y: NDArray[np.intp]) -> None:
        """Gather the logits ``Z = tau W^T H`` of a block."""
        terms = PLAIN.forward(Z + self.bias[:, None], block_from_labels(y, np.ones(y.size)))
        P, own = np.array(terms.G), (y, np.arange(y.size))
        found.added["gram"] += P @ P.T
        found.added["row_sums"] += P.sum(axis=1)
        found.joined["q"].append(-P[own])
        P[own] = 0.0
        off_label = float((P * np.log(np.maximum(P, _TINY))).sum())
        found.added["totals"] += np.array([float(terms.cost.sum()), off_label])


@dataclass(frozen=True, kw_only=True)
class BalancedNorms:
    """Least costs for given norms, balanced classes and any bias."""

    #: ``classes`` and ``samples``: K and N.
    classes: int
    samples: int
    tau: float  #: multiplies ``W^T H``
    nonnegative: bool = False  #: whether the features are entrywise nonnegative

    @property
    def rate(self) -> float:
        """``t`` for each unit of ``|W|_F |H|_F``."""
        K = self.classes
        share = math.sqrt(1.0 - 1.0 / K) if self.nonnegative else 1.0
        return self.tau * share * K / ((K - 1) * math.sqrt(K * self.samples))

    def least_cost(self, norms: float) -> float:
        """Least cost, in nats, where ``|W|_F |H|_F`` is at most ``norms``."""
        return math.log1p((self.classes - 1) * math.exp(-self.rate * norms))

    def least_regularised(self, root: float) -> float:
        """Least cost with ``mu_W |W|^2 / 2 + mu_H |H|^2 / 2`` added."""
        K = self.classes
        p = max(root / self.rate, _TINY)
        if p >= (K - 1) / K:
            return math.log(K)
        return -p * math.log(p) - (1.0 - p) * math.log1p(-p) + p * math.log(K - 1)


def frame_cost(counts: NDArray[np.intp], norms: float, tau: float, bias: Array) -> float:
    """Cost of a simplex frame with ``|W|_F |H|_F = norms``, features of equal length, and this bias."""
    K, N = len(counts), float(counts.sum())
    E = simplex_etf(K, K - 1)
    Z = tau * norms / math.sqrt(K * N) * (E.T @ E) + bias[:, None]
    margins = Z - np.diag(Z)
    np.fill_diagonal(margins, -np.inf)
    return float(counts @ np.logaddexp(0.0, logsumexp(margins, axis=0))) / N
