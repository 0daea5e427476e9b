"""Prove what can be proved at a point: the claims that fit, from the sharpest to the plainest, at rising precision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from sphereufm.certify.balls import UFMBalls, precision
from sphereufm.certify.certificate import (
    BenignClaim,
    Certificate,
    Claim,
    CriticalClaim,
    ExactInstance,
    ExactPoint,
    RankOneClaim,
)
from sphereufm.certify.prove.candidate import (
    LEVELS,
    PRODUCER,
    SADDLE_RADIUS,
    SAME_POINT,
    Array,
    Candidate,
    as_candidate,
    exact_columns,
    likely_ranks,
    own_space,
)
from sphereufm.certify.prove.collapsed import prove_collapsed
from sphereufm.certify.prove.critical import prove_critical, refine
from sphereufm.certify.prove.degenerate import prove_degenerate
from sphereufm.certify.prove.gap import prove_shifts
from sphereufm.certify.prove.gauge import Columns
from sphereufm.certify.prove.index import Neighbourhood, prove_global_minimum, prove_index
from sphereufm.certify.prove.saddle import prove_strict_saddle
from sphereufm.certify.prove.spurious import prove_spurious

__all__ = ["prove_benign", "prove_gap", "prove_point"]

# Entries of a point up to which samples that look equal are tried apart as well; a checker would not take more.
LARGEST = 800


@dataclass(frozen=True, kw_only=True)
class _Located:
    """A point that is proved critical, and its index in its own space."""

    point: ExactPoint
    existence: CriticalClaim | RankOneClaim
    radius: Fraction
    index: int


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


def prove_gap(instance: ExactInstance, X: ArrayLike | ExactPoint, *, max_precision: int = 512) -> Certificate:
    """Bound how far the cost at any point lies above the global minimum.

    Parameters
    ----------
    instance : ExactInstance
    X : array_like, shape (r, K + N), or ExactPoint
        Any point; its columns are divided by their lengths. Samples with equal features to the last bit are merged.
    max_precision : int
        As in :func:`prove_point`.

    Returns
    -------
    Certificate
        With a ``GapClaim``, in nats; a candidate until checked.

    Raises
    ------
    InvalidInputError
        If the shape does not fit the instance, or an entry is not finite.

    Examples
    --------
    >>> instance = ExactInstance(classes=2, dim=2, class_sizes=(1, 1), tau=Fraction(1))
    >>> certificate = prove_gap(instance, [[1, -1, 1, -1], [0, 0, 0, 0]])
    >>> 0 <= certificate.claims[0].gap < 1e-12
    True
    """
    candidate = as_candidate(instance, X, tolerance=0.0)
    point = ExactPoint(columns=exact_columns(candidate.columns), groups=candidate.groups)
    problem = UFMBalls(instance, candidate.groups)
    for bits, _ in LEVELS:
        if bits > max_precision:
            break
        with precision(bits):
            claim = prove_shifts(problem, point.columns)
            if claim is not None:
                return Certificate(
                    instance=instance, point=point, claims=(claim,), precision=bits, producer=PRODUCER
                )
    reason = "no shift was proved to make the multiplier matrix positive"
    return Certificate(instance=instance, point=point, claims=(), reason=reason, producer=PRODUCER)


def prove_benign(instance: ExactInstance) -> Certificate:
    """State Theorem S or E for an instance: every critical point is a global minimiser or a strict saddle.

    Parameters
    ----------
    instance : ExactInstance

    Returns
    -------
    Certificate
        With a ``BenignClaim`` (basis BY_THEOREM) of Theorem S if ``d >= max(K, 3)``, of Theorem E if ``d = K - 1 >= 3``
        and ``2 tau <= K - 2``; else without claims, and a reason. It rests on a theorem, not on an enumeration.

    Examples
    --------
    >>> prove_benign(ExactInstance(classes=3, dim=3, class_sizes=(5, 0, 2), tau=Fraction(7))).claims
    (BenignClaim(theorem='S', basis='BY_THEOREM'),)
    >>> prove_benign(ExactInstance(classes=4, dim=3, class_sizes=(1, 1, 1, 1), tau=Fraction(1))).claims
    (BenignClaim(theorem='E', basis='BY_THEOREM'),)
    """
    K, d = instance.classes, instance.dim
    claims: tuple[Claim, ...] = ()
    if K >= 2 and d >= max(K, 3):
        claims = (BenignClaim(theorem="S"),)
    elif d == K - 1 >= 3 and 2 * instance.tau <= K - 2:
        claims = (BenignClaim(theorem="E"),)
    needs = "Theorem S needs dim >= max(classes, 3), Theorem E dim = classes - 1 >= 3 and tau <= (classes - 2) / 2"
    reason = "" if claims else needs
    return Certificate(instance=instance, point=None, claims=claims, reason=reason, producer=PRODUCER)


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
        if instance.dim == 2 and lower is not None:
            below = UFMBalls(instance, lower.groups)
            flat = prove_degenerate(problem, version.columns, version.groups, below, lower)
            if flat is not None:
                yield _certificate(instance, flat[0], (flat[1],), bits, "", np.log(instance.classes))
        if instance.dim >= 3 and likely_ranks(version.columns)[0] > 1:
            member = prove_collapsed(problem, version.columns, version.groups)
            if member is not None:
                yield _certificate(instance, member[0], (member[1],), bits, "", np.log(instance.classes))
        for rank in likely_ranks(version.columns):
            located = _locate(problem, version, rank, bits, digits)
            if located is not None:
                yield _claims_at(instance, problem, located, lower, bits)
    yield _saddle_only(instance, candidate, bits)


def _locate(problem: UFMBalls, version: Candidate, rank: int, bits: int, digits: int) -> _Located | None:
    """Prove an exact critical point of a given rank near a candidate."""
    columns = own_space(version.columns, rank)
    if rank == 1:
        signs = exact_columns(np.sign(columns))
        return _Located(
            point=ExactPoint(columns=signs, groups=version.groups),
            existence=RankOneClaim(),
            radius=Fraction(0),
            index=0,
        )
    centre = refine(problem, columns, digits, bits)
    if centre is None or _distance(centre, columns) > SAME_POINT:
        return None
    found = prove_critical(problem, centre)
    if found is None:
        return None
    claim, index = found
    point = ExactPoint(columns=centre, groups=version.groups)
    return _Located(point=point, existence=claim, radius=claim.radius, index=index)


def _distance(centre: Columns, columns: Array) -> float:
    """Largest difference in an entry."""
    return float(np.abs(ExactPoint(columns=centre).array - columns).max())


def _claims_at(
    instance: ExactInstance, problem: UFMBalls, located: _Located, lower: ExactPoint | None, bits: int
) -> Certificate:
    """Prove everything that follows once a critical point exists."""
    near = Neighbourhood(
        problem=problem,
        columns=located.point.columns,
        radius=located.radius,
        dim=instance.dim,
        own_index=located.index,
    )
    index = prove_index(near)
    saddle = prove_strict_saddle(near) if index is None or index.index > 0 else None
    minimum = prove_global_minimum(near) if index is None or index.index == 0 else None
    spurious = None
    if index is not None and index.index == 0 and minimum is None and lower is not None:
        spurious = prove_spurious(near, UFMBalls(instance, lower.groups), lower)
    parts = (located.existence, index, saddle, minimum, spurious)
    claims = tuple(claim for claim in parts if claim is not None)
    reason = "" if index or saddle or minimum else "a critical point is proved, but not its index"
    return _certificate(instance, located.point, claims, bits, reason, float(near.evaluation.cost))


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
