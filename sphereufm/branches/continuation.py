r"""Follow one critical point along ``tau``: Moore-Penrose continuation of its orbit.

Unknowns are the point ``X`` in its own span ``R^r``, modulo ``O(r)``, and ``s = log tau``.  At a solution let ``A`` be
the Hessian on the horizontal space and ``b`` the derivative of the gradient by ``s``, both with columns scaled by
``1 / sqrt(gradient scale)``.  The tangent ``(eta, sigma)`` spans the kernel of ``[A b]``; a step goes along it and is
then corrected by least-norm Newton steps on ``[A b]``, which pass through folds (``sigma`` changes sign)
without harm.  All of it is floating point: a branch that was followed is evidence, not a proof.

References
----------
E. Allgower, K. Georg, *Introduction to Numerical Continuation Methods*, 2003, chapter 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sphereufm.branches.parametric import Parametric, inner_at
from sphereufm.geometry.spheres import Array, column_norms, project, retract
from sphereufm.geometry.symmetry.groups import numerical_rank
from sphereufm.geometry.tangent_spaces import from_coordinates, to_coordinates, vertical_coordinates
from sphereufm.landscape.points import embed
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.problem.interface import SphereProblem, relative_gradient_norm
from sphereufm.spectra.matrix import hessian_matrix
from sphereufm.spectra.spectrum import HessianSpectrum, hessian_spectrum

_TOLERANCE = 1e-11
_CORRECTIONS = 8
_APPROACHES = 20
_LONGEST_APPROACH = 0.02
_ROUNDING = 1e-13
# a point whose least singular value is below has lost a rank
_LOST = 1e-6
# step for the derivative by log tau: its error only slows the corrector down
_DIFFERENCE = 1e-5
# a corrected point farther from the predicted one than this share of the step is another branch's
_STRAYED = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class BranchPoint:
    """One point of a branch."""

    problem: SphereProblem  #: in ``R^d``, at this temperature
    X: Array  #: shape ``(r, M)``: in its own span
    log_tau: float
    cost: float
    #: Unit direction of the branch: of the point, and of ``log_tau``; the way it is being followed.
    tangent: tuple[Array, float]
    regularity: float  #: least singular value of ``[A b]`` over the largest: zero where branches cross

    @property
    def tau(self) -> float:
        """Inverse temperature."""
        return math.exp(self.log_tau)

    @cached_property
    def spectrum(self) -> HessianSpectrum:
        """In ``R^d``; most points on the way to a temperature are not asked for it."""
        return hessian_spectrum(self.problem, embed(self.X, self.problem.spheres.shape[0]), min(self.X.shape))

    @property
    def index_in_span(self) -> int:
        """Negative eigenvalues in the point's own span."""
        return _negative(self.spectrum.eigenvalues)

    @property
    def index_normal(self) -> int:
        """Negative eigenvalues of one copy of the normal Hessian."""
        return _negative(self.spectrum.normal_eigenvalues)


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """The linearised problem at one point, in scaled horizontal coordinates ``eta`` of length ``h``."""

    X: Array
    factors: Array  #: of tangent coordinates, column by column
    basis: Array
    A: Array  #: shape ``(h, h)``
    b: Array  #: shape ``(h,)``
    residual: Array  #: shape ``(h,)``

    @property
    def system(self) -> Array:
        """``[A b]``."""
        return np.column_stack([self.A, self.b])

    def tangent_vector(self, eta: Array) -> Array:
        """Tangent vector ``U``, shape (r, M), with coordinates ``eta``."""
        return from_coordinates(self.X, self.factors * (self.basis @ eta))

    def coordinates(self, U: Array) -> Array:
        """Coordinates of a tangent vector's horizontal part."""
        return np.asarray(self.basis.T @ (to_coordinates(self.X, U) / self.factors))


def frame_at(problem: Parametric, X: Array, log_tau: float) -> Frame:
    """Linearise at ``X``, shape (r, M)."""
    here = inner_at(problem, X, log_tau)
    point = here.at(X)
    unit = float(point.gradient_scale.max())
    scale = np.maximum(point.gradient_scale / unit, 1e-100)
    factors = np.repeat(1.0 / np.sqrt(scale), X.shape[0] - 1)
    basis = np.eye(len(factors))
    if here.symmetry.has_rotations:
        vertical = vertical_coordinates(X, numerical_rank(X)) / factors[:, None]
        basis = np.linalg.svd(vertical, full_matrices=True)[0][:, vertical.shape[1] :]
    ahead, behind = (inner_at(problem, X, log_tau + h).at(X).gradient for h in (_DIFFERENCE, -_DIFFERENCE))
    return Frame(
        X=X,
        factors=factors,
        basis=basis,
        A=basis.T @ (factors[:, None] * hessian_matrix(here, X) * factors) @ basis / unit,
        b=basis.T @ (factors * to_coordinates(X, ahead - behind)) / (2.0 * _DIFFERENCE * unit),
        residual=basis.T @ (factors * to_coordinates(X, point.gradient)) / unit,
    )


