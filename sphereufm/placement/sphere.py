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
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from sphereufm.features.metrics.companion import Gathered, View, add_to_classes
from sphereufm.geometry.spheres import Array, column_norms, normalize, tangent_norm
from sphereufm.placement.landscape_position import LandscapePosition
from sphereufm.placement.layer import Layer
from sphereufm.problem.arguments import Number
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.problem.losses.cross_entropy import PLAIN
from sphereufm.problem.losses.interface import Loss, block_from_labels
from sphereufm.problem.theory.benign import theorem_f
from sphereufm.problem.theory.gap import optimality_gap
from sphereufm.problem.theory.theorems import global_minimum, nonnegative_minimum, simplex_etf
from sphereufm.problem.ufm import UFMProblem
from sphereufm.spectra.extreme import hessian_extreme

_EPS = sys.float_info.epsilon
IN_MEMORY = 1 << 25
"""Unknowns ``d (K + N)`` of a point that is kept in memory, several times over: 256 MB each."""

# unknowns up to which curvature is looked for, in seconds
_CURVATURE = 1 << 17
_CURVATURE_ITERATIONS = 25
_LEAST_PULL = 1e-16
# squares of which less than this share remains are differences of nearly equal numbers
_CANCELS = 1e-6
_TOTALS = ("cost", "squares", "sum_b", "sum_beta", "scale")
_WELL_CLASSIFIED = (
    "Theorem F: every sample is well classified, so that such a critical point would be a global minimiser or a strict "
    "saddle"
)
# curvature above minus this share of the Hessian's scale is rounding
_FLAT = 1e-9


def sphere_position(
    layer: Layer,
    tau: Number,
    nonnegative: bool,
    in_memory: int = IN_MEMORY,
    curvature: bool = True,
    sums: SphereSums | None = None,
    loss: Loss = PLAIN,
) -> LandscapePosition:
    """Place a layer of unit features and unit classifiers; a point of at most ``in_memory`` numbers is looked at whole.

    ``sums`` were gathered of all features already; without them they are gone through here.
    """
    d, K = layer.W.shape
    problem = UFMProblem(labels=layer.features.labels, classes=K, dim=d, tau=tau, loss=loss)
    if sums is None and d * (K + problem.samples) <= in_memory:
        found = _evaluate(problem, layer, curvature)
    else:
        empty = SphereSums(
            W=layer.W,
            row_lengths=np.ones(K),
            samples=problem.samples,
            tau=problem.tau,
            classes=ClassSums(base=None),
            loss=loss,
        )
        found = (sums or layer.gather(empty.fresh())).result(problem)
    bound = nonnegative_minimum(problem) if nonnegative else None
    if bound is not None:
        found["nonnegative_gap"] = max(found["cost"] - bound, 0.0)
    if not math.isfinite(found["relative_gradient_norm"]):
        found["relative_gradient_norm"] = None
    return LandscapePosition(cost_unit=loss.facts(K).unit, **found)


def _evaluate(problem: UFMProblem, layer: Layer, curvature: bool) -> dict[str, Any]:
    """All of it from a point in memory."""
    H = np.concatenate([block for block, _ in layer.blocks()], axis=1)
    point = problem.at(normalize(np.concatenate([layer.W, H], axis=1)))
    gap = optimality_gap(problem, point.X)
    C = layer.W.T.copy()
    add_to_classes(C, np.ascontiguousarray(H.T), layer.features.labels)
    return {
        "cost": float(point.cost),
        "gradient_norm": float(tangent_norm(point.gradient)),
        "relative_gradient_norm": float(relative_gradient_norm(point)),
        "optimality_gap": gap.value,
        "gap_method": gap.method,
        "collapsed_distance": distance_of(C, problem.samples),
        "negative_curvature": _negative_curvature(problem, point.X) if curvature else None,
        "notes": (_WELL_CLASSIFIED,) if theorem_f(problem, point.X).applies else (),
    }


