"""Prove what can be proved at a point: the claims that fit, from the sharpest to the plainest, at rising precision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sphereufm.certify.certificate import (
    BenignClaim,
    Certificate,
    Claim,
    CollapsedClaim,
    CriticalClaim,
    DegenerateClaim,
    ExactPoint,
    Groups,
    LeastLossClaim,
    RankOneClaim,
)
from sphereufm.certify.checker.claims import is_convex
from sphereufm.certify.checker.kernel import Undecided
from sphereufm.certify.checker.losses import THEOREMS, applies
from sphereufm.certify.checker.place import Place
from sphereufm.certify.instances import Instance
from sphereufm.certify.prove.attempts import attempt, place, precision
from sphereufm.certify.prove.candidate import (
    LEVELS,
    PRODUCER,
    SADDLE_RADIUS,
    Candidate,
    as_candidate,
    exact_columns,
    exact_point,
    likely_ranks,
    own_space,
)
from sphereufm.certify.prove.critical import prove_critical
from sphereufm.certify.prove.families import (
    Member,
    prove_collapsed,
    prove_equal_features,
    prove_frame,
    prove_least_loss,
)
from sphereufm.certify.prove.follows import (
    prove_degenerate,
    prove_index,
    prove_minimum,
    prove_spurious,
    prove_well_classified,
)
from sphereufm.certify.prove.gap import prove_shifts
from sphereufm.certify.prove.saddle import prove_strict_saddle

# Entries of a point up to which existence is tried: a checker would not take more, and the system's matrix is dense.
LARGEST = 900


def prove_point(
    instance: Instance,
    X: ArrayLike | ExactPoint,
    *,
    lower: ArrayLike | ExactPoint | None = None,
    max_precision: int = 512,
) -> Certificate:
    """Prove what can be proved at a point near a critical point, of a loss or of a cost of one's own.

    Parameters
    ----------
    instance : ExactInstance or ExpressionInstance
    X : array_like, shape (r, M) or (d, M), or ExactPoint
        Near a critical point (within about 1e-6), ``M = K + N``; rank and equal samples are read from it. For an
        expression all d rows are needed, and points of rank below ``d - 1`` of a cost of Gram entries are
        degenerate: state the problem in a smaller ``d``.
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
    >>> from sphereufm.certify import ExactInstance, ExpressionInstance
    >>> instance = ExactInstance(classes=2, dim=3, class_sizes=(1, 1), tau=Fraction(1))
    >>> certificate = prove_point(instance, [[1, -1, 1, -1], [0, 0, 0, 0], [0, 0, 0, 0]])
    >>> [type(claim).__name__ for claim in certificate.claims]
    ['RankOneClaim', 'IndexClaim', 'GlobalMinimumClaim']
    >>> cut = ExpressionInstance(dim=2, columns=2, program=(("gram", 0, 1),))
    >>> [type(claim).__name__ for claim in prove_point(cut, [[1, -1], [0, 0]]).claims]
    ['CriticalClaim', 'IndexClaim', 'GlobalMinimumClaim']
    """
    candidate = as_candidate(instance, X)
    below = None if lower is None else _lower_point(instance, lower)
    best = Certificate(
        instance=instance, point=None, claims=(), reason="no claim fits this point", producer=PRODUCER
    )
    for bits, digits in [level for level in LEVELS if level[0] <= max_precision]:
        with precision(bits) as B:
            try:
                for certificate in _attempts(B, instance, X, candidate, below, digits):
                    if not certificate.reason:
                        return certificate
                    best = max(best, certificate, key=_worth)
            except Undecided as why:
                return replace(best, reason=f"the cost or its gradient is not finite at this point: {why}")
        if best.point is None and bits > LEVELS[0][0]:
            break
    return best


def prove_gap(instance: Instance, X: ArrayLike | ExactPoint, *, max_precision: int = 512) -> Certificate:
    """Bound how far the cost at any point lies above the global minimum.

    Parameters
    ----------
    instance : ExactInstance or ExpressionInstance
        Convex in the Gram matrix.
    X : array_like, shape (r, K + N) or (d, M), or ExactPoint
        Any point; its columns are divided by their lengths. Samples with equal features to the last bit are merged.
    max_precision : int
        As in :func:`prove_point`.

    Returns
    -------
    Certificate
        With a ``GapClaim``, in the unit of the cost; a candidate until checked.

    Raises
    ------
    InvalidInputError
        If the shape does not fit the instance, or an entry is not finite.

    Examples
    --------
    >>> from sphereufm.certify import ExactInstance
    >>> instance = ExactInstance(classes=2, dim=2, class_sizes=(1, 1), tau=Fraction(1))
    >>> certificate = prove_gap(instance, [[1, -1, 1, -1], [0, 0, 0, 0]])
    >>> 0 <= certificate.claims[0].gap < 1e-12
    True
    """
    candidate = as_candidate(instance, X, tolerance=0.0)
    point = exact_point(candidate.columns, candidate.groups)
    convex = is_convex(instance.problem)
    for bits, _ in [level for level in LEVELS if level[0] <= max_precision and convex]:
        with precision(bits) as B:
            at = attempt(place, B, instance, point.columns, point.groups)
            claim = None if at is None else attempt(prove_shifts, at)
            if at is not None and claim is not None:
                point = replace(point, scales=tuple(at.point.scales))
                return Certificate(
                    instance=instance, point=point, claims=(claim,), precision=bits, producer=PRODUCER
                )
    reason = "no shift was proved to make the multiplier matrix positive"
    if not convex:
        reason = "the cost is not known to be convex in the Gram matrix"
    return Certificate(instance=instance, point=point, claims=(), reason=reason, producer=PRODUCER)


def prove_benign(instance: Instance) -> Certificate:
    """State a theorem for an instance: every critical point is a global minimiser or a strict saddle.

    Result: with a ``BenignClaim`` of the first theorem whose hypotheses hold (docs/certificates.md, 5.10),
    such as Theorem S for cross-entropy with ``K >= 2`` and ``d >= max(K, 3)``; else without claims, and a
    reason.  It rests on a theorem, not on an enumeration.
    """
    with precision(LEVELS[0][0]) as B:
        found = [formal for formal in THEOREMS if applies(B, instance.problem, formal)]
    claims = tuple(BenignClaim(theorem=THEOREMS[formal][0], formal=formal) for formal in found[:1])
    reason = (
        "" if claims else "no theorem's hypotheses hold (S: dim >= max(classes, 3); E, C: docs/theory.md)"
    )
    return Certificate(instance=instance, point=None, claims=claims, reason=reason, producer=PRODUCER)


def _worth(certificate: Certificate) -> int:
    """Order certificates that leave something open."""
    return 2 * len(certificate.claims) + (certificate.point is not None)


def _attempts(
    B: Any,
    instance: Instance,
    X: ArrayLike | ExactPoint,
    candidate: Candidate,
    lower: ExactPoint | None,
    digits: int,
) -> Iterator[Certificate]:
    """Yield certificates at one precision, the likeliest to succeed first."""
    versions, p = [candidate], instance.problem
    every = candidate.columns.shape[0] * (p.classes + len(p.labels))
    if candidate.groups is not None and not isinstance(X, ExactPoint) and every <= LARGEST:
        versions.append(as_candidate(instance, X, tolerance=-1.0))
    for version in versions:
        if p.classes:
            yield from _member(B, instance, prove_degenerate(B, instance, version, lower))
        for prove in (prove_least_loss, prove_equal_features, prove_collapsed) if p.classes else ():
            yield from _member(B, instance, prove(B, instance, version.columns, version.groups))
        for rank in [p.dim] if p.program else likely_ranks(version.columns):
            certificate = _claims_of_rank(B, instance, version, rank, lower, digits)
            if certificate is not None:
                yield certificate
        # where no isolated point is: its frames are continua
        yield from _member(B, instance, prove_frame(B, instance, version.columns, version.groups))
    yield _saddle_only(B, instance, candidate)


def _member(B: Any, instance: Instance, found: Member) -> Iterator[Certificate]:
    """Yield the certificate of a member of a family, a point and its claim; a saddle may need a direction."""
    if found is None:
        return
    point, claim = found
    at = place(B, instance, point.columns, point.groups, point.scales)
    alone = isinstance(claim, LeastLossClaim | CollapsedClaim | DegenerateClaim)
    saddle = None if alone else attempt(prove_strict_saddle, at, SADDLE_RADIUS)
    if alone or saddle is not None:
        yield _certificate(at, instance, point, [claim, saddle])


def _claims_of_rank(
    B: Any, instance: Instance, version: Candidate, rank: int, lower: ExactPoint | None, digits: int
) -> Certificate | None:
    """Prove an exact critical point of a given rank near a candidate, and everything that follows."""
    columns = own_space(version.columns, rank)
    if rank == 1 and not instance.problem.program:
        at = place(B, instance, exact_columns(np.sign(columns)), version.groups)
        return _claims_at(instance, at, RankOneClaim(), version.groups, lower)
    if columns.size > LARGEST:
        return None
    start = place(B, instance, exact_columns(columns), version.groups)
    finite = all(x.is_finite() for column in start.around(0).unit.gradient for x in column)
    found = attempt(prove_critical, start, digits) if finite else None
    return None if found is None else _claims_at(instance, *found, version.groups, lower)


def _claims_at(
    instance: Instance,
    at: Place,
    existence: CriticalClaim | RankOneClaim,
    groups: Groups | None,
    lower: ExactPoint | None,
) -> Certificate:
    """Prove everything that follows once a critical point exists."""
    radius, own = Fraction(0), 0
    if isinstance(existence, CriticalClaim):
        radius, own = existence.radius, existence.witness[0].minus
    index = prove_index(at, radius, own)
    saddle = prove_strict_saddle(at, radius) if index is None or index.index > 0 else None
    minimum = prove_minimum(at, radius) if index is None or index.index == 0 else None
    spurious = None
    if index is not None and index.index == 0 and minimum is None and lower is not None:
        spurious = prove_spurious(at, radius, instance, lower)
    # a global minimiser at the edge has the shorter proof, too
    well = prove_well_classified(at, radius) if minimum is not None else None
    claims = (existence, index, saddle, minimum, spurious, well)
    reason = "" if index or saddle or minimum else "a critical point is proved, but not its index"
    return _certificate(at, instance, _written(at, groups), claims, reason)


def _saddle_only(B: Any, instance: Instance, candidate: Candidate) -> Certificate:
    """Prove negative curvature around a point whose criticality is not proved."""
    rank = instance.dim if instance.problem.program else likely_ranks(candidate.columns)[0]
    columns = exact_columns(own_space(candidate.columns, rank))
    at = place(B, instance, columns, candidate.groups)
    saddle = attempt(prove_strict_saddle, at, SADDLE_RADIUS)
    why = "Newton's method or Krawczyk's test failed (a degenerate point, or none)"
    if at.point.rank * len(columns) > LARGEST:
        why = f"its {at.point.rank * len(columns)} entries are more than the {LARGEST} for which it is tried"
    reason = f"no critical point is proved here: {why}"
    return _certificate(at, instance, _written(at, candidate.groups), [saddle], reason)


def _written(at: Place, groups: Groups | None) -> ExactPoint:
    """The point as a certificate states it."""
    columns = tuple(map(tuple, at.point.columns))
    return ExactPoint(columns=columns, groups=groups, scales=tuple(at.point.scales))


def _lower_point(instance: Instance, lower: ArrayLike | ExactPoint) -> ExactPoint:
    """Return a lower point in exact numbers, equal samples merged."""
    if isinstance(lower, ExactPoint):
        return lower
    candidate = as_candidate(instance, lower)
    return exact_point(candidate.columns, candidate.groups)


def _certificate(
    at: Place, instance: Instance, point: ExactPoint, claims: Iterable[Claim | None], reason: str = ""
) -> Certificate:
    """Fill in what every certificate carries; claims that were not proved are left out."""
    cost = float(at.around(0).unit.cost)
    return Certificate(
        instance=instance,
        point=point,
        claims=tuple(claim for claim in claims if claim is not None),
        precision=at.B.bits,
        cost=cost if np.isfinite(cost) else None,
        reason=reason,
        producer=PRODUCER,
    )
