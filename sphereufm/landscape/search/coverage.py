r"""How much of its own basins a multi-start search has seen.

Two figures for the *unseen mass*, the probability that one more search would end in an orbit not met so far:

* the Good-Turing estimate ``f1 / n``, with ``f1`` orbits met exactly once in ``n`` converged searches;
* an upper bound at a stated confidence, by hold-out: of the ``m`` searches of the second half, ``k`` ended in
  orbits that the first half had not met.  The starts are independent, so ``k`` is binomial with the mass
  unseen by the first half, and the Clopper-Pearson bound for it bounds what both halves have missed.

Both speak of the search's own distribution: a critical point that no start is attracted to is not counted.

References
----------
I. J. Good, *The population frequencies of species and the estimation of population parameters*, Biometrika 1953.
C. Clopper, E. Pearson, *The use of confidence or fiducial limits*, Biometrika 1934.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Coverage of one stratum: one rank, or one fixed-point space."""

    #: ``starts`` and ``converged``: searches begun, and ended at a critical point.
    starts: int
    converged: int
    #: ``orbits`` and ``singletons``: distinct orbits met (a family counts once), and orbits met exactly once.
    orbits: int
    singletons: int
    unseen_mass: float | None  #: Good-Turing estimate, None without a converged search
    unseen_bound: float | None  #: upper bound at ``confidence``, None with fewer than two converged searches
    confidence: float
    #: Converged searches, counted from one, that met an orbit for the first time: the coverage curve rises by
    #: one at each.
    discoveries: tuple[int, ...] = ()


def coverage_of(starts: int, ends: Sequence[Hashable], confidence: float = 0.95) -> Coverage:
    """Coverage from the orbit in which each converged search ended, in the order of the (independent) starts.

    * ``starts``: searches begun.
    * ``ends``: one orbit's label a converged search.
    * ``confidence``: of the upper bound, between 0 and 1.

    Examples
    --------
    >>> coverage = coverage_of(10, ["a", "b", "a", "b", "a", "a", "b", "c"])
    >>> coverage.unseen_mass, round(coverage.unseen_bound, 3), coverage.discoveries
    (0.125, 0.751, (1, 2, 8))
    """
    hits = Counter(ends)
    first = {end: number for number, end in reversed(list(enumerate(ends, start=1)))}
    n = len(ends)
    singletons = sum(h == 1 for h in hits.values())
    return Coverage(
        starts=starts,
        converged=n,
        orbits=len(hits),
        singletons=singletons,
        unseen_mass=singletons / n if n else None,
        unseen_bound=_hold_out_bound(ends, confidence) if n > 1 else None,
        confidence=confidence,
        discoveries=tuple(sorted(first.values())),
    )


def _hold_out_bound(ends: Sequence[Hashable], confidence: float) -> float:
    """Clopper-Pearson upper bound for the mass that the first half had not seen."""
    from scipy.special import betaincinv

    half = len(ends) // 2
    seen = set(ends[:half])
    later = ends[half:]
    new = sum(end not in seen for end in later)
    if new == len(later):
        return 1.0
    return float(betaincinv(new + 1, len(later) - new, confidence))
