"""Closed-form kernels against the arithmetic they cannot avoid, and against automatic differentiation.

Both sides of each ratio run in turns in one process with one BLAS thread; a ratio is that of the medians.
Run ``python benchmarks/kernels.py`` for the table, or asv for the classes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from sphereufm.problem.ufm import UFMProblem

LARGE, MIDDLE, SMALL = (100, 50_000, 512), (100, 5_000, 128), (10, 100, 16)
TAU = 5
LOSSES: dict[str, Any] = {
    "cross-entropy": "cross-entropy",
    "margin 0.35": {"name": "cross-entropy", "margin": "0.35"},
    "label smoothing": "label-smoothing",
    "focal": "focal",
    "squared error": "squared-error",
    "logistic": "logistic",
    "arcface": "arcface",
}


class Case:
    """A balanced problem of size ``(K, N, d)`` at a random point, and the bare products of that size."""

    def __init__(self, size: tuple[int, int, int], loss: Any = "cross-entropy") -> None:
        K, N, d = size
        self.problem = UFMProblem(class_sizes=(N // K,) * K, dim=d, tau=TAU, loss=loss)
        self.X = self.problem.spheres.random_point(0)
        self.U = self.problem.spheres.random_tangent(1, self.X)
        self.W, self.H = self.X[:, :K].copy(), self.X[:, K:].copy()
        self.U_W, self.V = self.U[:, :K].copy(), self.U[:, K:].copy()
        self.point = self.problem.at(self.X)
        self.G = self.point.G

    def cost_and_gradient(self) -> None:
        """Cost and Riemannian gradient from nothing but ``X``."""
        point = self.problem.at(self.X)
        _ = point.cost, point.gradient

    def three_products(self) -> None:
        """Logits, exponentials, both halves of the gradient; each result in new memory."""
        _ = np.exp(self.W.T @ self.H)
        _ = self.H @ self.G.T
        _ = self.W @ self.G

    def hessian_product(self) -> None:
        """One Hessian-vector product at a point whose gradient is known."""
        self.point.hessian_product(self.U)

    def six_products(self) -> None:
        """Change of the logits, and both halves of the product."""
        _ = self.U_W.T @ self.H
        _ = self.W.T @ self.V
        _ = self.V @ self.G.T
        _ = self.H @ self.G.T
        _ = self.U_W @ self.G
        _ = self.W @ self.G


def seconds_in_turns(
    first: Callable[[], Any], second: Callable[[], Any], *, rounds: int, calls: int
) -> tuple[float, float]:
    """Median processor seconds a call of two functions, timed in turns ``rounds`` times over ``calls`` calls."""
    times: tuple[list[float], list[float]] = ([], [])
    with threadpool_limits(1):
        first(), second()
        for _ in range(rounds):
            for function, seconds in zip((first, second), times, strict=True):
                start = time.process_time()
                for _ in range(calls):
                    function()
                seconds.append((time.process_time() - start) / calls)
    return statistics.median(times[0]), statistics.median(times[1])


class Kernels:
    """Ratios to bare matrix products; one would be free elementwise work."""

    params = (LARGE, MIDDLE)
    param_names = ("K, N, d",)
    timeout = 300.0

    def setup(self, size: tuple[int, int, int]) -> None:
        """Make the problem and its point."""
        self.case = Case(size)
        self.rounds = 7 if size == LARGE else 31

    def track_cost_and_gradient(self, size: tuple[int, int, int]) -> float:
        """Cost and gradient over three products and an exponential."""
        case = self.case
        ours, bare = seconds_in_turns(
            case.cost_and_gradient, case.three_products, rounds=self.rounds, calls=1
        )
        return ours / bare

    def track_hessian_product(self, size: tuple[int, int, int]) -> float:
        """Hessian-vector product over six products."""
        case = self.case
        ours, bare = seconds_in_turns(case.hessian_product, case.six_products, rounds=self.rounds, calls=1)
        return ours / bare


class Losses:
    """Both ratios for every loss at the middle size."""

    params = tuple(LOSSES)
    param_names = ("loss",)

    def setup(self, loss: str) -> None:
        """Make the problem and its point."""
        self.kernels = Kernels()
        self.kernels.case, self.kernels.rounds = Case(MIDDLE, LOSSES[loss]), 15

    def track_cost_and_gradient(self, loss: str) -> float:
        """Cost and gradient over three products and an exponential."""
        return self.kernels.track_cost_and_gradient(MIDDLE)

    def track_hessian_product(self, loss: str) -> float:
        """Hessian-vector product over six products."""
        return self.kernels.track_hessian_product(MIDDLE)


class AgainstAutograd:
    """How many times faster than Pymanopt with autograd, at a size where overhead rules."""

    def setup(self) -> None:
        """Make the problem and export it."""
        self.case = Case(SMALL)
        self.exported = self.case.problem.to_pymanopt(derivatives="autograd")

    def track_cost_and_gradient(self) -> float:
        """Cost and gradient: their time over ours."""
        X = self.case.X

        def automatic() -> None:
            _ = self.exported.cost(X), self.exported.riemannian_gradient(X)

        theirs, ours = seconds_in_turns(automatic, self.case.cost_and_gradient, rounds=31, calls=100)
        return theirs / ours

    def track_hessian_product(self) -> float:
        """Hessian-vector product: their time over ours."""
        X, U = self.case.X, self.case.U

        def automatic() -> None:
            self.exported.riemannian_hessian(X, U)

        theirs, ours = seconds_in_turns(automatic, self.case.hessian_product, rounds=31, calls=100)
        return theirs / ours


class MillionSamples:
    """Gradient and a Hessian-vector product at ``(K, N, d) = (100, 1000000, 16)``, recomputed in blocks."""

    timeout = 300.0

    def setup(self) -> None:
        """Make the problem, a point and a tangent."""
        self.problem = UFMProblem(class_sizes=(10_000,) * 100, dim=16, tau=TAU, memory_budget=0)
        rng = np.random.default_rng(0)
        self.X, self.U = rng.normal(size=(2, *self.problem.shape))
        self.X /= np.sqrt((self.X * self.X).sum(axis=0))
        self.U -= self.X * (self.X * self.U).sum(axis=0)

    def time_gradient(self) -> None:
        """One gradient."""
        _ = self.problem.at(self.X).gradient

    def time_hessian_product(self) -> None:
        """One gradient and one Hessian-vector product."""
        self.problem.at(self.X).hessian_product(self.U)

    def peakmem_gradient_and_hessian_product(self) -> None:
        """Peak of the whole process; point, tangent and the two answers take 128 MB each."""
        point = self.problem.at(self.X)
        _ = point.gradient, point.hessian_product(self.U)


def main() -> None:
    """Print every ratio."""
    for size in Kernels.params:
        suite = Kernels()
        suite.setup(size)
        print(
            f"(K, N, d) = {size}: cost and gradient {suite.track_cost_and_gradient(size):.2f} times three products "
            f"and an exponential; Hessian product {suite.track_hessian_product(size):.2f} times six products"
        )
    for loss in Losses.params:
        each = Losses()
        each.setup(loss)
        print(
            f"{loss} at {MIDDLE}: {each.track_cost_and_gradient(loss):.2f} and {each.track_hessian_product(loss):.2f}"
        )
    small = AgainstAutograd()
    small.setup()
    print(
        f"(K, N, d) = {SMALL}: cost and gradient {small.track_cost_and_gradient():.1f} times faster than Pymanopt "
        f"with autograd; Hessian product {small.track_hessian_product():.1f} times"
    )
    million = MillionSamples()
    million.setup()
    with threadpool_limits(1):
        for name in ("time_gradient", "time_hessian_product"):
            start = time.process_time()
            getattr(million, name)()
            print(f"(K, N, d) = (100, 1000000, 16): {name[5:]} {time.process_time() - start:.2f} s")


if __name__ == "__main__":
    main()