def _negative_curvature(problem: UFMProblem, X: Array) -> float | None:
    """The most negative curvature that a short search meets, an upper bound of the least eigenvalue."""
    if X.size > _CURVATURE:
        return None
    found = hessian_extreme(problem, X, max_iterations=_CURVATURE_ITERATIONS, tolerance=1e-4)
    value = float(found.eigenvalues[0])
    scale = float(np.abs(problem.at(X).gradient_scale).max()) * max(problem.tau, 1.0)
    return value if value < -_FLAT * scale else None


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassSums:
    """Sums of the unit features of each class: of ``r_i / l_i``, and of ``1 / l_i`` for what residuals are about.

    ``base`` are these points, shape ``(K, d)``; None for zero.
    """

    base: Array | None

    def nothing(self, classes: int, dimension: int) -> dict[str, Array]:
        """Sums of no samples."""
        return {"C": np.zeros((classes, dimension)), "class_weights": np.zeros(classes)}

    def add(self, sums: Mapping[str, Array], view: View) -> None:
        """Gather a block."""
        y, C = view.labels, sums["C"]
        if view.lengths is not None:
            weights = 1.0 / view.lengths
            for k, row, weight in zip(y.tolist(), view.residuals, weights.tolist(), strict=True):
                C[k] += weight * row
            sums["class_weights"][...] += np.bincount(y, weights=weights, minlength=len(C))
        else:
            sums["class_weights"][...] += np.bincount(y, minlength=len(C))
            if not view.centred:
                add_to_classes(C, view.residuals, y)

    def total(self, sums: Mapping[str, Array]) -> Array:
        """Sums of the unit features themselves, shape ``(K, d)``."""
        return sums["C"] if self.base is None else sums["C"] + sums["class_weights"][:, None] * self.base


