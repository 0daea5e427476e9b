"""What a problem may know beyond its cost, and the one place that asks.

A problem offers a capability by having its method: nothing is registered and no class inherited.  Solvers, spectra,
landscapes and proofs call the functions below, which answer ``None`` (or the plain default) for all other problems.

=======================  =============================================  ================================================
protocol                 method                                         what it lights up
=======================  =============================================  ================================================
``LivesInSpan``          ``in_dimension(r)``                            each rank searched in its own span (needs O(d))
``KnowsHighestRank``     ``highest_rank()``                             no search above that rank
``KnowsMinimum``         ``known_minimum()``                            spurious minimisers named where none is lower
``KnowsGap``             ``optimality_gap(X)``                          gaps in rows, histories and stops of solvers
``KnowsTheorem``         ``benign_theorem()``                           the verdict BENIGN by a theorem
``KnowsDirections``      ``descent_direction(X)``                       saddles left along explicit directions
``KnowsStarts``          ``constructed_starts()``                       starts that theory constructs
``KnowsFamilies``        ``family_name``, ``pulls_are_rounding``        points of a named family merged into one row
``KnowsFixedSpaces``     ``fixed_point_spaces()``                       searches within fixed-point spaces
``ReducesEqualSamples``  ``equal_samples(X, rank)``                     extreme eigenvalues of large points
``MergesSamples``        ``merged_at_random(rng, most)``                searches with equal samples merged
``ScalesColumns``        ``column_factors()``                           the metric in which solvers measure steps
``HasBallFormulas``      ``exact_instance()``                           certificates
``LabelsColumns``        ``column_labels()``                            colours of configurations
``Described``            ``title()``, ``cost_unit()``, ``to_json()``    headings, axes, files
``WellScaled``           ``is_well_scaled()``                           small relative gradients, eigenvalues trusted
``AlwaysFinite``         ``is_always_finite()``                         starts are taken without a look at their cost
=======================  =============================================  ================================================

What a point may know is asked in :mod:`~sphereufm.problem.point_capabilities`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array
from sphereufm.problem.interface import SphereProblem

if TYPE_CHECKING:
    from sphereufm.problem.equal_samples import EqualSamples
    from sphereufm.problem.theory.gap import OptimalityGap
    from sphereufm.problem.theory.negative_curvature import DescentDirection
    from sphereufm.problem.theory.theorems import TheoremCheck

Operator = Callable[[Array], Array]


@runtime_checkable
class LivesInSpan(Protocol):
    """A cost that depends on inner products alone, so that columns may live in any ``R^r``."""

    def in_dimension(self, r: int) -> SphereProblem:
        """The same cost for columns in ``R^r``."""


@runtime_checkable
class KnowsHighestRank(Protocol):
    """A cost whose critical points have low rank, families that are entered otherwise left out."""

    def highest_rank(self) -> int:
        """No critical point beyond the named families has a higher rank."""


@runtime_checkable
class KnowsMinimum(Protocol):
    """A cost whose global minimum is known."""

    def known_minimum(self) -> float | None:
        """The global minimum; None where its hypotheses fail."""


@runtime_checkable
class KnowsGap(Protocol):
    """A cost with a bound on how far a point is from the global minimum."""

    def optimality_gap(self, X: Array) -> OptimalityGap:
        """The bound at one point, shape ``(d, M)``."""


@runtime_checkable
class KnowsTheorem(Protocol):
    """A cost that a theorem calls benign under hypotheses."""

    def benign_theorem(self) -> TheoremCheck:
        """Whether the hypotheses hold, and which do not."""


@runtime_checkable
class KnowsPointTheorem(Protocol):
    """A cost with a theorem about single critical points: global minimisers or strict saddles."""

    def point_theorem(self, X: Array) -> TheoremCheck:
        """Whether its hypotheses hold at a point, shape ``(r, M)``."""


@runtime_checkable
class KnowsDirections(Protocol):
    """A cost with explicit directions of negative curvature at its saddles."""

    def descent_direction(self, X: Array) -> DescentDirection | None:
        """The best of them at one point, shape ``(d, M)``; None where none goes down."""


@runtime_checkable
class KnowsStarts(Protocol):
    """A cost near whose constructed points critical points are known to lie."""

    def constructed_starts(self) -> Iterable[Array]:
        """The points, each of shape ``(d, M)``."""


@runtime_checkable
class KnowsFamilies(Protocol):
    """A cost with families of critical points that are no single orbits, recognised by their structure."""

    def family_name(self, X: Array, cost: float) -> str | None:
        """Name of the family of a critical point, shape ``(r, M)``; None where it is in none."""

    def pulls_are_rounding(self, X: Array) -> bool:
        """Whether some column feels no more than rounding, though off these families it does feel something."""


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


@runtime_checkable
class KnowsFixedSpaces(Protocol):
    """A cost that knows itself on small fixed-point spaces of its permutations."""

    def fixed_point_spaces(self) -> Iterable[FixedSpace]:
        """The spaces worth a search."""


@runtime_checkable
class ReducesEqualSamples(Protocol):
    """A cost whose Hessian falls apart where columns are equal."""

    def equal_samples(self, X: Array, rank: int) -> EqualSamples:
        """The point, taken apart."""


@runtime_checkable
class MergesSamples(Protocol):
    """A cost with interchangeable columns that take few distinct values at critical points."""

    def merged_at_random(self, rng: np.random.Generator, most: int) -> FixedSpace | None:
        """The cost where columns that are interchangeable are equal in few groups; None where there are none."""

    def share_of_distinct_samples(self, X: Array) -> float:
        """Distinct columns among those that might be equal, as a share."""


@runtime_checkable
class ScalesColumns(Protocol):
    """A cost whose columns see curvatures of different orders."""

    def column_factors(self) -> Array:
        """Square roots of the columns' weights in the metric, shape ``(M,)``."""


