"""Claims ``index`` and ``global_minimum`` at an exact critical point within a known radius (Lemmas 6 to 8)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from flint import arb, arb_mat

from sphereufm.certify.balls import BallEvaluation, BallProblem, UFMEvaluation, box
from sphereufm.certify.certificate import GlobalMinimumClaim, IndexClaim
from sphereufm.certify.prove.gauge import Columns
from sphereufm.certify.prove.inertia import hessian_form, inertia, normal_matrix, split_matrix
from sphereufm.certify.witness import Witness


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """The box in which a critical point is known to lie, and what was computed there."""

    problem: BallProblem
    columns: Columns  #: centre
    radius: Fraction  #: in every entry; zero for exact points
    dim: int  #: d, the dimension of the instance
    #: Negative eigenvalues of the merged Hessian in R^r, where the proof of existence gave them.
    own_index: int | None = None
    #: ``k_j`` of the units ``4^(k_j)`` in which claims about the point are stated.
    scales: tuple[int, ...] | None = None

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
    def normal_inertia(self) -> Witness | None:
        """Inertia of ``S + V V^T``, where the kernel of S is proved to be the row space of X."""
        evaluation = self.evaluation
        return inertia(normal_matrix(evaluation.S, evaluation.X, self.exponents))

    @property
    def exponents(self) -> list[int]:
        """Exponents of the scales of columns: those of the point, or of the evaluation."""
        return self.evaluation.scales if self.scales is None else [2 * k for k in self.scales]


def prove_index(near: Neighbourhood) -> IndexClaim | None:
    """Return the Morse index in R^d where every part of it is proved, else None."""
    if near.dim == 1 or near.own_index is None:
        return None  # finitely many points have no Hessian
    total, found = near.own_index, list[Witness]()
    evaluation = near.evaluation
    if not isinstance(evaluation, UFMEvaluation):
        return IndexClaim(index=total)
    repeated = [(g, m) for g, m in enumerate(evaluation.problem.counts) if m > 1]
    for group, count in repeated if len(near.columns[0]) > 1 else ():
        block = [[count * x for x in row] for row in evaluation.split_block(group)]
        scale = near.exponents[evaluation.problem.classes + group]
        part = inertia(split_matrix(block, evaluation.h[group], scale))
        if part is None:
            return None
        total += (count - 1) * part.minus
        found.append(part)
    if near.codimension:
        part = near.normal_inertia
        signs = [_sign(evaluation.multipliers[evaluation.problem.classes + g]) for g, _ in repeated]
        if part is None or 0 in signs:
            return None
        total += near.codimension * part.minus
        total += near.codimension * sum(m - 1 for s, (_, m) in zip(signs, repeated, strict=True) if s > 0)
        found.append(part)
    return IndexClaim(index=total, witness=tuple(found))


def prove_global_minimum(near: Neighbourhood) -> GlobalMinimumClaim | None:
    """Return the claim if ``S >= 0`` is proved at the critical point."""
    found = near.normal_inertia if near.problem.is_convex else None
    return None if found is None or found.minus else GlobalMinimumClaim(witness=(found,))


def _sign(x: arb) -> int:
    """Proved sign of a ball, zero where there is none."""
    return int(x > 0) - int(x < 0)
