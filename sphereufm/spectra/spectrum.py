r"""Hessian spectra that know the symmetry: orbit directions are removed exactly, not by a threshold.

At a critical point the Riemannian Hessian vanishes along the orbit of O(d).  Its spectrum on the *horizontal*
space (the orthogonal complement of the orbit's tangent space, Frobenius metric) decides what the point is.

A point of rank ``r < d`` is studied in its own span ``R^r``.  In the ``d - r`` directions normal to the span the
Hessian is ``d - r`` copies of a matrix ``S`` of shape ``(M, M)`` (the multiplier matrix), of which ``r``
eigenvalues vanish with the rows of ``X``: these are orbit directions too.  So

    morse_index = index in R^r + (d - r) n_-(S),        nullity = nullity in R^r + (d - r) (dim ker S - r).

Signs are read from the Hessian with each column scaled by its own gradient scale: by Sylvester's law of
inertia that changes no sign, and it keeps small eigenvalues of well-separated columns (1e-13 at ``tau = 20``)
apart from zero. Where samples are equal, the parts of the Hessian are taken apart one by one
(:mod:`~sphereufm.problem.equal_samples`). An eigenvalue counts as zero where
:func:`~sphereufm.spectra.curvature_signs.curvature_signs` cannot tell its sign; for the cross-entropy problem only
those below 1e-9 of the largest, and above what the gradient left at the point explains, are asked.  All this is
floating point, and proofs override it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError, check_integer
from sphereufm.geometry.spheres import Array
from sphereufm.geometry.symmetry.groups import numerical_rank, orbit_dimension, principal_frame
from sphereufm.geometry.tangent_spaces import from_coordinates, vertical_coordinates
from sphereufm.notebook import html_table, shown
from sphereufm.problem import capabilities
from sphereufm.problem.equal_samples import EqualSamples
from sphereufm.problem.interface import Evaluation, SphereProblem, relative_gradient_norm
from sphereufm.problem.own_costs.as_problem import as_problem
from sphereufm.spectra.curvature_signs import curvature_signs
from sphereufm.spectra.matrix import (
    eigenpairs,
    hessian_matrix,
    idle_coordinates,
    off_kernel,
    positive_scale,
)
from sphereufm.tolerances import ZERO_TOLERANCE

# A gradient left in steep directions changes the curvature of soft ones by a multiple of it.
_FEIGNED = 1e3
# relative gradient norm from which on a point is not taken for a critical one
_CRITICAL = 1e-7

# signs of the curvatures along some tangents, in the coordinates of the matrix at hand, shape (k, n)
_Signs: TypeAlias = Callable[[Array], NDArray[np.int8]]


@dataclass(frozen=True, kw_only=True, eq=False)
class HessianSpectrum:
    """Eigenvalues of the Riemannian Hessian on the horizontal space."""

    eigenvalues: Array  #: shape ``(n_r,)``: horizontal ones in the point's own span ``R^r``, ascending
    #: Shape ``(M - r,)``: of ``S`` off the rows of ``X``, ascending; each counts ``normal_copies`` times.
    normal_eigenvalues: Array
    normal_copies: int  #: ``d - r``
    orbit_dimension: int  #: of the orbit under rotations (zero where they are no symmetry)
    morse_index: int  #: negative eigenvalues in ``R^d``
    nullity: int  #: zero eigenvalues in ``R^d`` beyond the orbit: zero at a nondegenerate (Morse-Bott) orbit

    @property
    def min_eigenvalue(self) -> float | None:
        """Least horizontal eigenvalue in ``R^d``; None where the horizontal space is empty."""
        parts = [self.eigenvalues] + ([self.normal_eigenvalues] if self.normal_copies else [])
        least = [float(part[0]) for part in parts if part.size]
        return min(least) if least else None

    def __repr__(self) -> str:
        return (
            f"<HessianSpectrum: Morse index {self.morse_index}, nullity {self.nullity}, "
            f"least eigenvalue {shown(self.min_eigenvalue)}, orbit of dimension {self.orbit_dimension}>"
        )

    def _repr_html_(self) -> str:
        """Return the table that a notebook shows: counts, and the eigenvalues with their multiplicities."""
        rows = [(shown(float(value)), "1") for value in self.eigenvalues]
        if self.normal_copies:
            rows += [(shown(float(value)), str(self.normal_copies)) for value in self.normal_eigenvalues]
        return html_table(
            f"Morse index {self.morse_index}, nullity {self.nullity}, orbit of dimension {self.orbit_dimension}",
            ("eigenvalue", "copies"),
            sorted(rows, key=lambda row: float(row[0])),
        )


def hessian_spectrum(problem: SphereProblem, X: Array, rank: int | None = None) -> HessianSpectrum:
    """Spectrum of the Riemannian Hessian at one point, modulo O(d) where the problem has that symmetry.

    Parameters
    ----------
    problem : SphereProblem
    X : ndarray, shape (d, M)
        A critical point (elsewhere the orbit directions are no kernel, and the result has no meaning for them).
    rank : int, optional
        Rank of ``X``, where it is known better than by its singular values.

    Returns
    -------
    HessianSpectrum

    Raises
    ------
    InvalidInputError
        If ``X`` is not one point, or has no such rank.

    Examples
    --------
    >>> from sphereufm.problem.ufm import UFMProblem
    >>> problem = UFMProblem(class_sizes=(1, 1), dim=3, tau=1.0)
    >>> X = np.array([[1.0, -1.0, 1.0, -1.0], [0.0] * 4, [0.0] * 4])
    >>> spectrum = hessian_spectrum(problem, X)
    >>> spectrum.morse_index, spectrum.nullity, spectrum.orbit_dimension
    (0, 0, 2)
    """
    problem = as_problem(problem)
    X = problem.spheres.check_points(X)
    d, M = X.shape
    r = numerical_rank(X) if rank is None else check_integer("rank", rank, 1)
    if r > min(d, M):
        raise InvalidInputError(f"rank={r} exceeds that of {M} columns in R^{d}")
    if not problem.symmetry.orthogonal:
        return _as_a_whole(problem, X, r)
    parts = capabilities.equal_samples(problem, X, r) if capabilities.is_well_scaled(problem) else None
    if parts is None or parts.sizes.max() == 1:
        inner, Y = capabilities.in_span(problem, r), X if r == d else principal_frame(X, r)
        parts, root = None, np.ones(M)
    else:
        inner, Y, root = parts.problem, parts.Y, parts.root
    point = inner.at(Y)
    metric = _Metric(root, positive_scale(point) / np.square(root), _residual(inner, point))
    in_span = _in_span(inner, Y, metric, parts) if r > 1 else _EMPTY
    normal = _normal(inner, Y, metric, parts) if r < d else _EMPTY
    return HessianSpectrum(
        eigenvalues=in_span.eigenvalues,
        normal_eigenvalues=normal.eigenvalues,
        normal_copies=d - r,
        orbit_dimension=orbit_dimension(r, d),
        morse_index=in_span.negative + (d - r) * normal.negative,
        nullity=in_span.zero + (d - r) * normal.zero,
    )


def normal_hessian(problem: SphereProblem, X: Array) -> Array:
    """The matrix ``S`` with ``Hess[a c^T, a c^T] = c^T S c`` for unit ``a`` normal to the columns of ``X``, ``(M, M)``.

    For the cross-entropy problem it is the multiplier matrix; for others it is read off the Hessian of the
    same cost in one more dimension.

    ``problem``: with O(d) among its symmetries; ``X``, shape ``(d, M)``.
    """
    known = capabilities.normal_hessian(problem.at(X))
    if known is not None:
        return known
    d, M = X.shape
    lifted = np.vstack([X, np.zeros((1, M))])
    units = np.zeros((M, d + 1, M))
    units[np.arange(M), d, np.arange(M)] = 1.0
    rows = capabilities.in_span(problem, d + 1).at(lifted).hessian_product(units)[:, d, :]
    return 0.5 * (rows + rows.T)


class _Inertia(NamedTuple):
    """Eigenvalues in the Frobenius metric, and counts of signs from the scaled matrix."""

    eigenvalues: Array
    negative: int
    zero: int


_EMPTY = _Inertia(np.empty(0), 0, 0)


class _Apart(NamedTuple):
    """Eigenvalues along which equal samples move apart, each with its copies; what of them may be feigned."""

    plain: Array
    scaled: Array
    feigned: float


class _Metric(NamedTuple):
    """Roots of the columns' multiplicities, gradient scales of the columns, curvatures that may be feigned."""

    root: Array
    scale: Array
    residual: float | None