@runtime_checkable
class HasBallFormulas(Protocol):
    """A cost that can be written down exactly, so that the prover and the checker can evaluate it."""

    def exact_instance(self) -> Any:
        """An ``ExactInstance`` or ``ExpressionInstance``; None where there are no proofs for it."""


@runtime_checkable
class LabelsColumns(Protocol):
    """A cost whose columns belong to classes."""

    def column_labels(self) -> tuple[Sequence[int], int]:
        """Class of each column, and how many of the first columns are classifiers."""


@runtime_checkable
class Described(Protocol):
    """A cost that says what it is."""

    def title(self) -> str:
        """One line: sizes and parameters."""

    def cost_unit(self) -> str:
        """Unit of the cost, ``"nats"`` for example; empty where it has none."""

    def to_json(self) -> Mapping[str, Any]:
        """What a saved report says of the problem."""


@runtime_checkable
class WellScaled(Protocol):
    """A cost whose gradient scales are the sizes of the gradient's own terms, none of them vanishing alone.

    Then a small relative gradient means a critical point close by, and an eigenvalue below 1e-9 of the largest is zero.
    """

    def is_well_scaled(self) -> bool:
        """Whether that holds."""


@runtime_checkable
class AlwaysFinite(Protocol):
    """A cost that is finite at every point."""

    def is_always_finite(self) -> bool:
        """Whether it is."""


def in_span(problem: SphereProblem, r: int) -> SphereProblem:
    """The problem for columns in ``R^r``; itself where O(d) is no symmetry.

    Raises
    ------
    InvalidInputError
        If the problem declares O(d) a symmetry, but has no ``in_dimension``.
    """
    if not problem.symmetry.orthogonal or r == problem.spheres.shape[0]:
        return problem
    if not isinstance(problem, LivesInSpan):
        raise InvalidInputError(
            f"{type(problem).__name__} declares O(d) a symmetry, but cannot be asked in R^{r}; "
            "give it a method in_dimension(r), or declare permutations only"
        )
    return problem.in_dimension(r)


def highest_rank(problem: SphereProblem) -> int:
    """Highest rank worth a search; at most the number of columns."""
    M = problem.spheres.shape[1]
    return min(M, problem.highest_rank()) if isinstance(problem, KnowsHighestRank) else M


def known_minimum(problem: SphereProblem) -> float | None:
    """The global minimum where it is known."""
    return problem.known_minimum() if isinstance(problem, KnowsMinimum) else None


def has_gap(problem: SphereProblem) -> bool:
    """Whether the problem bounds how far a point is from its minimum."""
    return isinstance(problem, KnowsGap)


def optimality_gap(problem: SphereProblem, X: Array) -> OptimalityGap | None:
    """The bound on ``f(X) - min f``, numerical."""
    return problem.optimality_gap(X) if isinstance(problem, KnowsGap) else None


def benign_theorem(problem: SphereProblem) -> TheoremCheck | None:
    """Whether a theorem calls the problem benign; None where none speaks of it."""
    return problem.benign_theorem() if isinstance(problem, KnowsTheorem) else None


def point_theorem(problem: SphereProblem, X: Array) -> TheoremCheck | None:
    """Whether a theorem calls a critical point global or a strict saddle; None where none speaks of points."""
    return problem.point_theorem(X) if isinstance(problem, KnowsPointTheorem) else None


