r"""The regularised model in Euclidean space, loss by loss: where descents end, collapse there, and a bound on the gap.

    python benchmarks/paper/regularised_losses.py --data regularised_losses.json

Zhu et al. (2021) and Zhou et al. (2022): ``F(W, H, b) = mean loss(W^T h_i + b, y_i) + mu (|W|^2 + |H|^2) / 2`` over
unconstrained columns and a free bias.  Descents by L-BFGS from random starts.  For a convex loss and any G with ``G 1 =
0`` and spectral norm at most ``mu``, ``<G, W^T H> + mu (|W|^2 + |H|^2) / 2 >= 0``, so with the conjugate ``l*`` of the
loss

    min F >= - mean_i l*(g_i),

which is taken at the end of a descent with G shortened where its norm is larger.  For cross-entropy and label smoothing
``- l*(p - T)`` is the entropy of ``p``, for squared error ``-|g|^2 / 2 - M g_y``.  The focal loss is not convex: no
bound.  All numbers are floating point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from drawing import experiment_parser, save_data
from normalised_regularised import collapse_distance
from scipy.optimize import minimize
from scipy.special import entr
from threadpoolctl import threadpool_limits

from sphereufm.geometry.spheres import Array
from sphereufm.problem.losses.interface import Loss, block_from_labels
from sphereufm.problem.losses.registry import find_loss

LOSSES: dict[str, Any] = {
    "cross-entropy": "cross-entropy",
    "label smoothing 0.1": {"name": "label-smoothing", "smoothing": "0.1"},
    "focal 2": {"name": "focal", "focusing": 2},
    "squared error": "squared-error",
}
CLASSES, DECAYS = (4, 10), (0.003, 0.01, 0.02)
PER_CLASS, STARTS = 5, 10


@dataclass(frozen=True, kw_only=True)
class Line:
    """One loss and decay: the lowest cost, how many descents end there, the largest of NC1 to NC3, and the gap."""

    loss: str
    classes: int
    decay: float
    cost: float
    ended_lowest: int
    collapse: float | None
    gap: float | None


@dataclass(frozen=True, kw_only=True)
class Model:
    """The objective in one vector; ``d = K + 1``."""

    loss: Loss
    classes: int
    decay: float

    @property
    def labels(self) -> Any:
        """Classes in order."""
        return np.repeat(np.arange(self.classes), PER_CLASS)

    def parts(self, v: Array) -> tuple[Array, Array]:
        """``[W H]`` and ``b``."""
        return v[: -self.classes].reshape(self.classes + 1, -1), v[-self.classes :]

    def terms(self, v: Array) -> tuple[Array, Array]:
        """Losses of the samples and their mean's derivative by the logits."""
        X, b = self.parts(v)
        K, N = self.classes, self.labels.size
        found = self.loss.forward(
            X[:, :K].T @ X[:, K:] + b[:, None], block_from_labels(self.labels, np.full(N, 1.0 / N))
        )
        return found.cost, found.G

    def value(self, v: Array) -> tuple[float, Array]:
        """Objective and gradient."""
        (X, _), (cost, G), K = self.parts(v), self.terms(v), self.classes
        pulled = np.concatenate([X[:, K:] @ G.T, X[:, :K] @ G], axis=1) + self.decay * X
        total = float(cost.mean()) + 0.5 * self.decay * float(np.square(X).sum())
        return total, np.concatenate([pulled.ravel(), G.sum(axis=1)])

    def bound(self, v: Array) -> float | None:
        """Lower bound of the minimum."""
        conjugate = _CONJUGATES.get(self.loss.name)
        if conjugate is None:
            return None
        G = self.terms(v)[1]
        G = G - G.mean(axis=1, keepdims=True)
        G *= min(1.0, self.decay / np.linalg.norm(G, 2))
        return float(np.mean(conjugate(self, G * self.labels.size)))


def _entropy(model: Model, g: Array) -> Array:
    """``- l*`` of cross-entropy against targets ``T``, smoothed or not."""
    eps = float(getattr(model.loss, "smoothing", 0.0))
    target = (1.0 - eps) * np.eye(model.classes)[model.labels].T + eps / model.classes
    return np.asarray(entr(np.clip(target + g, 0.0, None)).sum(axis=0))


def _squares(model: Model, g: Array) -> Array:
    """``- l*`` of squared error with the target 1."""
    return np.asarray(-0.5 * np.square(g).sum(axis=0) - g[model.labels, np.arange(g.shape[1])])


_CONJUGATES: dict[str, Callable[[Model, Array], Array]] = {
    "cross-entropy": _entropy,
    "label-smoothing": _entropy,
    "squared-error": _squares,
}


def measure(name: str, K: int, decay: float) -> Line:
    """Descents from random starts."""
    model = Model(loss=find_loss(LOSSES[name]), classes=K, decay=decay)
    rng = np.random.default_rng(0)
    size = (K + 1) * (K + K * PER_CLASS) + K
    options = {"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-16, "gtol": 1e-10}
    runs = [
        minimize(model.value, rng.standard_normal(size), jac=True, method="L-BFGS-B", options=options)
        for _ in range(STARTS)
    ]
    best = min(runs, key=lambda run: run.fun)
    bound = model.bound(best.x)
    X = model.parts(best.x)[0]
    # all bias, no features: nothing to collapse
    alive = bool(np.linalg.norm(X) > 1e-3)
    W = X[:, :K] - X[:, :K].mean(axis=1, keepdims=True)
    centred = np.concatenate([W, X[:, K:]], axis=1)
    return Line(
        loss=name,
        classes=K,
        decay=decay,
        cost=float(best.fun),
        ended_lowest=sum(run.fun - best.fun <= 1e-7 for run in runs),
        collapse=collapse_distance(centred, K, PER_CLASS) if alive else None,
        gap=None if bound is None else float(best.fun) - bound,
    )


def main() -> None:
    """Measure and print."""
    words = experiment_parser(__doc__, "regularised-losses").parse_args()
    with threadpool_limits(1):
        lines = [measure(*case) for case in product(LOSSES, CLASSES, DECAYS)]
    for line in lines:
        print(line)
    save_data(lines, words.data)


if __name__ == "__main__":
    main()
