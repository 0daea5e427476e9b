r"""How much of its own basins a multi-start search has seen.

Two figures for the *unseen mass*, the probability that one more search would end in an orbit not met so far:

* the Good-Turing estimate ``f1 / n``, with ``f1`` orbits met exactly once in ``n`` converged searches;
* an upper bound at a stated confidence, by hold-out: of ``m`` fresh searches ``k`` ended in orbits that were not known
  when they began, whatever had found those known.  The starts are independent, so ``k`` is binomial with the mass
  unseen so far, and the Clopper-Pearson bound for it bounds what is missing from the list afterwards.  In the first
  round the second half of the searches is held out; later, the last round.  A search that ends once its bound is
  small enough would end on lucky rounds: they share the error, so that the bound it ends with holds, too.

Both speak of the search's own distribution: a critical point that no start is attracted to is not counted.

References
----------
I. J. Good, *The population frequencies of species and the estimation of population parameters*, Biometrika 1953.
C. Clopper, E. Pearson, *The use of confidence or fiducial limits*, Biometrika 1934.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

# Shares of the error: of all rounds before the first that can end a search, of that one, and of all after it.
_BEFORE, _FIRST, _AFTER = 0.025, 0.75, 0.225


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

    @property
    def is_hardly_resolved(self) -> bool:
        """Whether fewer than half of the searches ended at a critical point."""
        return 2 * self.converged < self.starts


def coverage_of(
    starts: int,
    ends: Sequence[Hashable | None],
    confidence: float = 0.95,
    *,
    known: Collection[Hashable] = (),
    fresh: int | None = None,
    share: float = 1.0,
) -> Coverage:
    """Coverage from the orbit in which each converged search ended, in the order of the (independent) starts.

    * ``starts``: searches begun.
    * ``ends``: one orbit's label a converged search, None for an end that is no point of the problem (of too high a
      rank): it is nothing new, and not counted as converged.
    * ``confidence``: of the upper bound, between 0 and 1.
    * ``known``: labels that others had met before the searches held out.
    * ``fresh``: searches at the end that are held out; without, the second half, and the first half's labels are known.
    * ``share``: of the error, that this bound may take: see :func:`share_of_error`.
    """
    labels = [end for end in ends if end is not None]
    hits = Counter(labels)
    first = {label: number for number, label in reversed(list(enumerate(labels, start=1)))}
    n = len(labels)
    singletons = sum(h == 1 for h in hits.values())
    begin = len(ends) // 2 if fresh is None else len(ends) - fresh
    seen = {None, *known, *(ends[:begin] if fresh is None else ())}
    return Coverage(
        starts=starts,
        converged=n,
        orbits=len(hits),
        singletons=singletons,
        unseen_mass=singletons / n if n else None,
        unseen_bound=_upper_bound([end not in seen for end in ends[begin:]], share * (1.0 - confidence))
        if len(ends) > 1
        else None,
        confidence=confidence,
        discoveries=tuple(sorted(first.values())),
    )


def share_of_error(rounds: int, chances: int) -> float:
    """What one of many bounds may take of the probability that some is wrong; all shares add up to one.

    * ``rounds``: bounds before this one.
    * ``chances``: how many of all, this one included, had searches enough to end the search; the first takes most.
    """
    if chances < 2:
        return _FIRST if chances else _BEFORE / 2.0 ** (rounds + 1)
    return _AFTER * 2.0 / 3.0 ** (chances - 1)


def fewest_searches(bound: float, confidence: float = 0.95) -> float:
    """Searches held out from which on a bound can be met, at the first chance."""
    return float(np.log(_FIRST * (1.0 - confidence)) / np.log1p(-bound))


def _upper_bound(new: Sequence[bool], error: float) -> float:
    """Clopper-Pearson upper bound for a probability, from independent trials.

    The root of ``P(Bin(m, p) <= k) = error`` by bisection: loading SciPy would take longer than a search.
    """
    k, m = sum(new), len(new)
    if k == m:
        return 1.0
    i = np.arange(k + 1)
    steps = np.log((m - i[:-1]) / (i[:-1] + 1.0))
    ways = np.concatenate([[0.0], np.cumsum(steps)])
    low, high = 0.0, 1.0
    while high - low > 1e-12:
        p = 0.5 * (low + high)
        below = np.exp(ways + i * np.log(p) + (m - i) * np.log1p(-p)).sum()
        low, high = (p, high) if below > error else (low, p)
    return high
