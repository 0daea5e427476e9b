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
from dataclasses import dataclass, replace

import numpy as np

from sphereufm.branches.parametric import Parametric
from sphereufm.geometry.spheres import Array, column_norms, retract
from sphereufm.geometry.symmetry.groups import numerical_rank
from sphereufm.geometry.tangent_spaces import from_coordinates, to_coordinates, vertical_coordinates
from sphereufm.landscape.points import embed
from sphereufm.landscape.search.squared_gradient import find_critical_points
from sphereufm.problem import capabilities
from sphereufm.problem.interface import relative_gradient_norm
from sphereufm.spectra.matrix import hessian_matrix
from sphereufm.spectra.spectrum import HessianSpectrum, hessian_spectrum

_TOLERANCE = 1e-11
_CORRECTIONS = 8
_APPROACHES = 20
_LONGEST_APPROACH = 0.02
_ROUNDING = 1e-13
# step for the derivative by log tau: its error only slows the corrector down
_DIFFERENCE = 1e-5
# a corrected point farther from the predicted one than this share of the step is another branch's
_STRAYED = 0.5
# the least singular value over the largest below which a branch meets one of lower rank
_FLAT = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class BranchPoint:
    """One point of a branch."""

    X: Array  #: shape ``(r, M)``: in its own span
    log_tau: float
    cost: float
    spectrum: HessianSpectrum  #: in ``R^d``
    #: Unit direction of the branch: of the point, and of ``log_tau``; the way it is being followed.
    tangent: tuple[Array, float]
    regularity: float = 1.0  #: least singular value of ``[A b]`` over the largest: zero where branches cross

    @property
    def tau(self) -> float:
        """Inverse temperature."""
        return math.exp(self.log_tau)

    @property
    def index_in_span(self) -> int:
        """Negative eigenvalues in the point's own span."""
        return _negative(self.spectrum.eigenvalues)

    @property
    def index_normal(self) -> int:
        """Negative eigenvalues of one copy of the normal Hessian."""
        return _negative(self.spectrum.normal_eigenvalues)

    def is_flat(self) -> bool:
        """Whether the point is about to lose a rank; only where O(d) is a symmetry is that the end of a branch."""
        values = np.linalg.svd(self.X, compute_uv=False)
        return bool(values[-1] < _FLAT * values[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """The linearised problem at one point, in scaled horizontal coordinates ``eta`` of length ``h``."""

    X: Array
    scale: Array
    basis: Array
    A: Array  #: shape ``(h, h)``
    b: Array  #: shape ``(h,)``
    residual: Array  #: shape ``(h,)``

    def tangent_vector(self, eta: Array) -> Array:
        """Tangent vector ``U``, shape (r, M), with coordinates ``eta``."""
        return from_coordinates(self.X, self.basis @ eta) / np.sqrt(self.scale)

    def coordinates(self, U: Array) -> Array:
        """Coordinates of a tangent vector's horizontal part."""
        return np.asarray(self.basis.T @ to_coordinates(self.X, U * np.sqrt(self.scale)))


def frame_at(problem: Parametric, X: Array, log_tau: float) -> Frame:
    """Linearise at ``X``, shape (r, M); ``problem`` is that of ``R^r`` at any temperature."""
    here = problem.with_tau(math.exp(log_tau))
    point = here.at(X)
    scale = np.maximum(point.gradient_scale / point.gradient_scale.max(), 1e-100)
    factors = np.repeat(1.0 / np.sqrt(scale), X.shape[0] - 1)
    basis = np.eye(len(factors))
    if here.symmetry.has_rotations:
        vertical = vertical_coordinates(X, numerical_rank(X)) / factors[:, None]
        basis = np.linalg.svd(vertical, full_matrices=True)[0][:, vertical.shape[1] :]
    scaled = factors[:, None] * hessian_matrix(here, X) * factors
    change = _gradient(problem, X, log_tau + _DIFFERENCE) - _gradient(problem, X, log_tau - _DIFFERENCE)
    unit = float(point.gradient_scale.max())
    return Frame(
        X=X,
        scale=scale,
        basis=basis,
        A=basis.T @ scaled @ basis / unit,
        b=basis.T @ (factors * to_coordinates(X, change)) / (2.0 * _DIFFERENCE * unit),
        residual=basis.T @ (factors * to_coordinates(X, point.gradient)) / unit,
    )


def start_state(problem: Parametric, X: Array, log_tau: float, forwards: bool) -> BranchPoint:
    """Return the state at a critical point, looking towards larger ``tau`` (``forwards``) or smaller."""
    state = _state(problem, X, log_tau, (np.zeros_like(X), 1.0 if forwards else -1.0))
    if X.shape[0] == 1:
        return state
    return _directed(frame_at(problem.in_dimension(X.shape[0]), X, log_tau), state)


def advance(problem: Parametric, state: BranchPoint, step: float) -> BranchPoint | None:
    """Take one step of a branch; None where the corrector fails, strays, or leaves the rank.

    ``problem``: in ``R^d``, at any temperature; ``step``: length of the step along the unit tangent.
    """
    inner = problem.in_dimension(state.X.shape[0])
    U, sigma = state.tangent
    if state.X.shape[0] == 1:
        # critical at every temperature
        return _state(problem, state.X, state.log_tau + step * sigma, state.tangent)
    X = retract(state.X, step * U)
    log_tau = state.log_tau + step * sigma
    predicted, predicted_log = X, log_tau
    for _ in range(_CORRECTIONS):
        frame = frame_at(inner, X, log_tau)
        step_back = np.linalg.lstsq(np.column_stack([frame.A, frame.b]), frame.residual, rcond=None)[0]
        change = -np.asarray(step_back, dtype=np.float64)
        X = retract(X, frame.tangent_vector(change[:-1]))
        log_tau += float(change[-1])
        if not (np.isfinite(X).all() and abs(log_tau - predicted_log) < 1.0):
            return None
        if _relative_norm(inner, X, log_tau) <= _TOLERANCE:
            break
    else:
        return None
    moved = max(float(column_norms(X - predicted).max()), abs(log_tau - predicted_log))
    if moved > _STRAYED * abs(step):
        return None
    return _directed(frame_at(inner, X, log_tau), _state(problem, X, log_tau, state.tangent))


def at_tau(problem: Parametric, X: Array, log_tau: float) -> Array | None:
    """Correct a point near a branch at a fixed temperature; None where Newton's method does not converge."""
    here = problem.in_dimension(X.shape[0]).with_tau(math.exp(log_tau))
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
        found = advance(
            problem, state, max(-_LONGEST_APPROACH, min((log_tau - state.log_tau) / sigma, _LONGEST_APPROACH))
        )
        if found is None:
            return None
        state = found
        if abs(state.log_tau - log_tau) < 1e-6:
            return at_tau(problem, state.X, log_tau)
    return None


def family_met(problem: Parametric, state: BranchPoint) -> str | None:
    """Name of the family that a branch has run into, None where it is still an isolated orbit."""
    return capabilities.family_name(problem.with_tau(state.tau), state.X, state.cost)


def _directed(frame: Frame, state: BranchPoint) -> BranchPoint:
    """The state with its own tangent, the unit kernel vector of ``[A b]``, turned the way of the one it carries."""
    _, values, right = np.linalg.svd(np.column_stack([frame.A, frame.b]))
    eta, sigma = np.asarray(right[-1][:-1], dtype=np.float64), float(right[-1][-1])
    ahead = float(frame.coordinates(state.tangent[0]) @ eta) + state.tangent[1] * sigma
    sign = 1.0 if ahead >= 0.0 else -1.0
    U = sign * frame.tangent_vector(eta)
    length = math.hypot(float(column_norms(U).max()), sigma)
    return replace(
        state,
        tangent=(U / length, sign * sigma / length),
        regularity=float(values[-1] / values[0]) if values.size else 1.0,
    )


def _state(problem: Parametric, X: Array, log_tau: float, tangent: tuple[Array, float]) -> BranchPoint:
    """Measure one point."""
    here = problem.with_tau(math.exp(log_tau))
    r = X.shape[0]
    return BranchPoint(
        X=X,
        log_tau=log_tau,
        cost=float(capabilities.in_span(here, r).at(X).cost),
        spectrum=hessian_spectrum(here, embed(X, here.spheres.shape[0]), r),
        tangent=tangent,
    )


def _negative(values: Array) -> int:
    """Eigenvalues that are negative beyond rounding."""
    return int((values < -_ROUNDING * np.abs(values).max(initial=0.0)).sum())


def _gradient(problem: Parametric, X: Array, log_tau: float) -> Array:
    """Riemannian gradient at another temperature."""
    return problem.with_tau(math.exp(log_tau)).at(X).gradient


def _relative_norm(problem: Parametric, X: Array, log_tau: float) -> float:
    """Columnwise relative gradient norm at another temperature."""
    return float(relative_gradient_norm(problem.with_tau(math.exp(log_tau)).at(X)))
