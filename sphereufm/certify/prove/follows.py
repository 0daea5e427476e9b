"""What follows at an exact critical point: index, global minimum, a lower point (docs/proofs.md, Lemmas 6 to 8, 11)."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb

from sphereufm.certify.certificate import (
    DegenerateClaim,
    ExactPoint,
    GlobalMinimumClaim,
    IndexClaim,
    SpuriousClaim,
    WellClassifiedClaim,
)
from sphereufm.certify.checker.claims import is_convex
from sphereufm.certify.checker.families import lies_flat, well_classified
from sphereufm.certify.checker.kernel import Undecided
from sphereufm.certify.checker.place import Place
from sphereufm.certify.exact import round_dyadic
from sphereufm.certify.instances import Instance
from sphereufm.certify.prove.attempts import attempt, box_cost, dyadic, grouped
from sphereufm.certify.prove.candidate import Candidate, exact_point
from sphereufm.certify.prove.gap import positive
from sphereufm.certify.prove.inertia import inertia

NEAR = 1e-6


def prove_index(at: Place, radius: Fraction, own: int) -> IndexClaim | None:
    """Return the Morse index in R^d where every part of it is proved, else None.

    ``own`` are the negative eigenvalues of the merged Hessian in R^r, as the proof of existence counts them.
    """
    if at.p.dim == 1:
        return None  # finitely many points have no Hessian
    r, e, total, found = at.point.rank, at.around(radius).unit, own, []
    for j, (_, m, _) in enumerate(at.point.groups, at.p.classes):
        if m > 1 and r > 1:
            part = inertia(at.B, at.split_block(e, j))
            if part is None:
                return None
            total += (m - 1) * part.minus
            found.append(part)
    if r < at.p.dim:
        below, T = attempt(at.multiplier_matrix, e) or (0, None)
        part = None if T is None else inertia(at.B, T)
        if part is None:
            return None
        total += (at.p.dim - r) * (below + part.minus)
        found.append(part)
    return IndexClaim(index=total, witness=tuple(found))


def prove_minimum(at: Place, radius: Fraction) -> GlobalMinimumClaim | None:
    """Return the claim if ``S >= 0`` is proved; where the cost is not convex in the Gram matrix, S says nothing."""
    found = positive(at, at.around(radius).unit) if is_convex(at.p) else None
    return None if found is None else GlobalMinimumClaim(witness=(found,))


def prove_well_classified(at: Place, radius: Fraction) -> WellClassifiedClaim | None:
    """Theorem F at a point, where it has something to say: above the temperatures of Theorem E."""
    if at.p.program or at.p.bias or 2 * max(at.p.taus) <= at.p.classes - 2:
        return None
    try:
        well_classified(at, {"radius": radius})
    except Undecided:
        return None
    return WellClassifiedClaim(radius=radius)


def prove_spurious(
    at: Place, radius: Fraction, instance: Instance, lower: ExactPoint
) -> SpuriousClaim | None:
    """Return the claim if the normalised ``lower`` is proved to lie below every point of the box."""
    margin = _below(at.around(radius).unit.cost - box_cost(at.B, instance, lower))
    return SpuriousClaim(lower_point=lower, margin=margin) if margin > 0 else None


def _below(value: arb) -> Fraction:
    """Return a short dyadic number a little below a positive ball; zero where it is not proved positive."""
    if not value > 0:
        return Fraction(0)
    exact = dyadic(value.lower())
    return round_dyadic(exact - exact / 64, 24)


def prove_degenerate(
    B: Any, instance: Instance, candidate: Candidate, lower: ExactPoint | None
) -> tuple[ExactPoint, DegenerateClaim] | None:
    """Return the exact point near the candidate's columns, with equal classifiers and features orthogonal to them."""
    columns, groups, p = candidate.columns, candidate.groups, instance.problem
    K = p.classes
    if lower is None or not lies_flat(p) or not p.dim == columns.shape[0] == 2 <= K:
        return None
    if np.abs(columns[:, :K] - columns[:, :1]).max() > NEAR:
        return None
    w = columns[:, 0] / np.linalg.norm(columns[:, 0])
    along, across = np.array([w, [-w[1], w[0]]]) @ columns[:, K:]
    if np.abs(along).max() > NEAR:
        return None
    signs, sums = np.sign(across).astype(int), [Fraction(0)] * K
    for (y, size, i), sign in zip(grouped(p, groups), signs.tolist(), strict=True):
        sums[y] += size * p.weights[i] * p.taus[i] * sign
    point = np.zeros_like(columns)
    point[0, :K], point[1, K:] = 1.0, signs
    exact = exact_point(point, groups)
    costs = box_cost(B, instance, exact), box_cost(B, instance, lower)
    margin = _below(costs[0] - costs[1]) if len({*sums}) == 1 else 0
    return (exact, DegenerateClaim(lower_point=lower, margin=Fraction(margin))) if margin > 0 else None
