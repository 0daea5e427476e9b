"""What a problem, or a point, may know beyond its cost, and the one place that asks.

A problem offers a capability by having its method: nothing is registered and no class inherited.  Solvers, spectra,
landscapes and proofs ask by the functions below, each of the name of its method: what is said beside it lights up where
a problem knows.  They answer None, or the plain default, for all other problems.
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
    """The question by a method's name, and what is so where there is none, or it has no answer."""

    def question(known: object, *arguments: Any) -> Any:
        answer = ask(known, method, *arguments)
        return otherwise if answer is None else answer

    return question


# --- questions with a plain answer, or None, where a problem does not know

#: ``known_minimum()``: spurious minimisers are named where none is lower.
known_minimum: Callable[[SphereProblem], float | None] = _asking("known_minimum")
#: ``optimality_gap(X)``, a numerical bound on ``f(X) - min f``: gaps in rows, histories and stops of solvers.
optimality_gap: Callable[[SphereProblem, Array], OptimalityGap | None] = _asking("optimality_gap")
#: ``benign_theorem()``: the verdict BENIGN by a theorem.
benign_theorem: Callable[[SphereProblem], TheoremCheck | None] = _asking("benign_theorem")
#: ``point_theorem(X)``, by which a critical point is global or a strict saddle: notes on single points.
point_theorem: Callable[[SphereProblem, Array], TheoremCheck | None] = _asking("point_theorem")
#: ``descent_direction(X)``: saddles are left along explicit directions.
descent_direction: Callable[[SphereProblem, Array], DescentDirection | None] = _asking("descent_direction")
#: ``constructed_starts()``: starts that theory constructs.
constructed_starts: Callable[[SphereProblem], Iterable[Array]] = _asking("constructed_starts", ())
#: ``family_name(X, cost)``: critical points of a named family are merged into one row.
family_name: Callable[[SphereProblem, Array, float], str | None] = _asking("family_name")
#: ``pulls_are_rounding(X)``: floats cannot tell what pulls some column of a point outside of the named families.
pulls_are_rounding: Callable[[SphereProblem, Array], bool] = _asking("pulls_are_rounding", False)
#: ``fixed_point_spaces()``: searches within them.
fixed_point_spaces: Callable[[SphereProblem], Iterable[FixedSpace]] = _asking("fixed_point_spaces", ())
#: ``equal_samples(X, rank)``, a point taken apart where columns are equal: extreme eigenvalues of large points.
equal_samples: Callable[[SphereProblem, Array, int], EqualSamples | None] = _asking("equal_samples")
#: ``merged_at_random(rng, most)``, at most so many groups for each kind: searches with equal samples merged.
merged_at_random: Callable[[SphereProblem, np.random.Generator, int], FixedSpace | None]
merged_at_random = _asking("merged_at_random")
#: ``share_of_distinct_samples(X)`` among those that might be equal: whether such searches are worth their time.
share_of_distinct_samples: Callable[[SphereProblem, Array], float]
share_of_distinct_samples = _asking("share_of_distinct_samples", 1.0)
#: ``exact_instance()``, what a certificate is about: proofs.
exact_instance: Callable[[SphereProblem], Any] = _asking("exact_instance")
#: ``cost_unit()``: headings and axes.
cost_unit: Callable[[SphereProblem], str] = _asking("cost_unit", "")
#: ``is_well_scaled()``: small relative gradients and eigenvalues mean what they say; else points have to be settled.
is_well_scaled: Callable[[SphereProblem], bool] = _asking("is_well_scaled", False)

# --- and where a point, as ``problem.at(X)`` makes it, does not

#: ``shifted_hessian()``, whose systems can be solved.
shifted_hessian: Callable[[Evaluation], ShiftedHessian | None] = _asking("shifted_hessian")
#: ``tangent_hessian()``, whole, as the point assembles it.
tangent_hessian: Callable[[Evaluation], Array | None] = _asking("tangent_hessian")
#: ``normal_hessian()``, the curvature in dimensions that the point does not use.
normal_hessian: Callable[[Evaluation], Array | None] = _asking("normal_hessian")
#: ``approximate_inverse(root)`` of the Hessian, in columns scaled by a root.
approximate_inverse: Callable[[Evaluation, Array], Operator | None] = _asking("approximate_inverse")


# --- questions whose default takes a look at the problem


def in_span(problem: SphereProblem, r: int) -> SphereProblem:
    """``in_dimension(r)``, the problem for columns in ``R^r``: each rank is searched in its own span (needs O(d))."""
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
    """No search above that rank, but for named families; at most the number of columns."""
    M = problem.spheres.shape[1]
    return min(M, ask(problem, "highest_rank") or M)


def column_factors(problem: SphereProblem) -> Array:
    """Factors of the metric in which solvers measure, shape ``(M,)``; ones for the Frobenius metric."""
    factors: Array | None = ask(problem, "column_factors")
    return np.ones(problem.spheres.shape[1]) if factors is None else factors


def column_labels(problem: SphereProblem) -> tuple[Sequence[int], int]:
    """Class of each column and the number of classifiers, by which pictures are coloured."""
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
