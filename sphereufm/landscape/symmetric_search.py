"""Search the fixed-point spaces alone: orbits with symmetry, in instances far too large for sampling.

The subgroups are the products of symmetric groups that permute classes inside at most three blocks (of each kind
of class), while all samples of a class are equal.  Orbits without such a symmetry are not found.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from sphereufm.geometry.spheres import Array
from sphereufm.landscape.explore import Exploration, seed_of
from sphereufm.landscape.orbits.collection import Collection
from sphereufm.landscape.points import CriticalFamily, CriticalPoint
from sphereufm.landscape.search.coverage import Coverage
from sphereufm.landscape.search.effort import Effort, SearchSettings
from sphereufm.landscape.search.stratum import Stratum
from sphereufm.parallel import Workers
from sphereufm.problem.restriction import SymmetricSpace, fixed_point_spaces
from sphereufm.problem.ufm import UFMProblem
from sphereufm.progress import Progress, silent

# Batches of starts after which a space is left although its bound is not met.
_MOST_BATCHES = 40


@dataclass(frozen=True, kw_only=True, eq=False)
class SymmetricClasses:
    """What the fixed-point spaces contain, as far as they were searched.

    ``critical``: of the original problem, sorted by cost; ``coverage``: one for each space, by the name of
    its group.
    """

    critical: tuple[CriticalPoint | CriticalFamily, ...]
    coverage: dict[str, Coverage]


def symmetric_critical_points(
    problem: UFMProblem,
    *,
    effort: Effort = Effort.STANDARD,
    rng: int | np.random.Generator = 0,
    progress: Progress = silent,
) -> SymmetricClasses:
    """Find the critical points that a group ``S_a x S_b x S_c`` of class permutations fixes up to O(d).

    Parameters
    ----------
    problem : UFMProblem
        Samples of one class have equal weights (else there are no such spaces).
    effort : Effort
        Each space is searched until its own bound on the unseen mass is met, in at most 40 batches of starts.
    rng : int or Generator
    progress : Progress
        ``progress(space, done, total, detail)``.

    Returns
    -------
    SymmetricClasses
        Points of rank above the problem's dimension are left out.

    Examples
    --------
    >>> found = symmetric_critical_points(UFMProblem(class_sizes=(3, 3), dim=3, tau=1.0))
    >>> sorted(found.coverage), round(found.critical[0].cost, 6)
    (['S_1 x S_1', 'S_2'], 0.126928)
    """
    exploration = Exploration(
        problem=problem,
        settings=SearchSettings(effort=effort, most_batches=_MOST_BATCHES),
        seed=seed_of(rng),
        workers=Workers(),
        collection=Collection(problem),
    )
    spaces = list(fixed_point_spaces(problem))
    for space in spaces:
        exploration.collection.enter(space.expand(_sign_patterns(space)), searched=False)
    strata = [Stratum(name=space.name, problem=space.problem, space=space) for space in spaces]
    exploration.search(strata, progress)
    critical = exploration.collection.classified(progress)
    return SymmetricClasses(critical=tuple(critical), coverage=exploration.coverage)


def _sign_patterns(space: SymmetricSpace) -> Array:
    """All sign patterns that are constant on blocks: critical exactly, and rarely met by searching."""
    D, M = space.problem.spheres.shape
    signs = np.array(list(product((1.0, -1.0), repeat=M - 1)))
    Y = np.zeros((len(signs), D, M))
    Y[:, 0] = np.hstack([np.ones((len(signs), 1)), signs])
    return Y
