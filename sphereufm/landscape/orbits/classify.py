"""Say what a critical point is, from its spectrum, its multiplier matrix and what lower points are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sphereufm.landscape.orbits.found import Found
from sphereufm.landscape.orbits.lower import is_lower
from sphereufm.landscape.points import CriticalPoint, CriticalPointKind, embed
from sphereufm.problem import capabilities
from sphereufm.problem.interface import SphereProblem, relative_gradient_norm
from sphereufm.spectra.spectrum import HessianSpectrum, hessian_spectrum
from sphereufm.tolerances import ZERO_TOLERANCE

LOCAL_MINIMUM = CriticalPointKind.LOCAL_MINIMUM
# A gap below this fraction of the cost counts as zero in floating point.
_ZERO_GAP = 1e-9
# Two costs differ provably when they differ by more than this multiple of the cost's own rounding error.
_COST_ROUNDING = 1e-13


def classify(problem: SphereProblem, found: Found, hits: int = 0) -> CriticalPoint:
    """Spectrum, kind and gap of one critical point, met by so many searches.

    ``problem``: in ``R^d``; ``found``: the point in its own span.  Result: of kind ``LOCAL_MINIMUM`` where it may turn
    out spurious: see :func:`name_spurious`.
    """
    X = embed(found.X, problem.spheres.shape[0]) if problem.symmetry.orthogonal else found.X
    spectrum = hessian_spectrum(problem, X, found.rank)
    gap = capabilities.optimality_gap(problem, X)
    value = None if gap is None else gap.value
    return CriticalPoint(
        X=found.X,
        cost=found.cost,
        relative_gradient_norm=float(relative_gradient_norm(problem.at(X))),
        rank=found.rank,
        spectrum=spectrum,
        kind=_kind(problem, found, spectrum, value),
        hits=hits,
        optimality_gap=value,
        gap_method=None if gap is None else gap.method,
    )


def name_spurious(
    problem: SphereProblem, points: Sequence[CriticalPoint], known_minimum: float | None
) -> list[CriticalPoint]:
    """Say of local minimisers and degenerate points whether a lower one is known; rename the minimisers that have it.

    ``known_minimum``: the global minimum where theory gives it.
    """
    lowest = min(points, key=lambda point: point.cost, default=None)
    named = []
    for point in points:
        if lowest is not None and point.kind in (LOCAL_MINIMUM, CriticalPointKind.DEGENERATE):
            lower = _has_lower(problem, point, lowest, known_minimum)
            spurious = lower and point.kind is LOCAL_MINIMUM
            kind = CriticalPointKind.SPURIOUS_LOCAL_MINIMUM if spurious else point.kind
            point = replace(point, kind=kind, has_lower=lower)
        named.append(point)
    return named


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
    inner = capabilities.in_span(problem, found.rank)
    # of own costs a proved local minimiser says more than a bound in floats, which stands beside it
    trusted = np.inf if gap is None or not capabilities.is_well_scaled(problem) else gap
    if trusted <= max(_ZERO_GAP * found.cost, float(np.finfo(np.float64).tiny)):
        return CriticalPointKind.GLOBAL_MINIMUM
    if capabilities.global_minima(inner.at(found.X), ZERO_TOLERANCE):
        return CriticalPointKind.GLOBAL_MINIMUM
    if spectrum.morse_index > 0 or _falls(problem, found):
        return CriticalPointKind.STRICT_SADDLE
    return CriticalPointKind.DEGENERATE if spectrum.nullity > 0 else LOCAL_MINIMUM


def _falls(problem: SphereProblem, found: Found) -> bool:
    """Whether an explicit direction of the theorem has negative curvature, where the spectrum shows no clear one."""
    theorem = capabilities.benign_theorem(problem)
    if theorem is None or not theorem.applies:
        return False
    direction = capabilities.descent_direction(problem, embed(found.X, problem.spheres.shape[0]))
    return direction is not None and direction.curvature < 0.0
