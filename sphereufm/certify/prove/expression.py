"""Prove what can be proved at a point of a user's own cost, an expression (docs/certificates.md, section 6)."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from sphereufm.certify.balls import precision
from sphereufm.certify.certificate import Certificate, Claim, ExactPoint, ExpressionInstance
from sphereufm.certify.prove.candidate import LEVELS, PRODUCER, SADDLE_RADIUS, exact_columns
from sphereufm.certify.prove.critical import prove_critical
from sphereufm.certify.prove.expression_balls import ExpressionBalls
from sphereufm.certify.prove.gauge import Columns
from sphereufm.certify.prove.index import Neighbourhood, prove_global_minimum, prove_index
from sphereufm.certify.prove.lower import prove_spurious
from sphereufm.certify.prove.saddle import prove_strict_saddle
from sphereufm.errors import InvalidInputError, check_array


def prove_expression(
    instance: ExpressionInstance,
    X: ArrayLike | ExactPoint,
    *,
    lower: ArrayLike | ExactPoint | None = None,
    max_precision: int = 512,
) -> Certificate:
    """Prove what can be proved near a critical point of a cost given by an expression.

    Parameters
    ----------
    instance : ExpressionInstance
    X : array_like, shape (d, M), or ExactPoint
        Near a critical point (within about 1e-6).
    lower : array_like or ExactPoint, optional
        A point of lower cost, for the claim that a local minimiser is spurious.
    max_precision : int
        The precision starts at 128 bits and doubles up to this.

    Returns
    -------
    Certificate
        A candidate, with the claims ``critical``, ``index``, ``strict_saddle``, ``spurious`` and, of a cost that is
        convex in the Gram matrix, ``global_minimum`` that hold. Points of rank below ``d - 1`` of a cost of Gram
        entries are degenerate here: state the problem in a smaller ``d``.

    Raises
    ------
    InvalidInputError
        If a shape does not fit the instance, or an entry is not finite.

    Examples
    --------
    >>> cut = ExpressionInstance(dim=2, columns=2, program=(("gram", 0, 1),))
    >>> certificate = prove_expression(cut, [[1, -1], [0, 0]])
    >>> [type(claim).__name__ for claim in certificate.claims]
    ['CriticalClaim', 'IndexClaim', 'GlobalMinimumClaim']
    """
    columns = columns_of("X", instance, X)
    below = None if lower is None else ExactPoint(columns=columns_of("lower", instance, lower))
    problem = ExpressionBalls(instance)
    best = Certificate(
        instance=instance, point=None, claims=(), reason="nothing was proved", producer=PRODUCER
    )
    for bits, digits in LEVELS:
        if bits > max_precision:
            break
        with precision(bits):
            certificate = _attempt(problem, columns, below, bits, digits)
        if not certificate.reason:
            return certificate
        if best.point is None or len(certificate.claims) > len(best.claims):
            best = certificate
    return best


def columns_of(name: str, instance: ExpressionInstance, X: ArrayLike | ExactPoint) -> Columns:
    """Check a point and return its unit columns in exact numbers."""
    array = check_array(name, X.array if isinstance(X, ExactPoint) else X, (instance.dim, instance.columns))
    lengths = np.linalg.norm(array, axis=0)
    if array.ndim != 2 or not lengths.min() > 0:
        raise InvalidInputError(
            f"{name} must be one point of nonzero columns, which are divided by their lengths"
        )
    return X.columns if isinstance(X, ExactPoint) else exact_columns(array / lengths)


def _attempt(
    problem: ExpressionBalls, columns: Columns, lower: ExactPoint | None, bits: int, digits: int
) -> Certificate:
    """Prove what one precision can."""
    here = Neighbourhood(problem=problem, columns=columns, radius=Fraction(0), dim=problem.instance.dim)
    if not all(value.is_finite() for column in here.evaluation.gradient for value in column):
        return _certificate(here, (), bits, "the cost or its gradient is not finite at this point")
    given = ExactPoint(columns=columns).array
    found = prove_critical(problem, given, digits)
    if found is None:
        near = Neighbourhood(problem=problem, columns=columns, radius=SADDLE_RADIUS, dim=problem.instance.dim)
        reason = "no critical point is proved here: Newton's method or Krawczyk's test failed"
        return _certificate(near, (prove_strict_saddle(near),), bits, reason)
    near = Neighbourhood(
        problem=problem,
        columns=found.columns,
        radius=found.claim.radius,
        dim=problem.instance.dim,
        own_index=found.index,
        scales=found.scales,
    )
    index = prove_index(near)
    saddle = prove_strict_saddle(near) if index is None or index.index > 0 else None
    minimum = prove_global_minimum(near) if index is None or index.index == 0 else None
    spurious = None
    if index is not None and index.index == 0 and minimum is None and lower is not None:
        spurious = prove_spurious(near, problem, lower)
    reason = "" if index or saddle or minimum else "a critical point is proved, but not its index"
    return _certificate(near, (found.claim, index, saddle, minimum, spurious), bits, reason)


def _certificate(near: Neighbourhood, parts: tuple[Claim | None, ...], bits: int, reason: str) -> Certificate:
    """Fill in what every certificate carries."""
    cost = float(near.evaluation.cost)
    problem = near.problem
    assert isinstance(problem, ExpressionBalls)
    return Certificate(
        instance=problem.instance,
        point=ExactPoint(columns=near.columns, scales=near.scales),
        claims=tuple(claim for claim in parts if claim is not None),
        precision=bits,
        cost=cost if np.isfinite(cost) else None,
        reason=reason,
        producer=PRODUCER,
    )
