"""What a problem may know beyond its cost, and the one place that asks.

A problem offers a capability by having its method: nothing is registered and no class inherited.  Solvers, spectra,
landscapes and proofs call the functions below, which answer ``None`` (or the plain default) for all other problems.

==============================================================  ======================================================
method                                                          what it lights up
==============================================================  ======================================================
``in_dimension(r)``                                             each rank searched in its own span (needs O(d))
``highest_rank()``                                              no search above that rank, but for named families
``known_minimum()``                                             spurious minimisers named where none is lower
``optimality_gap(X)``                                           gaps in rows, histories and stops of solvers
``benign_theorem()``, ``point_theorem(X)``                      the verdict BENIGN by a theorem; notes on single points
``descent_direction(X)``                                        saddles left along explicit directions
``constructed_starts()``                                        starts that theory constructs
``family_name(X, cost)``, ``pulls_are_rounding(X)``             points of a named family merged into one row
``fixed_point_spaces()``                                        searches within fixed-point spaces
``equal_samples(X, rank)``                                      extreme eigenvalues of large points
``merged_at_random(rng, most)``, ``share_of_distinct_samples``  searches with equal samples merged
``column_factors()``                                            the metric in which solvers measure steps
``exact_instance()``                                            certificates
``column_labels()``                                             colours of configurations
``title()``, ``cost_unit()``, ``to_json()``                     headings, axes, files
``is_well_scaled()``                                            small relative gradients, eigenvalues trusted
``is_always_finite()``                                          starts are taken without a look at their cost
==============================================================  ======================================================

What a point may know is asked in :mod:`~sphereufm.problem.point_capabilities`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array
from sphereufm.problem.interface import SphereProblem

if TYPE_CHECKING:
    from sphereufm.problem.equal_samples import EqualSamples
    from sphereufm.problem.theory.gap import OptimalityGap
    from sphereufm.problem.theory.negative_curvature import DescentDirection
    from sphereufm.problem.theory.theorems import TheoremCheck


class FixedSpace(Protocol):
    """A cost on the fixed-point space of a group of permutations."""

    @property
    def name(self) -> str:
        """The group in words."""

    @property
    def problem(self) -> SphereProblem:
        """The cost on the space, to search."""

    def expand(self, Y: Array) -> Array:
        """The point of the whole problem for a point of the space."""


def ask(known: object, method: str, *arguments: Any) -> Any:
    """What a method that a problem or a point may have answers; None where it has none."""
    answer = getattr(known, method, None)
    return None if answer is None else answer(*arguments)


def in_span(problem: SphereProblem, r: int) -> SphereProblem:
    """The problem for columns in ``R^r``; itself where O(d) is no symmetry.

    Raises
    ------
    InvalidInputError
        If the problem declares O(d) a symmetry, but has no ``in_dimension``.
    """
    if not problem.symmetry.orthogonal or r == problem.spheres.shape[0]:
        return problem
    found: SphereProblem | None = ask(problem, "in_dimension", r)
    if found is None:
        raise InvalidInputError(
            f"{type(problem).__name__} declares O(d) a symmetry, but cannot be asked in R^{r}; "
            "give it a method in_dimension(r), or declare permutations only"
        )
    return found


def highest_rank(problem: SphereProblem) -> int:
    """Highest rank worth a search; at most the number of columns."""
    M = problem.spheres.shape[1]
    return min(M, ask(problem, "highest_rank") or M)


def known_minimum(problem: SphereProblem) -> float | None:
    """The global minimum where it is known."""
    return ask(problem, "known_minimum")


def has_gap(problem: SphereProblem) -> bool:
    """Whether the problem bounds how far a point is from its minimum."""
    return hasattr(problem, "optimality_gap")


def optimality_gap(problem: SphereProblem, X: Array) -> OptimalityGap | None:
    """The bound on ``f(X) - min f``, numerical."""
    return ask(problem, "optimality_gap", X)


def benign_theorem(problem: SphereProblem) -> TheoremCheck | None:
    """Whether a theorem calls the problem benign; None where none speaks of it."""
    return ask(problem, "benign_theorem")


def point_theorem(problem: SphereProblem, X: Array) -> TheoremCheck | None:
    """Whether a theorem calls a critical point global or a strict saddle; None where none speaks of points."""
    return ask(problem, "point_theorem", X)


def descent_direction(problem: SphereProblem, X: Array) -> DescentDirection | None:
    """The best explicit direction of negative curvature."""
    return ask(problem, "descent_direction", X)


def knows_directions(problem: SphereProblem) -> bool:
    """Whether there are explicit directions to try."""
    return hasattr(problem, "descent_direction")


def constructed_starts(problem: SphereProblem) -> list[Array]:
    """Starts that theory constructs."""
    return list(ask(problem, "constructed_starts") or ())


def family_name(problem: SphereProblem, X: Array, cost: float) -> str | None:
    """Name of the family that a critical point belongs to."""
    return ask(problem, "family_name", X, cost)


def pulls_are_rounding(problem: SphereProblem, X: Array) -> bool:
    """Whether floats cannot tell what pulls some column of a point outside of the named families."""
    return bool(ask(problem, "pulls_are_rounding", X))


def family_names(problem: SphereProblem, points: Iterable[tuple[Array, float]]) -> list[str | None]:
    """The same of many points with their costs."""
    return [family_name(problem, X, cost) for X, cost in points]


def fixed_point_spaces(problem: SphereProblem) -> Iterable[FixedSpace]:
    """Fixed-point spaces worth a search of their own."""
    return ask(problem, "fixed_point_spaces") or ()


def equal_samples(problem: SphereProblem, X: Array, rank: int) -> EqualSamples | None:
    """The point taken apart where columns are equal."""
    return ask(problem, "equal_samples", X, rank)


def merged_at_random(problem: SphereProblem, rng: np.random.Generator, most: int) -> FixedSpace | None:
    """The problem with interchangeable columns merged at random, at most ``most`` groups for each kind."""
    return ask(problem, "merged_at_random", rng, most)


def share_of_distinct_samples(problem: SphereProblem, X: Array) -> float:
    """Distinct columns among those that might be equal, as a share; one where nothing might."""
    share = ask(problem, "share_of_distinct_samples", X)
    return 1.0 if share is None else float(share)


def column_factors(problem: SphereProblem) -> Array:
    """Factors of the metric in which solvers measure, shape ``(M,)``; ones for the Frobenius metric."""
    factors: Array | None = ask(problem, "column_factors")
    return np.ones(problem.spheres.shape[1]) if factors is None else factors


def exact_instance(problem: SphereProblem) -> Any:
    """What a certificate is about; None where there are no proofs."""
    return ask(problem, "exact_instance")


def column_labels(problem: SphereProblem) -> tuple[Sequence[int], int]:
    """Class of each column and the number of classifiers; each column for itself by default."""
    return ask(problem, "column_labels") or (range(problem.spheres.shape[1]), 0)


def title(problem: SphereProblem) -> str:
    """One line that says what the problem is."""
    d, M = problem.spheres.shape
    return ask(problem, "title") or f"own cost of {M} unit vectors in R^{d}"


def cost_unit(problem: SphereProblem) -> str:
    """Unit of the cost, or nothing."""
    return ask(problem, "cost_unit") or ""


def to_json(problem: SphereProblem) -> dict[str, Any]:
    """What a saved report says of the problem."""
    said = ask(problem, "to_json")
    return dict(said) if said else {"name": type(problem).__name__, "dims": list(problem.spheres.dims)}


def is_well_scaled(problem: SphereProblem) -> bool:
    """Whether small relative gradients and eigenvalues mean what they say; else points have to be settled."""
    return bool(ask(problem, "is_well_scaled"))


def hessian_error(problem: SphereProblem) -> float:
    """Error of Hessian products relative to the gradient's scale, where they are differences; else zero."""
    return float(getattr(problem, "hessian_error", 0.0))


def finite_points(problem: SphereProblem, X: Array) -> Array:
    """Those of some points ``(b, d, M)`` at which the cost is finite."""
    if ask(problem, "is_always_finite"):
        return X
    with np.errstate(all="ignore"):
        return X[[bool(np.isfinite(problem.at(each).cost)) for each in X]]
