r"""A point of unit features and classifiers on its landscape: cost, gradient, optimality gap, distance from collapse.

Points are streamed once: with ``b_i = |W g_i|`` the bound of :mod:`~sphereufm.problem.theory.gap` needs only

    cost,   H G^T,   sum_i |W g_i - beta_i h_i|^2,   B = G diag(1 / b) G^T,   sum b,   sum beta,

and then ``a_k = sum_l <w_k, w_l> B_lk`` is raised until the ``K x K`` Schur complement ``diag(a) - B`` is positive
semidefinite.  Those that fit the memory get the best bound there is, and are searched for negative curvature.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sphereufm.features.metrics.companion import Companion, Gathered, View, add_to_classes
from sphereufm.features.readers.source import finite_blocks
from sphereufm.geometry.spheres import Array, column_norms, normalize
from sphereufm.placement.landscape_position import LandscapePosition
from sphereufm.placement.layer import Given, UnitLayer
from sphereufm.problem.arguments import Number
from sphereufm.problem.losses.interface import BlockTerms, Loss, block_from_labels, magnitude
from sphereufm.problem.theory.gap import least_sum, optimality_gap
from sphereufm.problem.theory.theorems import global_minimum, nonnegative_minimum, theorem_f
from sphereufm.problem.ufm import UFMProblem
from sphereufm.spectra.extreme import hessian_extreme

IN_MEMORY = 1 << 25
"""Unknowns ``d (K + N)`` of a point that is looked at whole too, several times over: 256 MB each."""

_EPS = sys.float_info.epsilon
# unknowns up to which curvature is looked for, in seconds
_CURVATURE = 1 << 17
_CURVATURE_ITERATIONS = 25
_LEAST_PULL = 1e-8
# squares of which less than this share remains are differences of nearly equal numbers
_CANCELS = 1e-6
_TOTALS = ("cost", "rests", "pulls", "betas")
_WELL_CLASSIFIED = (
    "Theorem F: every sample is well classified, so that such a critical point would be a global minimiser or a strict "
    "saddle"
)
# curvature above minus this share of the Hessian's scale is rounding
_FLAT = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class UnitNetwork:
    """Unit features and classifiers: a point on the landscape."""

    given: Given
    tau: Number
    tau_source: str

    @cached_property
    def companion(self) -> SphereSums:
        """What the second pass gathers."""
        return SphereSums(layer=UnitLayer.of(self.given), tau=self._problem.tau, loss=self.given.place.loss)

    def position(self, found: Gathered, more: Callable[[Companion], Gathered]) -> LandscapePosition:
        """Where it stands by what was gathered; no further pass is needed."""
        problem, (d, K), loss = self._problem, self.given.W.shape, self.given.place.loss
        values = self.companion.result(problem, found)
        if d * (K + problem.samples) <= IN_MEMORY:
            values |= self._whole()
        bound = nonnegative_minimum(problem) if self.given.is_nonnegative else None
        if bound is not None:
            values["nonnegative_gap"] = max(values["cost"] - bound, 0.0)
        return LandscapePosition(
            tau=problem.tau, tau_source=self.tau_source, cost_unit=loss.facts(K).unit, **values
        )

    @cached_property
    def _problem(self) -> UFMProblem:
        """The landscape."""
        given, (d, K) = self.given, self.given.W.shape
        return UFMProblem(labels=given.features.labels, classes=K, dim=d, tau=self.tau, loss=given.place.loss)

    def _whole(self) -> dict[str, Any]:
        """What is asked of a point in memory."""
        problem, source = self._problem, self.given.features.features
        H = np.concatenate([block.astype(np.float64) for block in finite_blocks(source, 1 << 12)])
        X = normalize(np.concatenate([self.companion.layer.W, H.T], axis=1))
        gap = optimality_gap(problem, X)
        return {
            "optimality_gap": gap.value,
            "gap_method": gap.method,
            "negative_curvature": _negative_curvature(problem, X) if self.given.place.curvature else None,
            "notes": (_WELL_CLASSIFIED,) if theorem_f(problem, X).applies else (),
        }


def _negative_curvature(problem: UFMProblem, X: Array) -> float | None:
    """The most negative curvature that a short search meets, an upper bound of the least eigenvalue."""
    if X.size > _CURVATURE or len(X) == 1:  # points of a line cannot move
        return None
    found = hessian_extreme(problem, X, max_iterations=_CURVATURE_ITERATIONS, tolerance=1e-4)
    value = float(found.eigenvalues[0])
    scale = float(np.abs(problem.at(X).gradient_scale).max()) * max(problem.tau, 1.0)
    return value if value < -_FLAT * scale else None


@dataclass(frozen=True, kw_only=True, eq=False)
class SphereSums:
    r"""Running sums of a pass: a companion of the metrics' second pass.

    Features are ``h_i / l_i = (r_i + m_{y_i}) / l_i``, so with ``g'_i = g_i / l_i``

        H G^T = sum_i r_i g'_i^T + sum_k m_k (sum_{y_i = k} g'_i)^T.

    ``|W g|`` is ``sqrt(g^T W^T W g)``, a product with a K x K matrix: where entries of g have sum zero the mean of the
    classifiers drops out first.  Where almost nothing of W g remains beside its part along h the difference of both is
    made in R^d instead, since squares would cancel.
    """

    layer: UnitLayer
    tau: float
    loss: Loss

    @cached_property
    def seen(self) -> Array:
        """The classifiers as gradients see them: about their mean where a common part does not count in the loss."""
        W = self.layer.W
        shifts = self.loss.facts(W.shape[1]).shift_invariant
        return W - W.mean(axis=1, keepdims=True) if shifts else W

    @cached_property
    def gram(self) -> Array:
        """Their inner products, shape ``(K, K)``."""
        return np.asarray(self.seen.T @ self.seen)

    def begin(self, found: Gathered) -> None:
        """Nothing yet: ``RG`` is ``sum r g'^T``, ``S`` has ``sum_{y = k} g'`` in row k, ``row_scale`` ``sum |g|``."""
        d, K = self.layer.W.shape
        self.layer.begin(found)
        found.added.update(RG=np.zeros((d, K)), S=np.zeros((K, K)), B=np.zeros((K, K)), row_scale=np.zeros(K))
        found.added.update({name: np.zeros(()) for name in _TOTALS})
        found.largest["relative"] = 0.0

    def add(self, found: Gathered, view: View) -> None:
        """Gather a block."""
        y, n, sums, N = view.labels, len(view.labels), found.added, self.layer.samples
        A, inverse = self.layer.cosines(view)
        block = block_from_labels(y, np.full(n, 1.0 / N), self.tau)
        terms = self.loss.forward(self.tau * A, block)
        G = np.asarray(terms.G)
        scales = magnitude(self.loss, BlockTerms(block, terms.cost, G, terms.state), block)
        sizes = scales.sum(axis=0)
        # of columns of size one nothing underflows
        units = G / np.where(sizes > 0.0, sizes, 1.0)
        beta = np.einsum("kn,kn->n", units, A)
        pulls, norms = self._pulls(units, beta, view, inverse)
        pulls = np.hypot(pulls, _LEAST_PULL)
        sums["RG"] += view.residuals.T @ (G * inverse).T
        add_to_classes(sums["S"], (G * inverse).T, y)
        self.layer.add(found, view, inverse)
        sums["B"] += (units / pulls) @ G.T
        sums["row_scale"] += scales.sum(axis=1)
        found.raise_to(
            "relative", np.where(sizes > 0.0, norms, np.inf).max()
        )  # nothing is known of a zero column
        sums["cost"] += terms.cost.sum() / N
        sums["rests"] += np.square(sizes / self.tau * norms).sum()
        sums["pulls"] += sizes @ pulls
        sums["betas"] += sizes @ beta

    def _pulls(self, G: Array, beta: Array, view: View, inverse: Array) -> tuple[Array, Array]:
        """``|W g_i|`` and ``|W g_i - beta_i h_i|`` of a block."""
        squares = np.einsum("kn,kn->n", G, self.gram @ G)
        rests = squares - np.square(beta)
        close = rests < _CANCELS * squares
        if close.any():
            H = view.residuals[close] + self.layer.base[view.labels[close]]
            WG = G[:, close].T @ self.seen.T
            squares[close] = np.einsum("nd,nd->n", WG, WG)
            WG -= beta[close, None] * inverse[close, None] * H
            rests[close] = np.einsum("nd,nd->n", WG, WG)
        return np.sqrt(np.maximum(squares, 0.0)), np.sqrt(np.maximum(rests, 0.0))

    def result(self, problem: UFMProblem, found: Gathered) -> dict[str, Any]:
        """Position from the sums."""
        W, sums, row_scale = self.layer.W, found.added, found.added["row_scale"]
        cost, rests = float(sums["cost"]), float(sums["rests"])
        HGt = sums["RG"] + self.layer.base.T @ sums["S"]
        HGt /= np.where(row_scale > 0.0, row_scale, 1.0)
        norms = column_norms(HGt - W * np.einsum("dk,dk->k", W, HGt))
        facts = self.loss.facts(problem.classes)
        rounding = 0.0 if facts.floor == 0.0 else 1e-13 * abs(cost)
        bounds = {"cost": max(cost - facts.floor, 0.0) + rounding}
        if facts.convex:
            bounds["multiplier-bound"] = self._multiplier_bound(sums)
        least = global_minimum(problem)
        if least is not None:
            slack = 8.0 * _EPS * (1.0 + problem.tau) * (1.0 + math.log2(problem.samples)) * cost
            bounds["closed-form"] = max(cost - least, 0.0) + slack
        method = min(bounds, key=bounds.__getitem__)
        relative = max(float(np.where(row_scale > 0.0, norms, np.inf).max()), found.largest["relative"])
        return {
            "cost": cost,
            "gradient_norm": self.tau
            * math.sqrt(rests + float(np.square(norms * (row_scale / self.tau)).sum())),
            "relative_gradient_norm": relative if math.isfinite(relative) else None,
            "optimality_gap": bounds[method],
            "gap_method": method,
            "collapsed_distance": self.layer.distance(found),
        }

    def _multiplier_bound(self, sums: Mapping[str, Array]) -> float:
        """``sqrt(sum a sum b) + sum beta`` with an allowance for rounding."""
        N, slack = self.layer.samples, _EPS * (4.0 * len(sums["B"]) + math.sqrt(self.layer.samples))
        bound = least_sum(self.layer.W, sums["B"], float(sums["pulls"]), N) + float(sums["betas"])
        return max(0.0, bound) + slack * float(sums["row_scale"].sum())
