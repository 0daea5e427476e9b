"""What the bounds for ordinary networks need of all samples, gathered in one pass.

The formulas are those of :mod:`~sphereufm.placement.ordinary`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sphereufm.features.metrics.companion import View
from sphereufm.geometry.spheres import Array
from sphereufm.placement.bias import Logits
from sphereufm.placement.layer import Layer
from sphereufm.problem.losses.cross_entropy import CrossEntropy
from sphereufm.problem.losses.interface import block_from_labels

Keep: TypeAlias = Literal["none", "some", "all"]

# p log p with p below this is zero to all digits that are printed, and its logarithm stays finite
_TINY = 1e-300
_STEPS = 100
# logits that are kept for the best bias, all of them or some: 256 MB, 32 MB
_MOST_LOGITS, _SOME = 1 << 25, 1 << 22


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

    def best(self, top: float, price: float) -> float:
        """Largest bound for ``c`` in ``[0, top]``; it is concave in ``c``, and any ``c`` gives a valid one."""
        ratio = (np.sqrt(5.0) - 1.0) / 2.0
        low, high = 0.0, top
        for _ in range(_STEPS):
            left, right = high - ratio * (high - low), low + ratio * (high - low)
            if self.bound(left, price) < self.bound(right, price):
                low = left
            else:
                high = right
        # entropies cannot be negative, so neither can the best bound: c = 0 gives zero
        return max(0.0, self.bound(top, price), self.bound(0.5 * (low + high), price))


@dataclass(kw_only=True, eq=False)
class OrdinarySums:
    """What one pass leaves for the bounds: a companion of the metrics' second pass."""

    tau: float
    bias: Array  #: shape ``(K,)``
    counts: NDArray[np.intp]  #: shape ``(K,)``: samples of each class
    keep: Keep  #: "some" or "all": which logits are kept, in double precision, for a better bias
    #: ``gram`` and ``row_sums``: ``G G^T`` and ``G 1``, not divided by the number of samples.
    gram: Array
    row_sums: Array
    totals: Array  #: sums of the cost and of ``p log p`` off the label
    #: ``q``, ``logits`` and ``labels``: ``1 - p_y`` of each sample; ``W^T H`` and labels where they are kept.
    q: list[Array]
    logits: list[Array]
    labels: list[NDArray[np.intp]]

    @classmethod
    def of(cls, layer: Layer, tau: float) -> OrdinarySums:
        """Sums of nothing yet; logits are kept where a better bias will be looked for."""
        K = layer.W.shape[1]
        counts = np.bincount(layer.features.labels, minlength=K)
        if layer.bias is None or (counts == counts[0]).all():
            return cls.empty(tau, np.zeros(K) if layer.bias is None else layer.bias, counts)
        return cls.empty(tau, layer.bias, counts, "all" if K * counts.sum() <= _MOST_LOGITS else "some")

    @classmethod
    def empty(cls, tau: float, bias: Array, counts: NDArray[np.intp], keep: Keep = "none") -> OrdinarySums:
        """Sums of nothing yet."""
        K = bias.size
        return cls(
            tau=tau,
            bias=bias,
            counts=counts,
            keep=keep,
            gram=np.zeros((K, K)),
            row_sums=np.zeros(K),
            totals=np.zeros(2),
            q=[],
            logits=[],
            labels=[],
        )

    @property
    def samples(self) -> int:
        """N."""
        return int(self.counts.sum())

    def maker(self) -> Callable[[], OrdinarySums]:
        """What makes an empty one of the same kind."""
        return partial(OrdinarySums.empty, self.tau, self.bias, self.counts, self.keep)

    def add(self, view: View) -> None:
        """Gather a block."""
        A = np.ascontiguousarray(view.products.T)
        if self.keep == "all":
            self.logits.append(A)
        elif self.keep == "some":
            self._keep_some(A, view.labels)
        self.gather(A, view.labels)

    def _keep_some(self, A: Array, y: NDArray[np.intp]) -> None:
        """Keep the first few samples of each class."""
        have = (
            np.bincount(np.concatenate(self.labels), minlength=self.bias.size)
            if self.labels
            else 0 * self.counts
        )
        few = max(2, _SOME // self.bias.size**2)
        order = np.argsort(y, kind="stable")
        ranks = np.empty(y.size, dtype=np.intp)
        ranks[order] = np.arange(y.size) - np.searchsorted(y[order], y[order])
        chosen = ranks + have[y] < few
        self.logits.append(A[:, chosen])
        self.labels.append(y[chosen])

    def gather(self, A: Array, y: NDArray[np.intp]) -> None:
        """Gather the logits ``A = W^T H`` of a block."""
        terms = CrossEntropy().forward(
            self.tau * A + self.bias[:, None], block_from_labels(y, np.ones(y.size))
        )
        P, columns = np.array(terms.G), np.arange(y.size)
        self.gram += P @ P.T
        self.row_sums += P.sum(axis=1)
        self.q.append(-P[y, columns])
        P[y, columns] = 0.0
        off_label = float((P * np.log(np.maximum(P, _TINY))).sum())
        self.totals += np.array([float(terms.cost.sum()), off_label])

    def absorb(self, other: OrdinarySums) -> None:
        """Gather what another has."""
        self.gram = self.gram + other.gram
        self.row_sums = self.row_sums + other.row_sums
        self.totals = self.totals + other.totals
        self.q += other.q
        if self.keep == "some":
            for A, y in zip(other.logits, other.labels, strict=True):
                self._keep_some(A, y)
        else:
            self.logits += other.logits

    def arrays(self) -> dict[str, Array]:
        """What was gathered."""
        found = {name: getattr(self, name) for name in ("gram", "row_sums", "totals")}
        found["q"] = np.concatenate(self.q)
        if self.keep != "none":
            found["logits"] = np.concatenate(self.logits, axis=1)
        if self.keep == "some":
            found["labels"] = np.concatenate(self.labels)
        return found

    def restore(self, arrays: Mapping[str, Any]) -> None:
        """Take up what was gathered before."""
        for name in ("gram", "row_sums", "totals"):
            setattr(self, name, np.array(arrays[name]))
        self.q = [np.array(arrays["q"])]
        self.logits = [np.array(arrays["logits"])] if self.keep != "none" else []
        self.labels = [np.array(arrays["labels"], dtype=np.intp)] if self.keep == "some" else []

    def terms(self, bias: Array | None) -> BoundTerms:
        """What the bounds for the given bias need."""
        N = self.samples
        return BoundTerms(
            cost=float(self.totals[0]) / N,
            pull=self._pull(),
            q=np.concatenate(self.q),
            off_label=float(self.totals[1]) / N,
            bias_term=0.0 if bias is None else float(self.row_sums @ bias) / N,
        )

    def _pull(self) -> float:
        """``tau |G|_2`` with weights ``1/N``."""
        return self.tau * float(np.sqrt(max(np.linalg.eigvalsh(self.gram)[-1], 0.0))) / self.samples

    def balanced_terms(self) -> BoundTerms:
        """What the bound over all biases needs: ``P`` mixed with a column ``u`` so that rows have the labels' sums.

        With ``r = G 1 / N`` and the classes' shares ``n``: ``P~ = (1 - t) P + t u 1^T``, ``u = n - (1 - t) / t r``;
        here t is the least that leaves u nonnegative.  Entropy is concave; a sum's norm is at most the sum of norms.
        """
        N, shares = self.samples, self.counts / self.samples
        r = self.row_sums / N
        t = float(np.max(r / (shares + r), initial=0.0))
        u = np.maximum(shares - (1.0 - t) / t * r, 0.0) if t > 0.0 else shares
        extra = self.tau * (np.sqrt(N) * float(np.linalg.norm(u)) + float(np.sqrt(self.counts.max()))) / N
        return replace(self.terms(None), pull=(1.0 - t) * self._pull() + t * extra, share=1.0 - t)

    def sample_logits(self, layer: Layer) -> Logits:
        """The logits that were kept, of all samples or of some."""
        parts = tuple(self.logits)
        if self.keep == "all":
            return Logits(labels=layer.features.labels, bias=self.bias, parts=lambda: parts)
        labels = np.concatenate(self.labels)
        weights = self.counts / np.maximum(np.bincount(labels, minlength=self.bias.size), 1)
        return Logits(labels=labels, bias=self.bias, parts=lambda: parts, weights=weights[labels])
