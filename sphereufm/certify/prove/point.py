"""Prove what can be proved at a point: the claims that fit, from the sharpest to the plainest, at rising precision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from sphereufm.certify.balls import BallProblem, UFMBalls, precision, unit_columns
from sphereufm.certify.certificate import (
    BenignClaim,
    Certificate,
    Claim,
    CriticalClaim,
    ExactInstance,
    ExactPoint,
    ExpressionInstance,
    Groups,
    RankOneClaim,
    WellClassifiedClaim,
)
from sphereufm.certify.prove.candidate import (
    LEVELS,
    PRODUCER,
    SADDLE_RADIUS,
    Candidate,
    as_candidate,
    exact_columns,
    likely_ranks,
    own_space,
)
from sphereufm.certify.prove.critical import prove_critical
from sphereufm.certify.prove.expression import columns_of
from sphereufm.certify.prove.expression_balls import ExpressionBalls
from sphereufm.certify.prove.families import prove_collapsed, prove_least_loss
from sphereufm.certify.prove.gap import prove_shifts
from sphereufm.certify.prove.index import Neighbourhood, prove_global_minimum, prove_index
from sphereufm.certify.prove.lower import prove_degenerate, prove_spurious
from sphereufm.certify.prove.saddle import prove_strict_saddle

# Entries of a point up to which samples that look equal are tried apart as well; a checker would not take more.
LARGEST = 800
# Lead of the own cosine that counts as well classified.
_CLEAR = 1e-6


def prove_point(
    instance: ExactInstance,
    X: ArrayLike | ExactPoint,
    *,
    lower: ArrayLike | ExactPoint | None = None,
    max_precision: int = 512,
) -> Certificate:
    """Prove what can be proved at a point near a critical point.

    Parameters
    ----------
    instance : ExactInstance
    X : array_like, shape (r, K + N) or (d, K + N), or ExactPoint
        Near a critical point (within about 1e-6); rank and equal samples are read from it.
    lower : array_like or ExactPoint, optional
        A point of lower cost, for the claims that a local minimiser is spurious and that a point is degenerate.
    max_precision : int
        The precision starts at 128 bits and doubles up to this.

    Returns
    -------
    Certificate
        A *candidate*: only a checker's acceptance makes a claim PROVED. Its ``reason`` says what stayed
        undecided; hard points give a certificate with few claims or none, never an exception.

    Raises
    ------
    InvalidInputError
        If a shape does not fit the instance, or an entry is not finite.

    Examples
    --------
    >>> instance = ExactInstance(classes=2, dim=3, class_sizes=(1, 1), tau=Fraction(1))
    >>> certificate = prove_point(instance, [[1, -1, 1, -1], [0, 0, 0, 0], [0, 0, 0, 0]])
    >>> [type(claim).__name__ for claim in certificate.claims]
    ['RankOneClaim', 'IndexClaim', 'GlobalMinimumClaim']
    """
    candidate = as_candidate(instance, X)
    below = None if lower is None else _lower_point(instance, lower)
    best = Certificate(
        instance=instance, point=None, claims=(), reason="no claim fits this point", producer=PRODUCER
    )
    for bits, digits in LEVELS:
        if bits > max_precision:
            break
        with precision(bits):
            for certificate in _attempts(instance, X, candidate, below, bits, digits):
                if not certificate.reason:
                    return certificate
                best = max(best, certificate, key=_worth)
        if best.point is None and bits > LEVELS[0][0]:
            break
    return best


def prove_gap(
    instance: ExactInstance | ExpressionInstance, X: ArrayLike | ExactPoint, *, max_precision: int = 512
) -> Certificate:
    """Bound how far the cost at any point lies above the global minimum.

    ``X``, shape ``(r, K + N)`` or ``(d, M)`` of an expression, or ExactPoint: any point; its columns are divided by
    their lengths.  Samples with equal features to the last bit are merged.  ``max_precision``: as in
    :func:`prove_point`.  Result: with a ``GapClaim``, in the cost's unit, where the cost is convex in the Gram matrix;
    a candidate until checked.  Raises InvalidInputError if the shape does not fit the instance, or an entry is not
    finite.
    """
    problem: BallProblem
    if isinstance(instance, ExpressionInstance):
        point = ExactPoint(columns=columns_of("X", instance, X))
        problem = ExpressionBalls(instance)
    else:
        candidate = as_candidate(instance, X, tolerance=0.0)
        point = ExactPoint(columns=exact_columns(candidate.columns), groups=candidate.groups)
        problem = UFMBalls(instance, candidate.groups)
    for bits, _ in LEVELS if problem.is_convex else ():
        if bits > max_precision:
            break
        with precision(bits):
            found = prove_shifts(problem, point.columns)
            if found is not None:
                point = replace(point, scales=found[1])
                return Certificate(
                    instance=instance, point=point, claims=(found[0],), precision=bits, producer=PRODUCER
                )
    reason = "no shift was proved to make the multiplier matrix positive"
    if not problem.is_convex:
        reason = "the cost is not known to be convex in the Gram matrix"
    return Certificate(instance=instance, point=point, claims=(), reason=reason, producer=PRODUCER)


def prove_benign(instance: ExactInstance) -> Certificate:
    """State a theorem for an instance: every critical point is a global minimiser or a strict saddle.

    Result: with a ``BenignClaim`` of Theorem S if ``K >= 2`` and ``d >= max(K, 3)``, of Theorem E if ``d = K
    - 1 >= 3`` and ``tau <= (K - 2) / 2``; else without claims, and a reason.  It rests on a theorem, not on
    an enumeration.
    """
    found = _theorem(instance)
    claims = () if found is None else (BenignClaim(theorem=found[0], formal=found[1]),)
    reason = "" if found else "no theorem's hypotheses hold (S: dim >= max(classes, 3); E, C: docs/theory.md)"
    return Certificate(instance=instance, point=None, claims=claims, reason=reason, producer=PRODUCER)


def _theorem(instance: ExactInstance) -> tuple[str, str] | None:
    """Theorem and formal statement that may speak of an instance; whether its hypotheses hold is checked in balls."""
    K, d, tau = instance.classes, instance.dim, instance.tau
    parameters = dict(instance.parameters)
    if K < 2:
        return None
    if instance.loss in ("cross-entropy", "cosine-margin"):
        if d >= max(K, 3):
            return "S", "benign_S"
        edge = instance.loss == "cross-entropy" and d == K - 1 >= 3 and 2 * tau <= K - 2
        return ("E", "benign_E") if edge else None
    eps = parameters.get("smoothing")
    if eps and d >= max(K, 3) and np.expm1(2 * float(tau)) < K * (1 - eps) / eps:
        return "C", "benign_smoothed"
    if instance.loss == "logistic" and d > K:
        return "C", "benign_one_against_all"
    below = instance.loss == "squared-error" and tau < parameters["target"]
    return ("C", "benign_squared") if below and d > K else None


def _worth(certificate: Certificate) -> int:
    """Order certificates that leave something open."""
    return 2 * len(certificate.claims) + (certificate.point is not None)


def _attempts(
    instance: ExactInstance,
    X: ArrayLike | ExactPoint,
    candidate: Candidate,
    lower: ExactPoint | None,
    bits: int,
    digits: int,
) -> Iterator[Certificate]:
    """Yield certificates at one precision, the likeliest to succeed first."""
    merged = [candidate]
    every = candidate.columns.shape[0] * (instance.classes + instance.samples)
    if candidate.groups is not None and not isinstance(X, ExactPoint) and every <= LARGEST:
        merged.append(as_candidate(instance, X, tolerance=-1.0))
    for version in merged:
        problem = UFMBalls(instance, version.groups)
        plain = instance.loss == "cross-entropy"
        if plain and instance.dim == 2 and lower is not None:
            below = UFMBalls(instance, lower.groups)
            flat = prove_degenerate(problem, version.columns, version.groups, below, lower)
            if flat is not None:
                yield _certificate(instance, flat[0], (flat[1],), bits, "", np.log(instance.classes))
        least = prove_least_loss(instance, version.columns, version.groups)
        if least is not None:
            level = float(problem.at(unit_columns(least[0].columns)).cost)
            yield _certificate(instance, least[0], (least[1],), bits, "", level)
        if problem.loss.shift_invariant and instance.dim >= 3 and likely_ranks(version.columns)[0] > 1:
            member = prove_collapsed(problem, version.columns, version.groups)
            if member is not None:
                level = float(problem.at(unit_columns(member[0].columns)).cost)
                yield _certificate(instance, member[0], (member[1],), bits, "", level)
        for rank in likely_ranks(version.columns):
            certificate = _claims_of_rank(instance, version, rank, lower, bits, digits)
            if certificate is not None:
                yield certificate
    yield _saddle_only(instance, candidate, bits)


def _claims_of_rank(
    instance: ExactInstance, version: Candidate, rank: int, lower: ExactPoint | None, bits: int, digits: int
) -> Certificate | None:
    """Prove an exact critical point of a given rank near a candidate, and everything that follows."""
    problem, columns = UFMBalls(instance, version.groups), own_space(version.columns, rank)
    if rank == 1:
        signs = exact_columns(np.sign(columns))
        near = Neighbourhood(
            problem=problem, columns=signs, radius=Fraction(0), dim=instance.dim, own_index=0
        )
        return _claims_at(instance, near, RankOneClaim(), version.groups, lower, bits)
    found = prove_critical(problem, columns, digits)
    if found is None:
        return None
    near = Neighbourhood(
        problem=problem,
        columns=found.columns,
        radius=found.claim.radius,
        dim=instance.dim,
        own_index=found.index,
        scales=found.scales,
    )
    return _claims_at(instance, near, found.claim, version.groups, lower, bits)


def _claims_at(
    instance: ExactInstance,
    near: Neighbourhood,
    existence: CriticalClaim | RankOneClaim,
    groups: Groups | None,
    lower: ExactPoint | None,
    bits: int,
) -> Certificate:
    """Prove everything that follows once a critical point exists."""
    index = prove_index(near)
    saddle = prove_strict_saddle(near) if index is None or index.index > 0 else None
    minimum = prove_global_minimum(near) if index is None or index.index == 0 else None
    spurious = None
    if index is not None and index.index == 0 and minimum is None and lower is not None:
        spurious = prove_spurious(near, UFMBalls(instance, lower.groups), lower)
    # a global minimiser at the edge has the shorter proof, too
    well = _well_classified(instance, near, groups) if minimum is not None else None
    parts = (existence, index, saddle, minimum, spurious, well)
    claims = tuple(claim for claim in parts if claim is not None)
    reason = "" if index or saddle or minimum else "a critical point is proved, but not its index"
    point = ExactPoint(columns=near.columns, groups=groups, scales=tuple(e // 2 for e in near.exponents))
    return _certificate(instance, point, claims, bits, reason, float(near.evaluation.cost))


def _well_classified(
    instance: ExactInstance, near: Neighbourhood, groups: Groups | None
) -> WellClassifiedClaim | None:
    """Theorem F at a point, where it has something to say: above the temperatures of Theorem E."""
    K = instance.classes
    if instance.loss != "cross-entropy" or not instance.dim == K - 1 >= 3 or 2 * instance.tau <= K - 2:
        return None
    X = np.array([[float(x) for x in column] for column in near.columns]).T
    cosines = X[:, :K].T @ X[:, K:]
    labels = UFMBalls(instance, groups).labels
    own = cosines[labels, np.arange(len(labels))]
    cosines[labels, np.arange(len(labels))] = -np.inf
    clear = (own - cosines.max(axis=0)).min() > _CLEAR * (1 + float(near.radius))
    return WellClassifiedClaim(radius=near.radius) if clear else None


def _saddle_only(instance: ExactInstance, candidate: Candidate, bits: int) -> Certificate:
    """Prove negative curvature around a point whose criticality is not proved."""
    rank = likely_ranks(candidate.columns)[0]
    columns = exact_columns(own_space(candidate.columns, rank))
    problem = UFMBalls(instance, candidate.groups)
    near = Neighbourhood(problem=problem, columns=columns, radius=SADDLE_RADIUS, dim=instance.dim)
    saddle = prove_strict_saddle(near)
    claims = () if saddle is None else (saddle,)
    reason = "no critical point is proved here: Newton's method or Krawczyk's test failed (a degenerate point, or none)"
    point = ExactPoint(columns=columns, groups=candidate.groups)
    return _certificate(instance, point, claims, bits, reason, float(near.evaluation.cost))


def _lower_point(instance: ExactInstance, lower: ArrayLike | ExactPoint) -> ExactPoint:
    """Return a lower point in exact numbers, equal samples merged."""
    if isinstance(lower, ExactPoint):
        return lower
    candidate = as_candidate(instance, lower)
    return ExactPoint(columns=exact_columns(candidate.columns), groups=candidate.groups)


def _certificate(
    instance: ExactInstance, point: ExactPoint, claims: tuple[Claim, ...], bits: int, reason: str, cost: float
) -> Certificate:
    """Fill in what every certificate carries."""
    hint = float(cost) if np.isfinite(cost) else None
    return Certificate(
        instance=instance,
        point=point,
        claims=claims,
        precision=bits,
        cost=hint,
        reason=reason,
        producer=PRODUCER,
    )
