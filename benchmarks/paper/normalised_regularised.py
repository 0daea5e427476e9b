r"""Does normalisation collapse faster?  Descent on the spheres against descent on the weight-decayed problem.

    python benchmarks/paper/normalised_regularised.py --out docs/images/normalised-regularised.svg

Normalised: ``f(W, H)`` at temperature ``tau``, unit columns.  Regularised (Zhu et al. 2021, without bias):
cross-entropy of ``W^T H`` plus ``lambda_W |W|^2 / 2 + lambda_H |H|^2 / 2`` in Euclidean space.  Both minimisers are
simplex frames; the regularised one has norms ``|w_k| |h_i| = tau`` if ``lambda_W = p``, ``lambda_H = p / n`` with
``p = 1 / (K - 1 + exp(tau K / (K - 1)))``: with these weights both have the same minimiser up to scale, and are
compared.  Both start from the same logits and use the same rule, gradient descent with Armijo backtracking (first
trial: twice the last step).  Counted are iterations until NC1, NC2 and NC3 are all below 1e-3.

* NC1 ``tr(Sigma_W pinv(Sigma_B)) / K``;
* NC2 distance of ``W^T W / |W^T W|`` from ``E / |E|``, ``E = I - 1 1^T / K``;
* NC3 the same distance of ``W^T Hbar / |W^T Hbar|``, with the class means ``Hbar``, not centred.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from drawing import axes_of, experiment_parser, save, save_data
from threadpoolctl import threadpool_limits

from sphereufm import UFMProblem
from sphereufm.geometry.spheres import Array, retract

_TAUS = (0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0)
_INSTANCES = ((4, 5, 5), (10, 11, 5))
_COLLAPSED = 1e-3
_MOST = 20_000
_DECREASE = 0.2

Flow = tuple[Callable[[Array], tuple[float, Array]], Callable[[Array, Array], Array]]


@dataclass(frozen=True, kw_only=True)
class Duration:
    """Median iterations until collapse over the starts; None where a start did not get there."""

    classes: int
    dim: int
    per_class: int
    tau: float
    normalised: float | None
    regularised: float | None


def collapse_distance(X: Array, K: int, n: int) -> float:
    """Largest of NC1, NC2 and NC3, samples in the order of classes."""
    W, H = X[:, :K], X[:, K:].reshape(X.shape[0], K, n)
    means = H.mean(axis=2)
    centred = means - means.mean(axis=1, keepdims=True)
    within = (H - means[:, :, None]).reshape(X.shape[0], -1)
    between = centred @ centred.T / K
    nc1 = float(np.trace(within @ within.T @ np.linalg.pinv(between))) / (K * n) / K
    frame = np.eye(K) - 1.0 / K
    frame /= np.linalg.norm(frame)
    grams = (W.T @ W, W.T @ means)
    return max(nc1, *(float(np.linalg.norm(Q / np.linalg.norm(Q) - frame)) for Q in grams))


def normalised(problem: UFMProblem) -> Flow:
    """Cost with Riemannian gradient, and retraction, on the spheres."""

    def value(X: Array) -> tuple[float, Array]:
        point = problem.at(X)
        return float(point.cost), point.gradient

    return value, retract


def regularised(problem: UFMProblem) -> Flow:
    """Cost with Euclidean gradient, and plain addition, with the weight decay that matches ``tau``."""
    K, n, tau = problem.classes, problem.class_sizes[0], problem.tau
    p = 1.0 / (K - 1 + np.exp(tau * K / (K - 1)))
    decay = np.repeat([p, p / n], [K, K * n])
    Y = np.eye(K)[problem.labels].T

    def value(X: Array) -> tuple[float, Array]:
        W, H = X[:, :K], X[:, K:]
        Z = W.T @ H
        Z = Z - Z.max(axis=0)
        E = np.exp(Z)
        G = (E / E.sum(axis=0) - Y) / (K * n)
        cost = float(np.mean(np.log(E.sum(axis=0)) - (Z * Y).sum(axis=0)) + 0.5 * (decay * X * X).sum())
        return cost, np.concatenate([H @ G.T, W @ G], axis=1) + decay * X

    return value, np.add


def iterations(flow: Flow, X: Array, K: int, n: int) -> int | None:
    """Iterations of gradient descent until collapse."""
    value, move = flow
    cost, gradient = value(X)
    step = 1.0
    for number in range(_MOST):
        if collapse_distance(X, K, n) < _COLLAPSED:
            return number
        square = float((gradient * gradient).sum())
        step *= 2.0
        while True:
            trial = move(X, -step * gradient)
            trial_cost, trial_gradient = value(trial)
            if trial_cost <= cost - _DECREASE * step * square:
                break
            step *= 0.5
            if step * step * square < 1e-30:
                return None
        X, cost, gradient = trial, trial_cost, trial_gradient
    return None


def measure(K: int, d: int, n: int, tau: float, starts: int) -> Duration:
    """Compare both from the same starts."""
    problem = UFMProblem(class_sizes=(n,) * K, dim=d, tau=tau)
    points = problem.spheres.random_point(0, (starts,))
    ends = {
        "normalised": [iterations(normalised(problem), X, K, n) for X in points],
        # the same logits: all norms are sqrt(tau)
        "regularised": [iterations(regularised(problem), np.sqrt(tau) * X, K, n) for X in points],
    }
    medians = {name: None if None in counts else float(np.median(counts)) for name, counts in ends.items()}
    return Duration(classes=K, dim=d, per_class=n, tau=tau, **medians)


def draw(rows: list[Duration], path: Path) -> None:
    """Iterations against tau, one colour an instance."""
    figure, axes = axes_of(
        "temperature parameter tau (regularised: norms at the minimiser)", "iterations until collapse"
    )
    for number, (K, d, n) in enumerate(_INSTANCES):
        part = [r for r in rows if (r.classes, r.dim, r.per_class) == (K, d, n)]
        for name, style in (("normalised", "-o"), ("regularised", "--s")):
            known = [(r.tau, getattr(r, name)) for r in part if getattr(r, name) is not None]
            axes.plot(
                *zip(*known, strict=True), style, color=f"C{number}", ms=4, label=f"K = {K}, n = {n}: {name}"
            )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=8)
    save(figure, path)


def main() -> None:
    """Measure, print a table, write figure and JSON."""
    parser = experiment_parser(__doc__, "normalised-regularised")
    parser.add_argument("--starts", type=int, default=11)
    options = parser.parse_args()
    with threadpool_limits(1):
        rows = [measure(*instance, tau, options.starts) for instance in _INSTANCES for tau in _TAUS]
    print("  K   d  n    tau  normalised  regularised  ratio")
    for r in rows:
        both = r.normalised is not None and r.regularised is not None
        ratio = f"{r.regularised / r.normalised:6.2f}" if both else "     -"
        print(
            f"{r.classes:3d} {r.dim:3d} {r.per_class:2d} {r.tau:6g} {r.normalised!s:>11} {r.regularised!s:>12} {ratio}"
        )
    draw(rows, options.out)
    save_data(rows, options.data)


if __name__ == "__main__":
    main()
