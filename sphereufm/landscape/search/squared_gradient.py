r"""Search for critical points of every index: regularised Newton on the squared gradient, batched over starts.

Each column's gradient is divided by its own scale ``D_j`` (see
:func:`~sphereufm.problem.interface.relative_gradient_norm`), so that the search means the same at every
temperature.  With ``g = D^{-1/2} grad`` and ``Hess`` scaled in the same way, one step is the Levenberg-Marquardt step
for ``|g|^2 / 2``,

    s = -Hess (Hess^2 + sigma^2)^{-1} g = -Re (Hess + i sigma)^{-1} g,

which uses the exact Hessian, does not square its condition number, and is attracted by saddles of every
index equally.  Along orbits of O(d) the gradient vanishes and so does the step: no gauge is fixed.

References
----------
J. Nocedal, S. Wright, *Numerical Optimization*, 2006, section 10.3 (Levenberg-Marquardt).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import check_integer, check_positive
from sphereufm.geometry.spheres import Array, column_lengths, column_norms, retract
from sphereufm.geometry.tangent_spaces import from_coordinates, to_coordinates
from sphereufm.problem.capabilities import ShiftedHessian
from sphereufm.problem.interface import Evaluation, SphereProblem, relative_gradient_norm, relative_length
from sphereufm.problem.own_costs.as_problem import as_problem
from sphereufm.spectra.matrix import DenseHessian, positive_scale, shifted_hessian

_FIRST_DAMPING = 0.3
# eliminating a singular feature block loses eps / sigma: this keeps it below sigma itself
_LEAST_DAMPING = 1e-7
# without elimination curvatures of 1e-12 of the largest are still followed
_LEAST_DAMPING_DENSE = 1e-12
_LARGEST_DAMPING = 1e6
_LONGEST_STEP = 0.7
_REJECTIONS = 12
# A start that does not halve its gradient in so many steps is given up: one in a hundred of those that converge.
_PATIENCE, _GAIN = 15, 0.5
# The last stragglers, this share of a batch, are given up late: each step costs as much for them as for many, and most
# creep towards singular points of families.
_STRAGGLERS = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class CriticalSearch:
    """Where a batch of searches ended."""

    X: Array  #: shape ``(B, d, M)``: last points
    relative_gradient_norm: Array  #: shape ``(B,)``
    converged: NDArray[np.bool_]  #: shape ``(B,)``: whether the tolerance was met
    iterations: int  #: iterations of the slowest start


def find_critical_points(
    problem: SphereProblem,
    starts: Array,
    *,
    tolerance: float = 1e-10,
    max_iterations: int = 200,
    late: int = 20,
) -> CriticalSearch:
    """Run the search from each start.

    Parameters
    ----------
    problem : SphereProblem
        On spheres of dimension at least one (``d >= 2``).
    starts : ndarray, shape (B, d, M)
    tolerance : float
        Stop when the relative gradient norm is at most this.
    max_iterations : int
        A start is left sooner where twelve steps in turn were rejected, or fifteen did not halve its gradient.
    late : int
        Iterations after which the last tenth of a large batch is given up.

    Returns
    -------
    CriticalSearch
        A search that does not meet the tolerance says so; it does not raise.

    Raises
    ------
    InvalidInputError
        If the starts are no stack of points, the tolerance is not positive, or ``max_iterations`` below zero.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=1.0)
    >>> search = find_critical_points(problem, problem.spheres.random_point(0, (4,)))
    >>> bool(search.converged.all())
    True
    """
    problem, tolerance = as_problem(problem), check_positive("tolerance", tolerance)
    max_iterations = check_integer("max_iterations", max_iterations, 0)
    X = problem.spheres.check_points(starts, "starts", 3).copy()
    sigma = np.full(len(X), _FIRST_DAMPING)
    stuck = np.zeros(len(X), dtype=np.intp)
    point = problem.at(X)
    norms = relative_gradient_norm(point)
    before = np.full(len(X), np.inf)
    active = np.flatnonzero(norms > tolerance)
    iterations, known = 0, active.size == len(X)
    while active.size and iterations < max_iterations:
        iterations += 1
        # what was evaluated last is reused where every move was accepted, as most are
        step = _step(problem, point if known else problem.at(X[active]), sigma[active])
        moved = retract(X[active], step.move)
        point = problem.at(moved)
        lengths = column_lengths(point.gradient)
        # squared gradient in the scales of the previous point, and the relative norm in its own
        merit = np.square(lengths * step.weights).sum(axis=-1)
        norm = relative_length(lengths, point.gradient_scale)
        better = (merit < step.merit) | (norm < 0.5 * norms[active])
        accepted = active[better]
        X[accepted], norms[accepted] = moved[better], norm[better]
        good = merit < 0.25 * step.merit
        sigma[active] = _next_damping(sigma[active], better, good, norm, step.least_damping)
        stuck[active] = np.where(better, 0, stuck[active] + 1)
        active = active[(norms[active] > tolerance) & (stuck[active] < _REJECTIONS)]
        if iterations % _PATIENCE == 0:
            active = active[norms[active] < _GAIN * before[active]]
            before = norms.copy()
        known = bool(better.all()) and active.size == better.size
        if iterations >= late and active.size <= _STRAGGLERS * len(X):
            break
    return CriticalSearch(
        X=X, relative_gradient_norm=norms, converged=norms <= tolerance, iterations=iterations
    )


class _Step(NamedTuple):
    """A proposed move; the weights of column lengths that make the merit, and the merit where it starts."""

    move: Array
    weights: Array
    merit: Array
    least_damping: float


def _step(problem: SphereProblem, point: Evaluation, sigma: Array) -> _Step:
    """One damped Newton step for each item, no column longer than 0.7 radians."""
    root, g, hessian = scaled_derivatives(problem, point)
    # in units of the largest scale, so that squares stay within the range of floats
    unit = 1.0 / root.min(axis=-1)[..., None]
    g /= unit
    c = hessian.damped_newton_step(g.reshape(*root.shape, -1), sigma)
    move, _ = limited_move(point.X, c.reshape(g.shape), root * unit, _LONGEST_STEP)
    least = _LEAST_DAMPING_DENSE if isinstance(hessian, DenseHessian) else _LEAST_DAMPING
    return _Step(move, root / unit, np.square(g).sum(axis=-1), least)


def scaled_derivatives(problem: SphereProblem, point: Evaluation) -> tuple[Array, Array, ShiftedHessian]:
    """``D^{-1/2}``, shape ``(..., M)``, with it the gradient in coordinates ``(..., M (d - 1))``, and the Hessian."""
    root = 1.0 / np.sqrt(positive_scale(point))
    g = to_coordinates(point.X, point.gradient * root[..., None, :])
    return root, g, shifted_hessian(problem, point).scaled(root)


def limited_move(X: Array, c: Array, root: Array, most: float) -> tuple[Array, Array]:
    """Tangents ``root c``, no column longer than ``most`` radians, and the length of the longest before."""
    move = from_coordinates(X, c) * root[..., None, :]
    # where the Hessian is not finite there is no step: such a start is left after a few rejections
    move[~np.isfinite(move).all(axis=(-1, -2))] = 0.0
    longest = column_norms(move).max(axis=-1)
    move *= np.minimum(1.0, most / np.maximum(longest, 1e-300))[..., None, None]
    return move, longest


def _next_damping(
    sigma: Array, better: NDArray[np.bool_], good: NDArray[np.bool_], norm: Array, least: float
) -> Array:
    """Smaller after a good step (at most the gradient's order: quadratic convergence), larger after a rejection."""
    shrunk = np.where(good, 0.1 * sigma, 0.5 * sigma)
    shrunk = np.where(better & (norm < 1e-3), np.minimum(shrunk, norm), shrunk)
    return np.clip(np.where(better, shrunk, 4.0 * sigma), least, _LARGEST_DAMPING)
