"""What a problem, or a point, may know beyond its cost, and the one place that asks.

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
==============================================================  ======================================================

A point, as ``problem.at(X)`` makes it, may have ``shifted_hessian()``, whose systems can be solved,
``tangent_hessian()``, ``normal_hessian()`` in dimensions that it does not use, ``global_minima(shift)`` and
``approximate_inverse(root)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array
from sphereufm.problem.interface import Evaluation, SphereProblem

if TYPE_CHECKING:
    from sphereufm.problem.equal_samples import EqualSamples
    from sphereufm.problem.theory.gap import OptimalityGap
    from sphereufm.problem.theory.negative_curvature import DescentDirection
    from sphereufm.problem.theory.theorems import TheoremCheck

Operator: TypeAlias = Callable[[Array], Array]


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


class ShiftedHessian(Protocol):
    """A Hessian in coordinates ``(..., M, e)`` whose shifted systems can be solved."""

    def scaled(self, s: Array) -> ShiftedHessian:
        """``diag(s) Hess diag(s)``, one factor a column, shape ``(..., M)``."""

    def damped_newton_step(self, g: Array, sigma: Array) -> Array:
        """``-Re (Hess + i sigma)^{-1} g``, shape ``(..., M, e)``."""

    def dense(self) -> Array:
        """The whole matrix, shape ``(..., M e, M e)``."""


def offers(known: object, method: str) -> bool:
    """Whether a problem or a point has a method."""
    return hasattr(known, method)


def ask(known: object, method: str, *arguments: Any) -> Any:
    """What a method answers; None where there is none."""
    return getattr(known, method)(*arguments) if offers(known, method) else None


def _asking(method: str, otherwise: Any = None) -> Callable[..., Any]:
    """The question by a method's name, and what is so where there is none."""
    return lambda known, *args: ask(known, method, *args) if offers(known, method) else otherwise


# --- questions with a plain answer, or None, where a problem or a point does not know

known_minimum: Callable[[SphereProblem], float | None] = _asking("known_minimum")
#: The bound on ``f(X) - min f``, numerical.
optimality_gap: Callable[[SphereProblem, Array], OptimalityGap | None] = _asking("optimality_gap")
benign_theorem: Callable[[SphereProblem], TheoremCheck | None] = _asking("benign_theorem")
#: Whether a theorem calls a critical point global or a strict saddle.
point_theorem: Callable[[SphereProblem, Array], TheoremCheck | None] = _asking("point_theorem")
descent_direction: Callable[[SphereProblem, Array], DescentDirection | None] = _asking("descent_direction")
#: Name of the family that a critical point of some cost belongs to.
family_name: Callable[[SphereProblem, Array, float], str | None] = _asking("family_name")
#: A point of some rank taken apart where columns are equal.
equal_samples: Callable[[SphereProblem, Array, int], EqualSamples | None] = _asking("equal_samples")
#: Interchangeable columns merged at random, at most so many groups for each kind.
merged_at_random: Callable[[SphereProblem, np.random.Generator, int], FixedSpace | None]
merged_at_random = _asking("merged_at_random")
#: What a certificate is about.
exact_instance: Callable[[SphereProblem], Any] = _asking("exact_instance")
#: Starts that theory constructs.
constructed_starts: Callable[[SphereProblem], Iterable[Array]] = _asking("constructed_starts", ())
#: Whether floats cannot tell what pulls some column of a point outside of the named families.
pulls_are_rounding: Callable[[SphereProblem, Array], bool] = _asking("pulls_are_rounding", False)
#: Fixed-point spaces worth a search of their own.
fixed_point_spaces: Callable[[SphereProblem], Iterable[FixedSpace]] = _asking("fixed_point_spaces", ())
#: Distinct columns among those that might be equal, as a share; one where nothing might.
share_of_distinct_samples: Callable[[SphereProblem, Array], float]
share_of_distinct_samples = _asking("share_of_distinct_samples", 1.0)
cost_unit: Callable[[SphereProblem], str] = _asking("cost_unit", "")
#: Whether small relative gradients and eigenvalues mean what they say; else points have to be settled.
is_well_scaled: Callable[[SphereProblem], bool] = _asking("is_well_scaled", False)

shifted_hessian: Callable[[Evaluation], ShiftedHessian | None] = _asking("shifted_hessian")
#: The whole Hessian, as the point assembles it.
tangent_hessian: Callable[[Evaluation], Array | None] = _asking("tangent_hessian")
#: The curvature in unused dimensions.
normal_hessian: Callable[[Evaluation], Array | None] = _asking("normal_hessian")
#: An operator near the inverse of the Hessian, in columns scaled by a root.
approximate_inverse: Callable[[Evaluation, Array], Operator | None] = _asking("approximate_inverse")


# --- questions whose default takes a look at the problem


def in_span(problem: SphereProblem, r: int) -> SphereProblem:
    """The problem for columns in ``R^r``; itself where O(d) is no symmetry.

    Raises InvalidInputError if the problem declares O(d) a symmetry, but has no ``in_dimension``.
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


def column_factors(problem: SphereProblem) -> Array:
    """Factors of the metric in which solvers measure, shape ``(M,)``; ones for the Frobenius metric."""
    factors: Array | None = ask(problem, "column_factors")
    return np.ones(problem.spheres.shape[1]) if factors is None else factors


def column_labels(problem: SphereProblem) -> tuple[Sequence[int], int]:
    """Class of each column and the number of classifiers; each column for itself by default."""
    return ask(problem, "column_labels") or (range(problem.spheres.shape[1]), 0)


def title(problem: SphereProblem) -> str:
    """One line that says what the problem is."""
    d, M = problem.spheres.shape
    return ask(problem, "title") or f"own cost of {M} unit vectors in R^{d}"


def to_json(problem: SphereProblem) -> dict[str, Any]:
    """What a saved report says of the problem."""
    said = ask(problem, "to_json")
    return dict(said) if said else {"name": type(problem).__name__, "dims": list(problem.spheres.dims)}


def hessian_error(problem: SphereProblem) -> float:
    """Error of Hessian products relative to the gradient's scale, where they are differences; else zero."""
    return float(getattr(problem, "hessian_error", 0.0))


def finite_points(problem: SphereProblem, X: Array) -> Array:
    """Those of some points ``(b, d, M)`` at which the cost is finite."""
    with np.errstate(all="ignore"):
        return X[np.isfinite(problem.at(X).cost)] if len(X) else X


def global_minima(point: Evaluation, shift: float = 1e-7) -> NDArray[np.bool_]:
    """Where the points show that they are global minimisers, shape ``(...)``."""
    shown: NDArray[np.bool_] | None = ask(point, "global_minima", shift)
    return np.zeros(point.X.shape[:-2], dtype=bool) if shown is None else shown
