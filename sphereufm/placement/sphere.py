r"""A point of unit features and classifiers on its landscape: cost, gradient, optimality gap, distance from collapse.

Points that fit the memory are evaluated as :class:`~sphereufm.problem.ufm.UFMProblem` does.  Larger ones are streamed
once: with ``b_i = |W g_i|`` the bound of :mod:`~sphereufm.problem.theory.gap` needs only

    cost,   H G^T,   sum_i |W g_i - beta_i h_i|^2,   B = G diag(1 / b) G^T,   sum b,   sum beta,

and then ``a_k = sum_l <w_k, w_l> B_lk`` is raised until the ``K x K`` Schur complement ``diag(a) - B`` is positive
semidefinite.

The nearest collapsed point ``[E E_y]`` turned by ``Q`` in O(d), ``E`` a simplex frame, solves an orthogonal Procrustes
problem in the class sums: with ``C_k = w_k + sum_{y_i = k} h_i`` its distance is ``sqrt(2 (K + N) - 2 |C E^T|_*)``.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array, column_norms, normalize, tangent_norm
from sphereufm.placement.layer import Layer
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.problem.losses.cross_entropy import CrossEntropy
from sphereufm.problem.losses.interface import block_from_labels
from sphereufm.problem.theory.gap import optimality_gap
from sphereufm.problem.theory.theorems import global_minimum, nonnegative_minimum, simplex_etf
from sphereufm.problem.ufm import Number, UFMProblem
from sphereufm.spectra.extreme import hessian_extreme

__all__ = ["SpherePosition", "collapsed_distance", "sphere_position"]

_EPS = sys.float_info.epsilon
# unknowns d (K + N) of a point that is kept in memory, several times over: 256 MB each
_IN_MEMORY = 1 << 25
# unknowns up to which curvature is looked for, in seconds
_CURVATURE = 1 << 17
_CURVATURE_ITERATIONS = 25
_LEAST_PULL = 1e-16
# curvature above minus this share of the Hessian's scale is rounding
_FLAT = 1e-9


@dataclass(frozen=True, kw_only=True)
class SpherePosition:
    """Position of unit features; see :class:`~sphereufm.placement.LandscapePosition`."""

    cost: float
    gradient_norm: float
    relative_gradient_norm: float
    optimality_gap: float
    gap_method: str
    nonnegative_gap: float | None
    collapsed_distance: float | None
    negative_curvature: float | None


def sphere_position(
    layer: Layer, tau: Number, nonnegative: bool, in_memory: int = _IN_MEMORY, curvature: bool = True
) -> SpherePosition:
    """Place a layer of unit features and unit classifiers.

    Parameters
    ----------
    layer : Layer
        With ``unit`` set; its classifier has unit columns.
    tau : number
    nonnegative : bool
        Whether all features are entrywise nonnegative.
    in_memory : int
        Most numbers of a point that is kept in memory.
    curvature : bool
        Whether negative curvature is looked for.

    Raises
    ------
    InvalidInputError
        If ``tau`` is not positive.
    """
    d, K = layer.W.shape
    problem = UFMProblem(labels=layer.features.labels, classes=K, dim=d, tau=tau)
    small = d * (K + problem.samples) <= in_memory
    found = _evaluate(problem, layer, curvature) if small else _stream(problem, layer)
    bound = nonnegative_minimum(problem) if nonnegative else None
    return SpherePosition(
        **found,
        nonnegative_gap=None if bound is None else max(found["cost"] - bound, 0.0),
    )


def _evaluate(problem: UFMProblem, layer: Layer, curvature: bool) -> dict[str, Any]:
    """All of it from a point in memory."""
    H = np.concatenate([block for block, _ in layer.blocks()], axis=1)
    point = problem.at(normalize(np.concatenate([layer.W, H], axis=1)))
    gap = optimality_gap(problem, point.X)
    return {
        "cost": float(point.cost),
        "gradient_norm": float(tangent_norm(point.gradient)),
        "relative_gradient_norm": float(relative_gradient_norm(point)),
        "optimality_gap": gap.value,
        "gap_method": gap.method,
        "collapsed_distance": collapsed_distance(layer),
        "negative_curvature": _negative_curvature(problem, point.X) if curvature else None,
    }


def _negative_curvature(problem: UFMProblem, X: Array) -> float | None:
    """The most negative curvature that a short search meets, an upper bound of the least eigenvalue."""
    if X.size > _CURVATURE:
        return None
    found = hessian_extreme(problem, X, max_iterations=_CURVATURE_ITERATIONS, tolerance=1e-4)
    value = float(found.eigenvalues[0])
    scale = float(np.abs(problem.at(X).gradient_scale).max()) * max(problem.tau, 1.0)
    return value if value < -_FLAT * scale else None


def _stream(problem: UFMProblem, layer: Layer) -> dict[str, Any]:
    """The same in one pass, with the bound at the first multipliers and no search for curvature."""
    W, N, tau = layer.W, problem.samples, problem.tau
    K, loss = W.shape[1], CrossEntropy()
    total = _Sums(C=W.T.copy(), HGt=np.zeros(W.shape), B=np.zeros((K, K)), row_scale=np.zeros(K))
    for H, y in layer.blocks():
        A = np.ascontiguousarray(W.T @ H)
        terms = loss.forward(tau * A, block_from_labels(y, np.full(y.size, 1.0 / N), tau))
        total.add(W, H, A, terms.G, float(terms.cost.sum()) / N)
        _add_to_classes(total.C, H, y)
    return total.result(problem, W)


@dataclass(kw_only=True, eq=False)
class _Sums:
    """Running sums of the pass; ``C`` holds the classifier and class sums of the features in rows."""

    C: Array
    HGt: Array
    B: Array
    row_scale: Array
    cost: float = 0.0
    squares: float = 0.0
    relative: float = 0.0
    sum_b: float = 0.0
    sum_beta: float = 0.0
    scale: float = 0.0

    def add(self, W: Array, H: Array, A: Array, G: Array, cost: float) -> None:
        """Add a block: ``A = W^T H``."""
        WG = (G.T @ W.T).T
        beta = np.einsum("kn,kn->n", G, A)
        sizes = np.abs(G).sum(axis=0)
        b = np.sqrt(np.einsum("dn,dn->n", WG, WG) + _LEAST_PULL * np.square(sizes))
        WG -= H * beta
        norms = np.sqrt(np.einsum("dn,dn->n", WG, WG))
        live = sizes > 0.0
        self.cost += cost
        self.HGt += H @ G.T
        self.row_scale += np.abs(G).sum(axis=1)
        self.squares += float(norms @ norms)
        self.relative = max(self.relative, float((norms[live] / sizes[live]).max(initial=0.0)))
        self.B += (G[:, live] / b[live]) @ G[:, live].T
        self.sum_b += float(b.sum())
        self.sum_beta += float(beta.sum())
        self.scale += float(sizes.sum())

    def result(self, problem: UFMProblem, W: Array) -> dict[str, Any]:
        """Position from the sums."""
        gradient_W = self.HGt - W * np.einsum("dk,dk->k", W, self.HGt)
        norms = column_norms(gradient_W)
        live = self.row_scale > 0.0
        bounds = {"cost": self.cost, "multiplier-bound": self._multiplier_bound(problem, W)}
        least = global_minimum(problem)
        if least is not None:
            slack = 8.0 * _EPS * (1.0 + problem.tau) * (1.0 + math.log2(problem.samples)) * self.cost
            bounds["closed-form"] = max(self.cost - least, 0.0) + slack
        method = min(bounds, key=bounds.__getitem__)
        return {
            "cost": self.cost,
            "gradient_norm": math.sqrt(self.squares + float(norms @ norms)),
            "relative_gradient_norm": max(
                self.relative, float((norms[live] / self.row_scale[live]).max(initial=0.0))
            ),
            "optimality_gap": bounds[method],
            "gap_method": method,
            "collapsed_distance": _distance(self.C, problem.samples),
            "negative_curvature": None,
        }

    def _multiplier_bound(self, problem: UFMProblem, W: Array) -> float:
        """``sqrt(sum a sum b) + sum beta`` with an allowance for rounding."""
        K, N = problem.classes, problem.samples
        slack = _EPS * (4.0 * K + math.sqrt(N))
        a = np.einsum("kl,lk->k", W.T @ W, self.B)
        lift = slack * float(np.abs(self.B).sum(axis=1).max()) - float(
            np.linalg.eigvalsh(np.diag(a) - self.B)[0]
        )
        sum_a = float(a.sum()) + K * max(0.0, lift)
        return max(0.0, math.sqrt(max(sum_a, 0.0) * self.sum_b) + self.sum_beta) + slack * self.scale


def collapsed_distance(layer: Layer) -> float | None:
    """Root mean square distance of a column from that of the nearest collapsed point; None for ``d < K - 1``."""
    C = layer.W.T.copy()
    for H, y in layer.blocks():
        _add_to_classes(C, H, y)
    return _distance(C, layer.features.labels.size)


def _add_to_classes(C: Array, H: Array, y: NDArray[np.intp]) -> None:
    """Add each feature to the row of its class: a matrix of sums does not fit the cache, one row of it does."""
    for k, h in zip(y.tolist(), np.ascontiguousarray(H.T), strict=True):
        C[k] += h


def _distance(C: Array, samples: int) -> float | None:
    """The Procrustes distance of the module, a column."""
    K, d = C.shape
    if d < K - 1:
        return None
    nuclear = float(np.linalg.svd(simplex_etf(K, K - 1) @ C, compute_uv=False).sum())
    return math.sqrt(max(0.0, 2.0 - 2.0 * nuclear / (K + samples)))
