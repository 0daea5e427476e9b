r"""Directions of negative curvature, as the proofs of Theorems S, E and C construct them.

With ``g_i`` the columns of ``G`` and ``alpha, beta`` the sphere multipliers, a critical point that is no global
minimiser has ``<U, Hess U> < 0`` along one of a few explicit tangents, under the hypotheses of each theorem:

* **A**, all classifiers equal: ``u_k = b`` and ``v_i = -t b`` for one class ``k``, one sample ``i`` and a unit ``b``
  orthogonal to ``w_k`` and ``h_i``.  Both the curvature of the loss and ``beta`` vanish along ``v``, so the form in
  ``(u, v)`` is ``[[*, G_ki], [G_ki, 0]]``, indefinite since ``G_ki`` is not zero.
* **B**, columns that do not span ``R^d``: ``a c^T`` with ``a`` orthogonal to all columns, ``c`` in ``R^M``.  There
  ``<U, Hess U> = c^T S c``, and ``S`` is not positive semidefinite.
* **invertible**, ``W`` of full column rank (or label smoothing with dependent classifiers, ``K = 3``): some ``beta_i >
  0``, and ``v_i`` with ``W^T v_i`` a multiple of 1.  A common shift of the logits has no curvature, so ``<U, Hess U> =
  -beta_i |v_i|^2``.
* **edge**, ``d = K - 1`` and some ``beta_i > 0``: ``h_i`` alone moves, along the least eigenvector of its own block
  ``R_i^T (tau^2 omega_i W C_i W^T) R_i - beta_i I``, whose trace is negative for ``2 tau_i <= K - 2``.
* **turning**, for losses whose ``g_i`` is no multiple of ``p - e_y``: ``v`` orthogonal to ``h_i`` with ``W^T v = c 1``
  (``c = 0`` unless the loss ignores a common shift), ``u_k = v - c w_k`` and ``v_i = -t v``: where ``beta_i = 0`` the
  form in ``(u_k, v_i)`` is indefinite as in A.

Which case a numerical point belongs to cannot be decided by a threshold (from ``tau = 20`` on there are points with
coincident classifiers and ``|beta| / |g| < 1e-8`` that are not collapsed).  So every direction that is defined is
tried, its curvature is evaluated anew with the Hessian itself, and the most negative one is returned.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from sphereufm.geometry.spheres import Array, project, tangent_norm
from sphereufm.geometry.tangent_spaces import tangent_bases

if TYPE_CHECKING:
    from sphereufm.problem.evaluation import UFMEvaluation
    from sphereufm.problem.ufm import UFMProblem

_Case: TypeAlias = Literal["A", "B", "invertible", "edge", "turning"]

_EPS = sys.float_info.epsilon


@dataclass(frozen=True, kw_only=True, eq=False)
class DescentDirection:
    """A tangent vector and the curvature of the cost along it."""

    case: _Case  #: one of "A", "B", "invertible", "edge", "turning": case of the proof that it is taken from
    U: Array  #: shape ``(d, K + N)``: tangent at the point, of unit Frobenius norm
    curvature: float  #: ``<U, Hess U>``, evaluated with the Hessian-vector product (numerical)
    rounding: float  #: estimate of the rounding error of ``curvature``


def descent_direction(problem: UFMProblem, X: Array) -> DescentDirection | None:
    """The most negative curvature among the proofs' directions at one point, shape ``(d, K + N)``.

    None where none is below minus its rounding error: at a critical point within the hypotheses of Theorem S, E or
    C this suggests a global minimiser; elsewhere it means nothing.
    """
    facts, point = problem.loss.facts(problem.classes), problem.at(problem.spheres.check_points(X))
    directions = [rank_deficient_direction, collapsed_direction if facts.probability else turning_direction]
    if facts.shift_invariant:
        directions.append(invertible_direction)
    if problem.dim == problem.classes - 1 and facts.probability:
        directions.append(edge_direction)
    tried = [direction(point) for direction in directions]
    negative = [found for found in tried if found is not None and found.curvature < -found.rounding]
    return min(negative, key=lambda found: found.curvature, default=None)


def collapsed_direction(point: UFMEvaluation) -> DescentDirection | None:
    """Case A, with ``t`` from the least eigenvector of the form in ``(u_k, v_i)``; None for ``d < 3``.

    Its curvature is sure to be negative where all classifiers are equal; class, sample and ``b`` are chosen to make it
    so.
    """
    problem, G = point.problem, point.G
    if problem.dim < 3:
        return None
    i = np.abs(G).argmax(axis=1)
    pull = G[np.arange(problem.classes), i]
    # least eigenvalue of [[-alpha_k, G_ki], [G_ki, 0]], the form where b is orthogonal to all features
    k = int(np.argmin(-point.alpha - np.hypot(point.alpha, 2.0 * pull)))
    b = _flattest_direction(point, k, problem.classes + int(i[k]))
    pair = np.zeros((2, *problem.shape))
    pair[0, :, k] = pair[1, :, problem.classes + i[k]] = b
    return _direction("A", point, _least_in_plane(point, pair))


def rank_deficient_direction(point: UFMEvaluation) -> DescentDirection | None:
    """Case B: ``c`` the least eigenvector of ``S``, ``a`` the least singular vector of ``X``; None for ``d = 1``.

    Where the columns of ``X`` span ``R^d`` the tangent part is taken; the curvature is then not ``c^T S c``.
    """
    left = np.linalg.svd(point.X, full_matrices=point.problem.dim > point.X.shape[1])[0]
    c = point.multiplier_matrix.least_eigenvector()
    return _direction("B", point, np.outer(left[:, -1], c))


def invertible_direction(point: UFMEvaluation) -> DescentDirection | None:
    """The sample with the largest ``beta_i`` moves alone, along ``v_i`` with ``W^T v_i`` a multiple of 1.

    In the invertible branch of Theorem S, ``d = K``, that is ``W^{-T} 1``, which is tangent at critical points; where
    columns of ``W`` are dependent it is normal to their span.  None for ``d < K``.
    """
    if point.problem.dim < point.problem.classes:
        return None
    i = int(point.beta.argmax())
    return _direction("invertible", point, _moved(point, i, _unseen(point, i, point.W.mean(axis=1))))


def edge_direction(point: UFMEvaluation) -> DescentDirection | None:
    """The feature with the largest ``beta_i`` moves along its block's least eigenvector; None for ``d = 1``.

    For cross-entropy, where ``G`` gives the probabilities.
    """
    problem, i = point.problem, int(point.beta.argmax())
    if problem.dim < 2:
        return None
    p = point.G[:, i] / (problem.temperatures[i] * problem.weights[i])
    p[problem.labels[i]] += 1.0
    centred = point.W - (point.W @ p)[:, None]
    R = tangent_bases(point.H[:, [i]])[0]
    v = R @ np.linalg.eigh(R.T @ (centred * p) @ centred.T @ R)[1][:, 0]
    return _direction("edge", point, _moved(point, i, v))


def turning_direction(point: UFMEvaluation) -> DescentDirection | None:
    """Direction of Theorem C: the sample of least ``|beta_i|`` for its pull turns unseen by the logits."""
    size = np.abs(point.G)
    i = int((np.abs(point.beta) / np.maximum(size.max(axis=0), np.finfo(np.float64).tiny)).argmin())
    k = int(size[:, i].argmax())
    means = [np.zeros(point.problem.dim)]
    if point.problem.loss.facts(point.problem.classes).shift_invariant:
        means.append(point.W.mean(axis=1))
    tried = []
    for mean in means:
        v = _unseen(point, i, mean)
        pair = np.stack([np.zeros(point.X.shape), _moved(point, i, v)])
        pair[0, :, k] = v - (mean @ v) * point.X[:, k]
        tried.append(_direction("turning", point, _least_in_plane(point, project(point.X, pair))))
    return min((found for found in tried if found), key=lambda found: found.curvature, default=None)


def _unseen(point: UFMEvaluation, i: int, mean: Array) -> Array:
    """Unit ``v`` as orthogonal as can be to ``h_i`` and to all ``w_k - mean``: the last singular vector."""
    conditions = np.concatenate([(point.W - mean[:, None]).T, point.H[:, i][None]])
    return np.asarray(np.linalg.svd(conditions)[2][-1])


def _moved(point: UFMEvaluation, i: int, v: Array) -> Array:
    """One feature moves alone."""
    U = np.zeros(point.X.shape)
    U[:, point.problem.classes + i] = v
    return U


def _least_in_plane(point: UFMEvaluation, pair: Array) -> Array:
    """Combination of two tangents, shape ``(2, d, M)``, of least curvature."""
    form = np.einsum("pdm,qdm->pq", pair, point.hessian_product(pair))
    weights = np.linalg.eigh(0.5 * (form + form.T))[1][:, 0]
    return np.asarray(np.einsum("p,pdm->dm", weights, pair))


def _direction(case: _Case, point: UFMEvaluation, U: Array) -> DescentDirection | None:
    """Tangent part of ``U``, normalised, with its curvature; none where nothing but rounding is left of it."""
    tangent = project(point.X, U)
    norm = float(tangent_norm(tangent))
    if not norm > 1e-8 * float(tangent_norm(U)):
        return None
    tangent = project(point.X, tangent / norm)
    tangent /= tangent_norm(tangent)
    curvature = float((tangent * point.hessian_product(tangent)).sum())
    pull = float((point.gradient_scale * np.square(tangent).sum(axis=0)).sum())
    # each term of the Hessian is at most 2 |G| |u|^2, the curvature of the loss tau times that
    rounding = 64.0 * _EPS * (1.0 + point.problem.tau) * pull
    tangent.flags.writeable = False
    return DescentDirection(case=case, U=tangent, curvature=curvature, rounding=rounding)


def _flattest_direction(point: UFMEvaluation, k: int, column: int) -> Array:
    """Unit ``b`` orthogonal to ``w_k`` and to a feature column, with the least loss curvature along ``u_k = b``."""
    tau, size = point.problem.temperatures, np.abs(point.G[k])
    # tau^2 omega_i p_k (1 - p_k) is tau |G_ki| (1 - q_i) for the own class and for the others too
    curved = (point.H * (tau * size * (1.0 - size / (tau * point.problem.weights)))) @ point.H.T
    frame = np.linalg.qr(point.X[:, [k, column]], mode="complete")[0][:, 2:]
    return np.asarray(frame @ np.linalg.eigh(frame.T @ curved @ frame)[1][:, 0])