def _as_a_whole(problem: SphereProblem, X: Array, rank: int) -> HessianSpectrum:
    """Plain spectrum on the whole tangent space, off the orbit that rotations make of a point of this rank.

    Without reflections the normal part is not the same in every direction: nothing is taken apart.
    """
    matrix, idle = hessian_matrix(problem, X), idle_coordinates(problem, X, rank)
    result = _inertia(matrix, np.ones(len(matrix)), idle, partial(_signs_of_coordinates, problem, X), None)
    return HessianSpectrum(
        eigenvalues=result.eigenvalues,
        normal_eigenvalues=np.empty(0),
        normal_copies=0,
        orbit_dimension=idle.shape[1] if problem.symmetry.has_rotations else 0,
        morse_index=result.negative,
        nullity=result.zero,
    )


def _in_span(problem: SphereProblem, X: Array, metric: _Metric, parts: EqualSamples | None) -> _Inertia:
    """Spectrum in the span, orbit directions removed; with samples of a group that move apart."""
    root = np.repeat(metric.root, len(X) - 1)
    matrix = hessian_matrix(problem, X) / np.outer(root, root)
    vertical = root[:, None] * vertical_coordinates(X, len(X))
    scale = np.repeat(metric.scale, len(X) - 1)
    if parts is None:
        signs = partial(_signs_of_coordinates, problem, X)
        return _inertia(matrix, scale, vertical, signs, metric.residual)
    apart = list(parts.within())
    groups = np.array([g for g, _, _ in apart], dtype=np.intp)
    values = np.array([each for _, each, _ in apart]).reshape(-1, len(X) - 1)
    return _counted(matrix, scale, vertical, _apart(parts, metric, groups, values))


