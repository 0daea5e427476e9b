"""Claims ``index`` and ``global_minimum`` at an exact critical point within a known radius (Lemmas 6 to 8)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from flint import arb_mat

from sphereufm.certify.balls import BallEvaluation, BallProblem, UFMBalls, UFMEvaluation, box
from sphereufm.certify.certificate import GlobalMinimumClaim, IndexClaim
from sphereufm.certify.prove.gauge import Columns
from sphereufm.certify.prove.inertia import hessian_form, inertia, normal_matrix, split_matrix

__all__ = ["Neighbourhood", "prove_global_minimum", "prove_index"]


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """The box in which a critical point is known to lie, and what was computed there.

    Attributes
    ----------
    problem : BallProblem
    columns : tuple of tuple of Fraction
        Centre.
    radius : Fraction
        In every entry; zero for exact points.
    dim : int
        d, the dimension of the instance.
    own_index : int or None
        Negative eigenvalues of the merged Hessian in R^r, where the proof of existence told them.
    """

    problem: BallProblem
    columns: Columns
    radius: Fraction
    dim: int
    own_index: int | None = None

    @cached_property
    def evaluation(self) -> BallEvaluation:
        """Everything over the box."""
        return self.problem.at(box(self.columns, self.radius))

    @cached_property
    def form(self) -> arb_mat:
        """The extended Hessian form over the box."""
        return hessian_form(self.evaluation)

    @property
    def codimension(self) -> int:
        """``d - r``: how many copies of S the Hessian in R^d has."""
        return self.dim - len(self.columns[0])

    @cached_property
    def normal_inertia(self) -> tuple[int, int] | None:
        """Inertia of ``S + V V^T``, where X is proved to have full row rank."""
        evaluation = self.evaluation
        if not isinstance(evaluation, UFMEvaluation):
            return None
        X = evaluation.X
        if inertia(X * X.transpose()) is None:
            return None
        return inertia(normal_matrix(evaluation.S, X, evaluation.scales))


def prove_index(near: Neighbourhood) -> IndexClaim | None:
    """Return the Morse index in R^d where every part of it is proved, else None."""
    if near.dim == 1:
        return None  # finitely many points have no Hessian
    parts = [near.own_index, _split_tangent_index(near), _normal_index(near)]
    known = [part for part in parts if part is not None]
    return IndexClaim(index=sum(known)) if len(known) == len(parts) else None


def prove_global_minimum(near: Neighbourhood) -> GlobalMinimumClaim | None:
    """Return the claim if ``S >= 0`` is proved at the critical point."""
    counts = near.normal_inertia
    return GlobalMinimumClaim() if counts is not None and counts[0] == 0 else None


def _repeated(problem: BallProblem) -> list[tuple[int, int]]:
    """Group and number of samples, where that is two or more."""
    counts = problem.counts if isinstance(problem, UFMBalls) else []
    return [(group, count) for group, count in enumerate(counts) if count > 1]


def _split_tangent_index(near: Neighbourhood) -> int | None:
    """Negative eigenvalues within R^r that tell equal samples apart."""
    total, evaluation = 0, near.evaluation
    if len(near.columns[0]) == 1 or not isinstance(evaluation, UFMEvaluation):
        return 0
    for group, count in _repeated(near.problem):
        scale = evaluation.scales[evaluation.problem.classes + group]
        counts = inertia(split_matrix(evaluation.split_block(group), evaluation.h[group], scale))
        if counts is None:
            return None
        total += (count - 1) * counts[0]
    return total


def _normal_index(near: Neighbourhood) -> int | None:
    """Negative eigenvalues in the ``d - r`` dimensions that the point does not use."""
    evaluation = near.evaluation
    if near.codimension == 0 or not isinstance(evaluation, UFMEvaluation):
        return 0
    if near.normal_inertia is None:
        return None
    each = near.normal_inertia[0]
    for group, count in _repeated(near.problem):
        beta = evaluation.multipliers[evaluation.problem.classes + group]
        if beta > 0:
            each += count - 1
        elif not beta < 0:
            return None
    return near.codimension * each
