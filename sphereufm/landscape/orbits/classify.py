"""Say what a critical point is, from its spectrum, its multiplier matrix and what lower points are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.landscape.orbits.found import Found
from sphereufm.landscape.orbits.lower import is_lower
from sphereufm.landscape.points import CriticalPoint, CriticalPointKind, embed
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem, relative_gradient_norm
from sphereufm.spectra.spectrum import HessianSpectrum, hessian_spectrum
from sphereufm.tolerances import ZERO_TOLERANCE

# A gap below this fraction of the cost counts as zero in floating point.
_ZERO_GAP = 1e-9
# Two costs differ provably when they differ by more than this multiple of the cost's own rounding error.
_COST_ROUNDING = 1e-13


def classify(problem: SphereProblem, found: Found, hits: int = 0) -> CriticalPoint:
    """Spectrum, kind and gap of one critical point.

    * ``problem``: in ``R^d``.
    * ``found``: the point in its own span.
    * ``hits``: searches that ended in its orbit.

    Result: of kind ``LOCAL_MINIMUM`` where it may turn out spurious: see :func:`name_spurious`.
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


def name_spurious(
    problem: SphereProblem, points: Sequence[CriticalPoint], known_minimum: float | None
) -> list[CriticalPoint]:
    """Say of local minimisers and degenerate points whether a lower one is known; rename the minimisers that have it.

    ``known_minimum``: the global minimum where theory gives it.
    """
    lowest = min(points, key=lambda point: point.cost, default=None)
    if lowest is None:
        return []
    doubtful = (CriticalPointKind.LOCAL_MINIMUM, CriticalPointKind.DEGENERATE)
    return [
        _compared(p, _has_lower(problem, p, lowest, known_minimum)) if p.kind in doubtful else p
        for p in points
    ]


def _compared(point: CriticalPoint, has_lower: bool) -> CriticalPoint:
    """The point with what is known below it."""
    spurious = has_lower and point.kind is CriticalPointKind.LOCAL_MINIMUM
    kind = CriticalPointKind.SPURIOUS_LOCAL_MINIMUM if spurious else point.kind
    return replace(point, kind=kind, has_lower=has_lower)


def _has_lower(
    problem: SphereProblem, point: CriticalPoint, lowest: CriticalPoint, known_minimum: float | None
) -> bool:
    """Whether a lower point, or the closed-form minimum, is below a point beyond rounding."""
    if capabilities.is_well_scaled(problem):
        least = lowest.cost if known_minimum is None else min(lowest.cost, known_minimum)
        return least < point.cost - 1e4 * _COST_ROUNDING * max(abs(least), abs(point.cost))
    d = problem.spheres.shape[0]
    return is_lower(problem, embed(lowest.X, d), embed(point.X, d))


def _kind(
    problem: SphereProblem, found: Found, spectrum: HessianSpectrum, gap: float | None
) -> CriticalPointKind:
    """Kind from the gap and the signs of the spectrum."""
    # of own costs a proved local minimiser says more than a bound in floats, which stands beside it
    if (
        gap is not None
        and capabilities.is_well_scaled(problem)
        and gap <= max(_ZERO_GAP * found.cost, float(np.finfo(np.float64).tiny))
    ):
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