@dataclass(frozen=True, kw_only=True, eq=False)
class SphereSums:
    r"""Running sums of a pass: a companion of the metrics' second pass.

    Features are ``h_i / l_i = (r_i + m_{y_i}) / l_i``, so with ``g'_i = g_i / l_i``

        H G^T = sum_i r_i g'_i^T + sum_k m_k (sum_{y_i = k} g'_i)^T.

    ``|W g|`` is ``sqrt(g^T W^T W g)``, a product with a K x K matrix: where entries of g have sum zero the mean of the
    classifiers drops out first.  Where almost nothing of W g remains beside its part along h the difference of both is
    made in R^d instead, since squares would cancel.
    """

    W: Array  #: shape ``(d, K)``: unit columns
    row_lengths: Array  #: shape ``(K,)``: lengths of the classifiers with which a view's products are made
    #: ``samples`` and ``tau``: N and the inverse temperature.
    samples: int
    tau: float
    classes: ClassSums
    loss: Loss = PLAIN
    #: ``RG`` is ``sum r g'^T`` ``(d, K)``, ``S`` has ``sum_{y = k} g'`` in row k, ``B`` is ``G
    #: diag(1/b) G^T``, and ``row_scale`` the ``sum |g|`` of each class.
    gathered: Gathered = field(default_factory=Gathered)

    @cached_property
    def seen(self) -> Array:
        """The classifiers as gradients see them: about their mean where a common part does not count in the loss."""
        shifts = self.loss.facts(self.W.shape[1]).shift_invariant
        return self.W - self.W.mean(axis=1, keepdims=True) if shifts else self.W

    @cached_property
    def gram(self) -> Array:
        """Their inner products, shape ``(K, K)``."""
        return np.asarray(self.seen.T @ self.seen)

    def fresh(self) -> SphereSums:
        """Sums of nothing, of the same problem."""
        d, K = self.W.shape
        sums = {
            "RG": np.zeros((d, K)),
            "S": np.zeros((K, K)),
            "B": np.zeros((K, K)),
            "row_scale": np.zeros(K),
            "totals": np.zeros(len(_TOTALS)),
            **self.classes.nothing(K, d),
        }
        return replace(self, gathered=Gathered(added=sums, largest={"relative": 0.0}))

    def add(self, view: View) -> None:
        """Gather a block."""
        y, n, found = view.labels, len(view.labels), self.gathered.added
        inverse = np.ones(n) if view.lengths is None else 1.0 / view.lengths
        A = np.ascontiguousarray((view.products * inverse[:, None] / self.row_lengths).T)
        block = block_from_labels(y, np.full(n, 1.0 / self.samples), self.tau)
        terms = self.loss.forward(self.tau * A, block)
        G = np.asarray(terms.G)
        beta = np.einsum("kn,kn->n", G, A)
        sizes = np.abs(G).sum(axis=0)
        live = sizes > 0.0
        pulls, norms = self._pulls(G, beta, view, inverse)
        b = np.sqrt(np.square(pulls) + _LEAST_PULL * np.square(sizes))
        found["RG"] += view.residuals.T @ (G * inverse).T
        add_to_classes(found["S"], (G * inverse).T, y)
        self.classes.add(found, view)
        found["B"] += (G[:, live] / b[live]) @ G[:, live].T
        found["row_scale"] += np.abs(G).sum(axis=1)
        self.gathered.raise_to("relative", (norms[live] / sizes[live]).max(initial=0.0))
        totals = (terms.cost.sum() / self.samples, norms @ norms, b.sum(), beta.sum(), sizes.sum())
        found["totals"] += np.array([*map(float, totals)])

    def _pulls(self, G: Array, beta: Array, view: View, inverse: Array) -> tuple[Array, Array]:
        """``|W g_i|`` and ``|W g_i - beta_i h_i|`` of a block."""
        squares = np.einsum("kn,kn->n", G, self.gram @ G)
        rests = squares - np.square(beta)
        close = rests < _CANCELS * squares
        if close.any():
            base = self.classes.base
            H = view.residuals[close] if base is None else view.residuals[close] + base[view.labels[close]]
            WG = G[:, close].T @ self.seen.T
            squares[close] = np.einsum("nd,nd->n", WG, WG)
            WG -= beta[close, None] * inverse[close, None] * H
            rests[close] = np.einsum("nd,nd->n", WG, WG)
        return np.sqrt(np.maximum(squares, 0.0)), np.sqrt(np.maximum(rests, 0.0))

    def result(self, problem: UFMProblem) -> dict[str, Any]:
        """Position from the sums."""
        W, found = self.W, self.gathered.added
        total = dict(zip(_TOTALS, found["totals"].tolist(), strict=True))
        base, row_scale = self.classes.base, found["row_scale"]
        HGt = found["RG"] if base is None else found["RG"] + base.T @ found["S"]
        norms = column_norms(HGt - W * np.einsum("dk,dk->k", W, HGt))
        live = row_scale > 0.0
        facts = problem.loss.facts(problem.classes)
        rounding = 0.0 if facts.floor == 0.0 else 1e-13 * abs(total["cost"])
        bounds = {"cost": max(total["cost"] - facts.floor, 0.0) + rounding}
        if facts.convex:
            bounds["multiplier-bound"] = self._multiplier_bound(problem, total)
        least = global_minimum(problem)
        if least is not None:
            slack = 8.0 * _EPS * (1.0 + problem.tau) * (1.0 + math.log2(problem.samples)) * total["cost"]
            bounds["closed-form"] = max(total["cost"] - least, 0.0) + slack
        method = min(bounds, key=bounds.__getitem__)
        return {
            "cost": total["cost"],
            "gradient_norm": math.sqrt(total["squares"] + float(norms @ norms)),
            "relative_gradient_norm": float(
                (norms[live] / row_scale[live]).max(initial=self.gathered.largest["relative"])
            ),
            "optimality_gap": bounds[method],
            "gap_method": method,
            "collapsed_distance": distance_of(self.classes.total(found) + W.T, problem.samples),
        }

    def _multiplier_bound(self, problem: UFMProblem, total: dict[str, float]) -> float:
        """``sqrt(sum a sum b) + sum beta`` with an allowance for rounding."""
        W, K, N, B = self.W, problem.classes, problem.samples, self.gathered.added["B"]
        slack = _EPS * (4.0 * K + math.sqrt(N))
        a = np.einsum("kl,lk->k", W.T @ W, B)
        lift = slack * float(np.abs(B).sum(axis=1).max()) - float(np.linalg.eigvalsh(np.diag(a) - B)[0])
        sum_a = float(a.sum()) + K * max(0.0, lift)
        root = math.sqrt(max(sum_a, 0.0) * total["sum_b"])
        return max(0.0, root + total["sum_beta"]) + slack * total["scale"]


def distance_of(C: Array, samples: int) -> float | None:
    """Root mean square distance of a column from that of the nearest collapsed point; None for ``d < K - 1``.

    * ``C``, shape ``(K, d)``: each classifier with the sum of the unit features of its class.
    """
    K, d = C.shape
    if d < K - 1:
        return None
    nuclear = float(np.linalg.svd(simplex_etf(K, K - 1) @ C, compute_uv=False).sum())
    return math.sqrt(max(0.0, 2.0 - 2.0 * nuclear / (K + samples)))
