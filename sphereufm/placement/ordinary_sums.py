"""What the bounds for ordinary networks need of all samples, gathered in one pass.

The formulas are those of :mod:`~sphereufm.placement.ordinary`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from sphereufm.features.metrics.companion import Gathered, View
from sphereufm.geometry.spheres import Array
from sphereufm.placement.bias import Logits, few_of_each
from sphereufm.placement.layer import Layer
from sphereufm.problem.losses.cross_entropy import CrossEntropy
from sphereufm.problem.losses.interface import block_from_labels

# p log p with p below this is zero to all digits that are printed, and its logarithm stays finite
_TINY = 1e-300
# how near the best c is sought: bounds are flat there
_CLOSE = 1e-10
# logits that are kept for the best bias, all of them where they take no more than 128 MB
_MOST_LOGITS = 1 << 24


@dataclass(frozen=True, kw_only=True, eq=False)
class BoundTerms:
    """What a bound needs: cost, ``tau |G|_2``, ``q``, mean of ``sum p log p`` off the label, ``<G, b 1^T>``.

    ``share`` is that of ``P`` in a mixture, whose other part's entropy is left out.
    """

    cost: float
    pull: float
    q: Array
    off_label: float
    bias_term: float
    share: float = 1.0

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

    def least_regularised(self, decay: tuple[float, float]) -> float:
        """Lower bound with ``mu_W |W|^2 / 2 + mu_H |H|^2 / 2`` added."""
        root = float(np.sqrt(decay[0] * decay[1]))
        return self.best(min(1.0, root / self.pull) if self.pull > 0.0 else 1.0, 0.0)

    def best(self, top: float, price: float) -> float:
        """Largest bound for ``c`` in ``[0, top]``; it is concave in ``c``, and any ``c`` gives a valid one."""
        found = minimize_scalar(
            lambda c: -self.bound(c, price),
            bounds=(0.0, top),
            method="bounded",
            options={"xatol": _CLOSE * top},
        )
        # entropies cannot be negative, so neither can the best bound: c = 0 gives zero
        return max(0.0, self.bound(top, price), -float(found.fun))


@dataclass(frozen=True, kw_only=True, eq=False)
class OrdinarySums:
    """What one pass leaves for the bounds: a companion of the metrics' second pass."""

    tau: float
    bias: Array  #: shape ``(K,)``
    labels: NDArray[np.intp]  #: shape ``(N,)``
    #: Shape ``(N,)`` or None: which samples' logits are kept, in double precision, for a better bias.
    kept: NDArray[np.bool_] | None = None
    #: ``gram`` is ``G G^T`` and ``row_sums`` ``G 1``, not divided by the number of samples; ``totals``
    #: are sums of the cost and of ``p log p`` off the label; ``q`` is ``1 - p_y`` of each sample, and
    #: ``logits`` are ``W^T H``.
    gathered: Gathered = field(default_factory=Gathered)

    @classmethod
    def of(cls, layer: Layer, tau: float) -> OrdinarySums:
        """Sums of nothing yet; logits are kept where a better bias will be looked for."""
        K, labels = layer.W.shape[1], layer.features.labels
        bias = np.zeros(K) if layer.bias is None else layer.bias
        sums = cls(tau=tau, bias=bias, labels=labels)
        if layer.bias is not None and not (sums.counts == sums.counts[0]).all():
            all_of_them = labels.size * K <= _MOST_LOGITS
            sums = replace(sums, kept=np.ones(labels.size, bool) if all_of_them else few_of_each(labels, K))
        return sums.fresh()

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        """Samples of each class."""
        return np.bincount(self.labels, minlength=self.bias.size)

    def fresh(self) -> OrdinarySums:
        """Sums of nothing, of the same problem."""
        K = self.bias.size
        sums = {"gram": np.zeros((K, K)), "row_sums": np.zeros(K), "totals": np.zeros(2)}
        names = ("q",) if self.kept is None else ("q", "logits")
        return replace(self, gathered=Gathered(added=sums, joined={name: [] for name in names}))

    def add(self, view: View) -> None:
        """Gather a block."""
        A = np.ascontiguousarray(view.products.T)
        if self.kept is not None:
            self.gathered.joined["logits"].append(A[:, self.kept[view.rows]])
        self.gather(A, view.labels)

    def gather(self, A: Array, y: NDArray[np.intp]) -> None:
        """Gather the logits ``A = W^T H`` of a block."""
        terms = CrossEntropy().forward(
            self.tau * A + self.bias[:, None], block_from_labels(y, np.ones(y.size))
        )
        P, columns, found = np.array(terms.G), np.arange(y.size), self.gathered.added
        found["gram"] += P @ P.T
        found["row_sums"] += P.sum(axis=1)
        self.gathered.joined["q"].append(-P[y, columns])
        P[y, columns] = 0.0
        off_label = float((P * np.log(np.maximum(P, _TINY))).sum())
        found["totals"] += np.array([float(terms.cost.sum()), off_label])

    def terms(self, bias: Array | None) -> BoundTerms:
        """What the bounds for the given bias need."""
        N, (cost, off_label) = self.labels.size, self.gathered.added["totals"].tolist()
        return BoundTerms(
            cost=cost / N,
            pull=self._pull(),
            q=self.gathered.whole("q"),
            off_label=off_label / N,
            bias_term=0.0 if bias is None else float(self.gathered.added["row_sums"] @ bias) / N,
        )

    def _pull(self) -> float:
        """``tau |G|_2`` with weights ``1/N``."""
        gram = self.gathered.added["gram"]
        return self.tau * float(np.sqrt(max(np.linalg.eigvalsh(gram)[-1], 0.0))) / self.labels.size

    def balanced_terms(self) -> BoundTerms:
        """What the bound over all biases needs: ``P`` mixed with a column ``u`` so that rows have the labels' sums.

        With ``r = G 1 / N`` and the classes' shares ``n``: ``P~ = (1 - t) P + t u 1^T``, ``u = n - (1 - t) / t r``;
        here t is the least that leaves u nonnegative.  Entropy is concave; a sum's norm is at most the sum of norms.
        """
        N = self.labels.size
        shares, r = self.counts / N, self.gathered.added["row_sums"] / N
        t = float(np.max(r / (shares + r), initial=0.0))
        u = np.maximum(shares - (1.0 - t) / t * r, 0.0) if t > 0.0 else shares
        extra = self.tau * (np.sqrt(N) * float(np.linalg.norm(u)) + float(np.sqrt(self.counts.max()))) / N
        return replace(self.terms(None), pull=(1.0 - t) * self._pull() + t * extra, share=1.0 - t)

    def sample_logits(self) -> Logits:
        """The logits that were kept, of all samples or of some, which then stand for those of their class."""
        parts, labels = tuple(self.gathered.joined["logits"]), self.labels[self.kept]
        weights = self.counts / np.maximum(np.bincount(labels, minlength=self.bias.size), 1)
        return Logits(labels=labels, bias=self.bias, parts=lambda: parts, weights=weights[labels])

    @property
    def has_all_logits(self) -> bool:
        """Whether the logits of all samples were kept."""
        return self.kept is not None and bool(self.kept.all())
