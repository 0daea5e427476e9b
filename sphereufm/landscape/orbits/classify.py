"""Say what a critical point is, from its spectrum, its multiplier matrix and what lower points are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.landscape.orbits.found import Found
from sphereufm.landscape.points import CriticalPoint, CriticalPointKind, embed
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem, relative_gradient_norm
from sphereufm.spectra.spectrum import ZERO_TOLERANCE, HessianSpectrum, hessian_spectrum

__all__ = ["classify", "name_spurious"]

# A gap below this fraction of the cost counts as zero in floating point.
_ZERO_GAP = 1e-9
# Two costs differ provably when they differ by more than this multiple of the cost's own rounding error.
_COST_ROUNDING = 1e-13


def classify(problem: SphereProblem, found: Found, hits: int = 0) -> CriticalPoint:
    """Spectrum, kind and gap of one critical point.

    Parameters
    ----------
    problem : SphereProblem
        In ``R^d``.
    found : Found
        The point in its own span.
    hits : int
        Searches that ended in its class.

    Returns
    -------
    CriticalPoint
        Of kind ``LOCAL_MINIMUM`` where it may turn out spurious: see :func:`name_spurious`.
    """
    d = problem.spheres.shape[0]
    X = embed(found.X, d) if problem.symmetry.orthogonal else found.X
    spectrum = hessian_spectrum(problem, X, found.rank)
    gap, method = _gap(problem, X)
    return CriticalPoint(
        X=found.X,
        cost=found.cost,
        relative_gradient_norm=float(relative_gradient_norm(problem.at(X))),
        rank=found.rank,
        spectrum=spectrum,
        kind=_kind(problem, found, spectrum, gap),
        hits=hits,
        optimality_gap=gap,
        gap_method=method,
    )


def name_spurious(points: Sequence[CriticalPoint], known_minimum: float | None) -> list[CriticalPoint]:
    """Rename local minimisers that lie above a known lower point, or above the closed-form minimum.

    Parameters
    ----------
    points : sequence of CriticalPoint
    known_minimum : float or None
        The global minimum where theory gives it.
    """
    lowest = min((p.cost for p in points), default=np.inf)
    if known_minimum is not None:
        lowest = min(lowest, known_minimum)
    return [
        replace(p, kind=CriticalPointKind.SPURIOUS_LOCAL_MINIMUM)
        if p.kind is CriticalPointKind.LOCAL_MINIMUM and _provably_lower(lowest, p.cost)
        else p
        for p in points
    ]


def _provably_lower(a: float, b: float) -> bool:
    """Whether ``a < b`` beyond the rounding error of either cost."""
    return a < b - 1e4 * _COST_ROUNDING * max(abs(a), abs(b))


def _kind(
    problem: SphereProblem, found: Found, spectrum: HessianSpectrum, gap: float | None
) -> CriticalPointKind:
    """Kind from the gap and the signs of the spectrum."""
    if gap is not None and gap <= _ZERO_GAP * found.cost:
        return CriticalPointKind.GLOBAL_MINIMUM
    if capabilities.global_minima(capabilities.in_span(problem, found.rank).at(found.X), ZERO_TOLERANCE):
        return CriticalPointKind.GLOBAL_MINIMUM
    if spectrum.morse_index > 0:
        return CriticalPointKind.STRICT_SADDLE
    if spectrum.nullity > 0:
        return CriticalPointKind.DEGENERATE
    return CriticalPointKind.LOCAL_MINIMUM


def _gap(problem: SphereProblem, X: Array) -> tuple[float | None, str | None]:
    """Optimality gap where the problem has one."""
    gap = capabilities.optimality_gap(problem, X)
    return (None, None) if gap is None else (gap.value, gap.method)
