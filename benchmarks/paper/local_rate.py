r"""The local linear rate of Riemannian gradient descent at neural collapse: predicted against measured.

    python benchmarks/paper/local_rate.py --out docs/images/local-rate.svg

With a fixed step ``t``, gradient descent near a nondegenerate minimiser orbit contracts the horizontal error by
``max |1 - t lambda|`` over the nonzero Hessian eigenvalues.  With ``t = 2 / (lambda_min + lambda_max)`` that factor is
``(kappa - 1) / (kappa + 1)``, ``kappa = lambda_max / lambda_min``; the eigenvalues are those of the closed form
(``collapsed_spectrum.py``).  The measured factor is the geometric mean of the ratios of successive gradient norms over
the last fifth of a run that starts a distance of 1e-3 from the minimiser.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from collapsed_spectrum import collapsed_spectrum
from drawing import axes_of, experiment_parser, save, save_data
from threadpoolctl import threadpool_limits

from sphereufm import UFMProblem, collapsed_point
from sphereufm.geometry.spheres import Array, retract, tangent_norm

_TAUS = (0.1, 0.3, 1.0, 2.0, 5.0, 10.0, 20.0)
_INSTANCES = ((3, 4, 1), (4, 5, 5), (10, 11, 5))
# the error is to fall by so much: past the fast modes, and far above rounding
_FALL = 1e-7
_MOST_STEPS = 200_000


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Factors by which the gradient norm shrinks in one step, and how far the exponents differ."""

    classes: int
    dim: int
    per_class: int
    tau: float
    condition: float
    predicted: float
    measured: float

    @property
    def error(self) -> float:
        """Relative difference of the logarithms: of the numbers of steps that a digit costs."""
        return abs(np.log(self.measured) / np.log(self.predicted) - 1.0)


def measure(K: int, d: int, n: int, tau: float, seed: int = 0) -> Rate:
    """Predict and measure one factor."""
    problem = UFMProblem(class_sizes=(n,) * K, dim=d, tau=tau)
    eigenvalues = [value for value, _ in collapsed_spectrum(problem)]
    least, largest = min(eigenvalues), max(eigenvalues)
    norms = descend(problem, 2.0 / (least + largest), seed)
    ratios = norms[1:] / norms[:-1]
    return Rate(
        classes=K,
        dim=d,
        per_class=n,
        tau=tau,
        condition=largest / least,
        predicted=(largest - least) / (largest + least),
        measured=float(np.exp(np.mean(np.log(ratios[-max(2, len(ratios) // 5) :])))),
    )


def descend(problem: UFMProblem, step: float, seed: int) -> Array:
    """Gradient norms of fixed-step Riemannian gradient descent from near the minimiser, shape (steps + 1,)."""
    X = collapsed_point(problem)
    U = problem.spheres.random_tangent(np.random.default_rng(seed), X)
    X = retract(X, 1e-3 / tangent_norm(U) * U)
    norms: list[float] = []
    while len(norms) < _MOST_STEPS:
        gradient = problem.gradient(X)
        norms.append(float(tangent_norm(gradient)))
        if norms[-1] < _FALL * norms[0]:
            break
        X = retract(X, -step * gradient)
    return np.array(norms)


def draw(rates: list[Rate], path: Path) -> None:
    """Steps that a decimal digit costs, against tau: lines predicted, marks measured."""
    figure, axes = axes_of("temperature parameter tau", "steps a decimal digit")
    for K, d, n in _INSTANCES:
        rows = [r for r in rates if (r.classes, r.dim, r.per_class) == (K, d, n)]
        taus = [r.tau for r in rows]
        (line,) = axes.plot(
            taus, [-1 / np.log10(r.predicted) for r in rows], label=f"K = {K}, d = {d}, n = {n}"
        )
        axes.plot(taus, [-1 / np.log10(r.measured) for r in rows], "o", color=line.get_color(), ms=5)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title("Gradient descent near collapse: predicted (lines), measured (marks)", fontsize=10)
    axes.legend(frameon=False)
    save(figure, path)


def main() -> None:
    """Measure every instance, print a table, write figure and JSON."""
    parser = experiment_parser(__doc__, "local-rate")
    options = parser.parse_args()
    with threadpool_limits(1):
        rates = [measure(*instance, tau) for instance in _INSTANCES for tau in _TAUS]
    print("  K   d  n    tau  condition  predicted  measured  error")
    for r in rates:
        print(
            f"{r.classes:3d} {r.dim:3d} {r.per_class:2d} {r.tau:6g} {r.condition:10.4g} {r.predicted:10.6f} "
            f"{r.measured:9.6f} {r.error:6.2%}"
        )
    print(f"largest error {max(r.error for r in rates):.2%}")
    draw(rates, options.out)
    save_data(rates, options.data)


if __name__ == "__main__":
    main()