def start_state(problem: Parametric, X: Array, log_tau: float, forwards: bool) -> BranchPoint:
    """Return the state at a critical point, looking towards larger ``tau`` (``forwards``) or smaller."""
    return _state(problem, X, log_tau, (np.zeros_like(X), 1.0 if forwards else -1.0))


def advance(problem: Parametric, state: BranchPoint, step: float) -> BranchPoint | None:
    """Take one step of a branch; None where the corrector fails, strays, or leaves the rank.

    ``problem``: in ``R^d``, at any temperature; ``step``: length of the step along the unit tangent.
    """
    U, sigma = state.tangent
    predicted = retract(state.X, step * U), state.log_tau + step * sigma
    if state.X.shape[0] == 1:
        return _state(problem, state.X, predicted[1], state.tangent)
    found = corrected(problem, *predicted)
    if found is None:
        return None
    moved = max(float(column_norms(found[0] - predicted[0]).max()), abs(found[1] - predicted[1]))
    return None if moved > _STRAYED * abs(step) else _state(problem, *found, state.tangent)


def corrected(
    problem: Parametric, X: Array, log_tau: float, most: int = _CORRECTIONS, held: Array | None = None
) -> tuple[Array, float] | None:
    """A critical point near ``X`` and ``log_tau``, by least-norm Newton steps; their part along ``held`` is zero."""
    for _ in range(most):
        rotations = inner_at(problem, X, log_tau).symmetry.orthogonal
        if rotations and np.linalg.svd(X, compute_uv=False)[-1] < _LOST:
            return None
        frame = frame_at(problem, X, log_tau)
        system, right = frame.system, frame.residual
        if held is not None:
            system = np.vstack([system, np.append(frame.coordinates(project(X, held)), 0.0)])
            right = np.append(right, 0.0)
        change: Array = -np.linalg.lstsq(system, right, rcond=None)[0].astype(np.float64)
        change *= min(1.0, 0.5 / max(float(np.abs(change).max()), 1e-300))
        X = retract(X, frame.tangent_vector(change[:-1]))
        log_tau += float(change[-1])
        if not np.isfinite(X).all():
            return None
        if float(relative_gradient_norm(inner_at(problem, X, log_tau).at(X))) <= _TOLERANCE:
            return X, log_tau
    return None


def at_tau(problem: Parametric, X: Array, log_tau: float) -> Array | None:
    """Correct a point near a branch at a fixed temperature; None where Newton's method does not converge."""
    if X.shape[0] == 1:
        # critical at every temperature
        return X
    here = inner_at(problem, X, log_tau)
    search = find_critical_points(here, X[None], tolerance=1e-12, max_iterations=50)
    return search.X[0] if search.converged[0] else None


def along(problem: Parametric, state: BranchPoint, log_tau: float) -> Array | None:
    """The branch's own point at a temperature close to a state's, reached by steps that stay on the branch.

    Newton's method at the fixed temperature alone could land on a branch that passes close by.
    """
    for _ in range(_APPROACHES):
        sigma = state.tangent[1]
        if sigma == 0.0:
            return None
        step = np.clip((log_tau - state.log_tau) / sigma, -_LONGEST_APPROACH, _LONGEST_APPROACH)
        found = advance(problem, state, float(step))
        if found is None:
            return None
        state = found
        if abs(state.log_tau - log_tau) < 1e-6:
            return at_tau(problem, state.X, log_tau)
    return None


def _state(problem: Parametric, X: Array, log_tau: float, way: tuple[Array, float]) -> BranchPoint:
    """Measure a critical point; its tangent is the unit kernel vector of ``[A b]``, turned to the given way."""
    tangent, regularity = way, 1.0
    if X.shape[0] > 1:
        frame = frame_at(problem, X, log_tau)
        _, values, right = np.linalg.svd(frame.system)
        eta, sigma = right[-1][:-1], float(right[-1][-1])
        ahead = float(frame.coordinates(way[0]) @ eta) + way[1] * sigma
        U = frame.tangent_vector(eta)
        length = math.hypot(float(column_norms(U).max()), sigma) * (1.0 if ahead >= 0.0 else -1.0)
        tangent = U / length, sigma / length
        regularity = float(values[-1] / values[0]) if values.size else 1.0
    return BranchPoint(
        problem=problem.with_tau(math.exp(log_tau)),
        X=X,
        log_tau=log_tau,
        cost=float(inner_at(problem, X, log_tau).at(X).cost),
        tangent=tangent,
        regularity=regularity,
    )


def _negative(values: Array) -> int:
    """Eigenvalues that are negative beyond rounding."""
    return int((values < -_ROUNDING * np.abs(values).max(initial=0.0)).sum())
