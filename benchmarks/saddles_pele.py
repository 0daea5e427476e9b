"""Distinct critical points per second of processor time: the batched search against pele's saddle search.

The spherical 3-spin model: ``E(x) = -sum_{i<j<k} J_ijk x_i x_j x_k / N`` on ``|x|^2 = N``, with the couplings of
``pele.systems.MeanFieldPSpinSphericalSystem``.  pele (``pip install pele``, GPL, in an environment of its own beside
this package) evaluates it in C++ and looks for transition states, saddles of index one, by hybrid eigenvector
following from random starts, one after the other, with its default settings (gradient to 1e-4 in the mean).  This
package evaluates it in NumPy, many starts at once: once for points of every index, once guided to index one.  Both
sides get the same couplings and starts.  What either side ends at is polished by Newton's method, which is not timed,
and counts if that moves it by less than 0.01; two points are one when they then agree to 1e-4.

    python benchmarks/saddles_pele.py [--spins 20] [--starts 60]

Set OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1.
"""

import argparse
import contextlib
import io
import logging
import time

import numpy as np

from sphereufm.geometry.spheres import ProductOfSpheres, project
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.landscape.search.eigenvector_following import follow_eigenvectors
from sphereufm.landscape.search.squared_gradient import find_critical_points

MOVED, SAME = 1e-2, 1e-4


class ThreeSpin:
    """``E / sqrt(N)`` in terms of the unit vector ``u = x / sqrt(N)``, batch axes first."""

    def __init__(self, J):
        self.J = J
        self.spheres = ProductOfSpheres.oblique(len(J), 1)
        self.symmetry = SymmetryGroup.none(1)

    def at(self, X):
        """Evaluate at ``X``, shape ``(..., N, 1)``."""
        return ThreeSpinPoint(self.J, X)


class ThreeSpinPoint:
    """One evaluation of ``f(u) = -sum_ijk J_ijk u_i u_j u_k / 6``."""

    def __init__(self, J, X):
        self.X = X
        n = len(J)
        u = X[..., 0]
        self.hessian = -(u @ J.reshape(n, n * n)).reshape(*u.shape[:-1], n, n)
        self.euclidean = 0.5 * self.hessian @ X
        self.multiplier = (X * self.euclidean).sum(axis=(-1, -2), keepdims=True)
        self.cost = self.multiplier[..., 0, 0] / 3.0
        self.gradient = project(X, self.euclidean)
        self.gradient_scale = np.ones((*X.shape[:-2], 1))

    def hessian_product(self, U):
        """Riemannian Hessian applied to a tangent."""
        return project(self.X, self.hessian @ U - self.multiplier * U)


def ours(problem, starts, index=None):
    """All ends, and the seconds."""
    begin = time.process_time()
    if index is not None:
        starts = follow_eigenvectors(problem, starts, np.full(len(starts), index))
    search = find_critical_points(problem, starts)
    return search.X[search.converged], time.process_time() - begin


def peles(system, starts):
    """The same by pele's transition state search, start by start."""
    from pele.optimize.optimization_exceptions import LineSearchError
    from pele.transition_states import FindTransitionState

    logging.disable(logging.CRITICAL)
    ends, n = [], len(starts[0])
    begin = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        for start in starts[..., 0]:
            search = FindTransitionState(
                start * np.sqrt(n),
                system.get_potential(),
                orthogZeroEigs=system.get_orthogonalize_to_zero_eigenvectors(),
                verbosity=0,
            )
            try:
                result = search.run()
            except LineSearchError:
                continue
            if result.success:
                ends.append(result.coords / np.linalg.norm(result.coords))
    return np.array(ends).reshape(-1, n, 1), time.process_time() - begin


def distinct(problem, X):
    """How many ends are critical points, and how many different ones."""
    search = find_critical_points(problem, X)
    still = search.converged & (np.linalg.norm(search.X - X, axis=(1, 2)) <= MOVED)
    kept = []
    for x in search.X[still, :, 0]:
        if all(np.linalg.norm(x - y) > SAME for y in kept):
            kept.append(x)
    return int(still.sum()), len(kept)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spins", type=int, default=20)
    parser.add_argument("--starts", type=int, default=60)
    parser.add_argument("--more", type=int, default=1, help="times as many starts for this package")
    chosen = parser.parse_args()
    from pele.systems import MeanFieldPSpinSphericalSystem

    np.random.seed(0)  # noqa: NPY002 - pele draws its couplings from the global generator
    system = MeanFieldPSpinSphericalSystem(chosen.spins, p=3)
    problem = ThreeSpin(system.interactions.reshape(3 * (chosen.spins,)))
    starts = problem.spheres.random_point(1, (chosen.more * chosen.starts,))
    x = starts[0, :, 0] * np.sqrt(chosen.spins)
    print(f"same energy: {system.get_potential().getEnergy(x) / np.sqrt(chosen.spins):.12f}", end=" ")
    print(f"{float(problem.at(starts[0]).cost):.12f}")
    rates = {}
    for name, run, points in (
        ("pele, index one", lambda X: peles(system, X), starts[: chosen.starts]),
        ("ours, guided to index one", lambda X: ours(problem, X, 1), starts),
        ("ours, every index", lambda X: ours(problem, X), starts),
    ):
        X, seconds = run(points)
        reached, classes = distinct(problem, X)
        rates[name] = classes / seconds
        print(f"{name:24s} {len(points):5d} starts, {reached:5d} reached, {classes:5d} distinct, ", end="")
        print(f"{seconds:8.2f} s, {rates[name]:8.1f} distinct/s")
    for name in list(rates)[1:]:
        print(f"{name}: {rates[name] / rates['pele, index one']:.1f} times as many a second")


if __name__ == "__main__":
    main()