def _normal(problem: SphereProblem, X: Array, metric: _Metric, parts: EqualSamples | None) -> _Inertia:
    """Spectrum of ``S`` off the rows of ``X``; ``-beta_i`` where samples of a group move apart."""
    matrix = normal_hessian(problem, X) / np.outer(metric.root, metric.root)
    rows = (X * metric.root).T
    if parts is not None:
        values = -parts.point.beta[:, None] / parts.sizes[:, None]
        return _counted(matrix, metric.scale, rows, _apart(parts, metric, np.arange(len(values)), values))

    def signs(vectors: Array) -> NDArray[np.int8]:
        U = np.zeros((len(vectors), len(X) + 1, X.shape[1]))
        U[:, -1] = vectors
        higher = capabilities.in_span(problem, len(X) + 1)
        return curvature_signs(higher, np.vstack([X, np.zeros((1, X.shape[1]))]), U).signs

    return _inertia(matrix, metric.scale, rows, signs, metric.residual)


def _residual(problem: SphereProblem, point: Evaluation) -> float | None:
    """Curvatures that the gradient left at a critical point of a well-scaled problem may feign; None for others.

    Elsewhere the gradient is none that is left over, and signs are those of the matrix.
    """
    if not capabilities.is_well_scaled(problem):
        return None
    left = float(relative_gradient_norm(point))
    return _FEIGNED * left if left < _CRITICAL else 0.0


def _apart(parts: EqualSamples, metric: _Metric, groups: NDArray[np.intp], values: Array) -> _Apart:
    """Eigenvalues ``(groups, k)`` of samples that move apart, copied and scaled."""
    scaled = values / metric.scale[parts.problem.classes + groups, None]
    plain, scaled = (np.repeat(each, parts.sizes[groups] - 1, axis=0).ravel() for each in (values, scaled))
    return _Apart(plain, scaled, metric.residual or 0.0)


def _signs_of_coordinates(problem: SphereProblem, X: Array, c: Array) -> NDArray[np.int8]:
    """Decided signs along tangents given by their coordinates, shape ``(k, M (d - 1))``."""
    return curvature_signs(problem, X, from_coordinates(X, c)).signs


def _counted(matrix: Array, scale: Array, kernel: Array, apart: _Apart) -> _Inertia:
    """Inertia with those eigenvalues; all below ``1e-9`` of the largest, or that may be feigned, are zero."""
    eigenvalues = np.sort(np.concatenate([_off(matrix, kernel), apart.plain]))
    root = np.sqrt(scale)
    scaled = np.concatenate([_off(matrix / root / root[:, None], kernel * root[:, None]), apart.scaled])
    floor = max(_floor(scaled), apart.feigned)
    return _Inertia(eigenvalues, int((scaled < -floor).sum()), int((np.abs(scaled) <= floor).sum()))


def _inertia(matrix: Array, scale: Array, kernel: Array, signs: _Signs, residual: float | None) -> _Inertia:
    """Eigenvalues off the known ``kernel`` (columns), and the inertia of the scaled matrix off the scaled kernel.

    All signs are asked for, or where a residual is given those of eigenvalues that are zero to the eye and above it;
    below it none is known, also where the whole matrix vanishes (where every sample's loss is the least).
    """
    root = np.sqrt(scale)
    scaled, vectors = eigenpairs(matrix / root / root[:, None], kernel * root[:, None])
    size = np.abs(scaled)
    asked = size <= (np.inf if residual is None else max(_floor(scaled), residual))
    found = np.where(asked, 0.0, np.sign(scaled)).astype(np.int8)
    asked &= size >= (residual or 0.0)
    if asked.any():
        found[asked] = signs(vectors[asked] / root)
    return _Inertia(_off(matrix, kernel), int((found < 0).sum()), int((found == 0).sum()))


def _floor(scaled: Array) -> float:
    """Scaled eigenvalues up to this may be zero."""
    return ZERO_TOLERANCE * float(np.abs(scaled).max(initial=0.0))


def _off(matrix: Array, kernel: Array) -> Array:
    """Eigenvalues of a symmetric matrix off a kernel, ascending."""
    return np.asarray(np.linalg.eigvalsh(off_kernel(matrix, kernel)[0]), dtype=np.float64)