def descent_direction(problem: SphereProblem, X: Array) -> DescentDirection | None:
    """The best explicit direction of negative curvature."""
    return problem.descent_direction(X) if isinstance(problem, KnowsDirections) else None


def knows_directions(problem: SphereProblem) -> bool:
    """Whether there are explicit directions to try."""
    return isinstance(problem, KnowsDirections)


def constructed_starts(problem: SphereProblem) -> list[Array]:
    """Starts that theory constructs."""
    return list(problem.constructed_starts()) if isinstance(problem, KnowsStarts) else []


def family_name(problem: SphereProblem, X: Array, cost: float) -> str | None:
    """Name of the family that a critical point belongs to."""
    return problem.family_name(X, cost) if isinstance(problem, KnowsFamilies) else None


def pulls_are_rounding(problem: SphereProblem, X: Array) -> bool:
    """Whether floats cannot tell what pulls some column of a point outside of the named families."""
    return isinstance(problem, KnowsFamilies) and problem.pulls_are_rounding(X)


def family_names(problem: SphereProblem, points: Iterable[tuple[Array, float]]) -> list[str | None]:
    """The same of many points with their costs."""
    if not isinstance(problem, KnowsFamilies):
        return [None for _ in points]
    return [problem.family_name(X, cost) for X, cost in points]


def fixed_point_spaces(problem: SphereProblem) -> Iterable[FixedSpace]:
    """Fixed-point spaces worth a search of their own."""
    return problem.fixed_point_spaces() if isinstance(problem, KnowsFixedSpaces) else ()


def equal_samples(problem: SphereProblem, X: Array, rank: int) -> EqualSamples | None:
    """The point taken apart where columns are equal."""
    return problem.equal_samples(X, rank) if isinstance(problem, ReducesEqualSamples) else None


def merged_at_random(problem: SphereProblem, rng: np.random.Generator, most: int) -> FixedSpace | None:
    """The problem with interchangeable columns merged at random, at most ``most`` groups for each kind."""
    return problem.merged_at_random(rng, most) if isinstance(problem, MergesSamples) else None


def share_of_distinct_samples(problem: SphereProblem, X: Array) -> float:
    """Distinct columns among those that might be equal, as a share; one where nothing might."""
    return problem.share_of_distinct_samples(X) if isinstance(problem, MergesSamples) else 1.0


def column_factors(problem: SphereProblem) -> Array:
    """Factors of the metric in which solvers measure, shape ``(M,)``; ones for the Frobenius metric."""
    if isinstance(problem, ScalesColumns):
        return problem.column_factors()
    return np.ones(problem.spheres.shape[1])


def exact_instance(problem: SphereProblem) -> Any:
    """What a certificate is about; None where there are no proofs."""
    return problem.exact_instance() if isinstance(problem, HasBallFormulas) else None


def column_labels(problem: SphereProblem) -> tuple[Sequence[int], int]:
    """Class of each column and the number of classifiers; each column for itself by default."""
    if isinstance(problem, LabelsColumns):
        return problem.column_labels()
    return range(problem.spheres.shape[1]), 0


def title(problem: SphereProblem) -> str:
    """One line that says what the problem is."""
    if isinstance(problem, Described):
        return problem.title()
    d, M = problem.spheres.shape
    return f"own cost of {M} unit vectors in R^{d}"


def cost_unit(problem: SphereProblem) -> str:
    """Unit of the cost, or nothing."""
    return problem.cost_unit() if isinstance(problem, Described) else ""


def to_json(problem: SphereProblem) -> dict[str, Any]:
    """What a saved report says of the problem."""
    if isinstance(problem, Described):
        return dict(problem.to_json())
    return {"name": type(problem).__name__, "dims": list(problem.spheres.dims)}


def is_well_scaled(problem: SphereProblem) -> bool:
    """Whether small relative gradients and eigenvalues mean what they say; else points have to be settled."""
    return isinstance(problem, WellScaled) and problem.is_well_scaled()


def hessian_error(problem: SphereProblem) -> float:
    """Error of Hessian products relative to the gradient's scale, where they are differences; else zero."""
    return float(getattr(problem, "hessian_error", 0.0))


def finite_points(problem: SphereProblem, X: Array) -> Array:
    """Those of some points ``(b, d, M)`` at which the cost is finite."""
    if isinstance(problem, AlwaysFinite) and problem.is_always_finite():
        return X
    with np.errstate(all="ignore"):
        return X[[bool(np.isfinite(problem.at(each).cost)) for each in X]]
