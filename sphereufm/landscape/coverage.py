r"""How much of its own basins a multi-start search has seen.

With ``n`` converged searches of which ``f1`` ended in classes met exactly once, the Good-Turing estimate of the unseen mass
(the probability that the next search finds something new) is ``f1 / n``; with probability ``1 - delta`` the mass is below

    f1 / n + (sqrt(2) + sqrt(3)) sqrt(log(3 / delta) / n)

(McAllester and Schapire, *On the convergence rate of Good-Turing estimators*, COLT 2000, in the form of Orlitsky and
Suresh).  It speaks of the search's own distribution: a class without a basin of attraction is never counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Coverage", "good_turing"]


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Coverage of one stratum (one rank).

    Attributes
    ----------
    rank : int
    starts, converged : int
        Searches begun, and ended at a critical point.
    classes, singletons : int
        Distinct classes met (a family counts once), and classes met exactly once.
    unseen_mass : float or None
        Good-Turing estimate, None without a converged search.
    unseen_bound : float or None
        Upper bound at confidence 95 percent.
    """

    rank: int
    starts: int
    converged: int
    classes: int
    singletons: int
    unseen_mass: float | None
    unseen_bound: float | None


def good_turing(rank: int, starts: int, hits: Sequence[int], confidence: float = 0.95) -> Coverage:
    """Coverage from the number of searches that ended in each class.

    Parameters
    ----------
    rank : int
        The stratum.
    starts : int
        Searches begun.
    hits : sequence of int
        Positive hit counts, one a class.
    confidence : float
        Of the upper bound, between 0 and 1.

    Examples
    --------
    >>> coverage = good_turing(2, 10, [5, 4, 1])
    >>> coverage.unseen_mass, coverage.unseen_bound
    (0.1, 1.0)
    """
    n = sum(hits)
    singletons = sum(h == 1 for h in hits)
    mass = singletons / n if n else None
    bound = None
    if mass is not None:
        width = (math.sqrt(2.0) + math.sqrt(3.0)) * math.sqrt(math.log(3.0 / (1.0 - confidence)) / n)
        bound = min(1.0, mass + width)
    return Coverage(
        rank=rank,
        starts=starts,
        converged=n,
        classes=len(hits),
        singletons=singletons,
        unseen_mass=mass,
        unseen_bound=bound,
    )
