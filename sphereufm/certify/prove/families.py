"""Claims about families: ``collapsed`` and ``least_loss``, an exact member lies near a point (Lemmas 10 and 12).

With all ``w_k = e_1``, the features of each class k must have ``sum m omega c bar(h) = t``, rows 2 .. r, for one t.
Where every sample's loss is least the classifiers stay, and each feature meets the linear conditions of its class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import takewhile
from typing import Any, TypeAlias

import numpy as np
from flint import arb_mat
from numpy.typing import NDArray

from sphereufm.certify.certificate import (
    Claim,
    CollapsedClaim,
    EqualFeaturesClaim,
    ExactPoint,
    FrameClaim,
    Groups,
    LeastLossClaim,
    SharedLossClaim,
)
from sphereufm.certify.checker.families import Conditions, collapses, floors, framed, of_classes
from sphereufm.certify.checker.kernel import applied
from sphereufm.certify.checker.place import Place
from sphereufm.certify.instances import Instance
from sphereufm.certify.prove.attempts import attempt, dyadic, grouped, place
from sphereufm.certify.prove.candidate import SADDLE_RADIUS, exact_columns, exact_point, likely_ranks
from sphereufm.certify.prove.inertia import contraction, floats, witness_of
from sphereufm.certify.witness import Witness

Array = NDArray[np.float64]
# an exact point with its claim, None where there is none near by
Member: TypeAlias = tuple[ExactPoint, Claim] | None
COINCIDENT = 1e-4
DROPPED = 1e-7
# Where a class has one feature, orthogonal to w, the target is the most that it can reach: aim a little lower.
SHRINKS = (0.0, 1e-6, 1e-4)
NEWTON_STEPS = 20
LARGEST_SHIFT = 0.3
# shifts of floats' own rounding
_SETTLED = 2e-15


def settled(
    B: Any, conditions: Conditions, farthest: float = np.inf
) -> tuple[Array, Fraction, Witness | None] | None:
    """Float columns near the members that meet the conditions as floats can, how far they move, and a witness.

    None where the conditions are dependent, or off by more than ``farthest``.
    """
    n, last = len(conditions.goals), np.inf
    for _ in range(NEWTON_STEPS):
        F, J, _ = conditions.at(B, [B.number(0)] * n)
        off = np.array([float(x) for x in F])
        if not np.abs(off).max() <= farthest:
            return None
        t = np.linalg.lstsq(floats(arb_mat(J)), -off, rcond=1e-12)[0]
        size = np.abs(t).max()
        if size < _SETTLED or not size < last:
            break
        last = size
        t /= max(size / LARGEST_SHIFT, 1.0)
        moved = [
            floats(arb_mat([h]))[0] + t @ floats(arb_mat(conditions.maps(h))) for h in conditions.members
        ]
        members = [[B.number(x) for x in (v / np.linalg.norm(v)).tolist()] for v in moved]
        conditions = replace(conditions, members=members)
    found = reached(B, conditions)
    return None if found is None else (floats(arb_mat(conditions.members)).T, *found)


def reached(B: Any, conditions: Conditions) -> tuple[Fraction, Witness | None] | None:
    """How far members may have to move, and a witness of the test that proves that they can."""
    n, zero = len(conditions.goals), B.number(0)
    F, J, _ = conditions.at(B, [zero] * n)
    found = witness_of(arb_mat(J))
    if all(x == 0 for x in F):
        return Fraction(1, 1 << 60), found[0] if found else None
    if found is None:
        return None
    step = max(abs(x).upper() for x in applied(B, found[0].exactly, arb_mat([[x] for x in F])).entries())
    if not step < LARGEST_SHIFT:
        return None
    _, J, units = conditions.at(B, [B.around(zero, 8 * step + B.dyadic(1, -60))] * n)
    if not contraction(B, arb_mat(J), *found) < 0.5:
        return None
    pairs = zip(units, conditions.members, strict=True)
    far = dyadic(max(abs(a - b).upper() for unit, h in pairs for a, b in zip(unit, h, strict=True)))
    return Fraction(2) ** (far.numerator.bit_length() - far.denominator.bit_length() + 2), found[0]


def class_witnesses(at: Place, target: Sequence[Fraction]) -> tuple[Witness | None, ...] | None:
    """Return the witnesses of all classes at a given point; None where a class is not proved to reach the target."""
    found = [reached(at.B, conditions) for conditions in of_classes(at, target)]
    return tuple(one[1] for one in found if one) if all(found) else None


def prove_collapsed(B: Any, instance: Instance, columns: Array, groups: Groups | None) -> Member:
    """Return a rotated point with the claim that a collapsed member lies near it, or None.

    ``columns``, shape ``(rows, K + g)``: near a member: all classifiers within 1e-4 of each other.
    """
    p, K = instance.problem, instance.problem.classes
    near = np.abs(columns[:, :K] - columns[:, :1]).max() <= COINCIDENT
    if K < 2 or p.dim < 3 or not collapses(p) or likely_ranks(columns)[0] == 1 or not near:
        return None
    given = _rotated(columns[:, :K].mean(axis=1), columns[:, K:])
    for shrink in SHRINKS if len(given) > 1 else ():
        H = given.copy()
        if shrink:
            H[0] = np.where(H[0] < 0, -1.0, 1.0) * np.maximum(np.abs(H[0]), np.sqrt(2 * shrink))
            H /= np.linalg.norm(H, axis=0)
        W = np.eye(len(H), 1) @ np.ones((1, K))
        at = place(B, instance, exact_columns(np.hstack([W, H])), groups, [])
        zero = [Fraction(0)] * (len(H) - 1)
        sums = [[float(x) for x in one.at(B, [B.number(0)] * len(zero))[0]] for one in of_classes(at, zero)]
        common = (1 - shrink) * np.mean(sums, axis=0) * (len(sums) == K)
        target = tuple(map(Fraction, common.tolist()))
        found = [settled(B, conditions) for conditions in of_classes(at, target)]
        done = [one for one in found if one is not None]
        if len(done) < len(found):
            continue
        labels = [y for y, _, _ in at.point.groups]
        for k, (members, _, _) in zip(sorted({*labels}), done, strict=True):
            H[:, np.array(labels) == k] = members
        if np.abs(H - given).max() <= max(COINCIDENT, 2 * np.sqrt(2 * shrink)):
            claim = CollapsedClaim(
                radius=max(radius for _, radius, _ in done),
                target=target,
                witness=tuple(w for _, _, w in done),
            )
            return exact_point(np.hstack([W, H]), groups), claim
    return None


def _rotated(w: Array, H: Array) -> Array:
    """Return H in coordinates with w first and then only the directions that H uses."""
    basis = np.linalg.qr(np.column_stack([w, np.eye(len(w))]))[0]
    basis[:, 0] = w / np.linalg.norm(w)
    rest = basis[:, 1:].T @ H
    left, singular, _ = np.linalg.svd(rest, full_matrices=False)
    kept = left[:, singular > DROPPED * np.sqrt(H.shape[1])]
    rows = np.vstack([basis[:, :1].T @ H, kept.T @ rest])
    unit: Array = rows / np.linalg.norm(rows, axis=0)
    return unit


def prove_equal_features(B: Any, instance: Instance, columns: Array, groups: Groups | None) -> Member:
    """The point turned so that its features are the first unit vector; None where columns do not fit."""
    K = instance.problem.classes
    if not instance.problem.bias or np.abs(columns[:, K:] - columns[:, [K]]).max() > COINCIDENT:
        return None
    W = _rotated(columns[:, K], columns[:, :K])
    along, normal = np.abs(W[0]).mean(), W[1:].mean(axis=1, keepdims=True)
    near = np.vstack([np.where(W[0] < 0, -along, along), normal @ np.ones((1, K))])
    if len(W) < 2 or np.abs(near - W).max() > COINCIDENT:
        return None
    near /= np.linalg.norm(near[:, 0])
    H = np.eye(len(W), 1) @ np.ones((1, columns.shape[1] - K))
    return exact_point(np.hstack([near, H]), groups), EqualFeaturesClaim(radius=SADDLE_RADIUS)


def prove_frame(B: Any, instance: Instance, columns: Array, groups: Groups | None) -> Member:
    """The settled frame, turned so that the mirror is diagonal; None where features are no mirrored classifiers."""
    p, K = instance.problem, instance.problem.classes
    labels = [y for y, _, _ in grouped(p, groups)]
    if p.loss != "squared-error" or sorted(labels) != list(range(K)):
        return None
    W, H = columns[:, :K], columns[:, K:][:, np.argsort(labels)]
    sides = np.where((W * H).sum(axis=0) < 0, -1.0, 1.0)
    U = np.linalg.svd(W)[0][:, : np.linalg.matrix_rank(W, COINCIDENT)]
    Q = U @ np.linalg.qr(np.column_stack([U.T @ W[:, 0], np.eye(U.shape[1])]))[0]
    mirror = np.ones(Q.shape[1])
    if np.abs(H - sides * W).max() > COINCIDENT:
        R, sides = Q.T @ H @ np.linalg.pinv(Q.T @ W), np.ones(K)
        values, turn = np.linalg.eigh((R + R.T) / 2)
        mirror, Q = np.where(values < 0, -1.0, 1.0), Q @ turn
    W = Q.T @ W
    if len(Q.T) < 2 or np.abs(sides * mirror[:, None] * W - Q.T @ H).max() > COINCIDENT:
        return None
    signs = tuple(tuple(map(Fraction, x.tolist())) for x in (mirror, sides))
    if np.abs(W - np.rint(W)).max() < 10 * COINCIDENT:  # orthogonal pairs, where the derivative is singular
        W = np.rint(W)
    at = place(
        B, instance, exact_columns(np.hstack([W, (sides * mirror[:, None] * W)[:, labels]])), groups, []
    )
    found = settled(B, framed(at, signs[0]))
    if found is None or found[1] > SADDLE_RADIUS:
        return None
    W, _, witness = found
    claim = FrameClaim(radius=SADDLE_RADIUS, mirror=signs[0], sides=signs[1], witness=(witness,))
    return exact_point(np.hstack([W, (sides * mirror[:, None] * W)[:, labels]]), groups), claim


def prove_least_loss(B: Any, instance: Instance, columns: Array, groups: Groups | None) -> Member:
    """The settled point with its claim; None for other losses, far from such points, or if conditions are dependent.

    Classes whose classifiers agree are one part, of one feature.  Where a feature is as short as its conditions allow,
    the classifiers are spread a little, and it leaves their span.
    """
    p = instance.problem
    if p.loss not in ("label-smoothing", "squared-error"):
        return None
    K = p.classes
    X = columns / np.linalg.norm(columns, axis=0)
    apart = np.abs(X[:, :K, None] - X[:, None, :K]).max(axis=0)
    parts = np.argmax(apart < COINCIDENT, axis=1)
    X[:, :K] = X[:, parts]
    labels = np.array([y for y, _, _ in grouped(p, groups)])
    if len(set(parts)) == 1:
        return None
    if len(set(parts)) < K:
        X[:, K:] = X[:, K + np.array([np.argmax(parts[labels] == part) for part in parts[labels]])]
    if np.abs(X - columns).max() > COINCIDENT:
        return None
    kind = LeastLossClaim if len(set(parts)) == K else SharedLossClaim
    for shrink in SHRINKS:
        near, reach = _spread(X, K, shrink, p.dim), max(COINCIDENT, 3 * math.sqrt(2 * shrink))
        at = place(B, instance, exact_columns(near), groups, [])
        found = (settled(B, conditions, reach) for conditions in attempt(_floors, at) or ())
        done = list(takewhile(lambda one: one is not None and one[1] < SADDLE_RADIUS, found))
        H = np.hstack([np.zeros((len(near), 0)), *(one[0] for one in done if one)])
        if H.shape[1] == near.shape[1] - K and np.abs(H - near[:, K:]).max() <= reach:
            claim = kind(radius=SADDLE_RADIUS, witness=tuple(one[2] for one in done if one))
            return exact_point(np.hstack([near[:, :K], H]), groups), claim
    return None


def _floors(at: Place) -> list[Conditions]:
    """All conditions at once, so that what is raised is raised here."""
    return [*floors(at)]


def _spread(X: Array, K: int, shrink: float, dim: int) -> Array:
    """Classifiers nearer to a tight frame, which lie farther apart, and features that leave their span."""
    if not shrink:
        return X
    left, sizes, right = np.linalg.svd(X[:, :K], full_matrices=False)
    W = (left * sizes ** (1 - 2 * shrink)) @ right
    parts = [W / np.linalg.norm(W, axis=0), X[:, K:]]
    out = [np.zeros((1, K)), np.full((1, X.shape[1] - K), math.sqrt(2 * shrink))]
    Y = np.vstack([np.hstack(parts), np.hstack(out)]) if len(X) < dim else np.hstack(parts)
    unit: Array = Y / np.linalg.norm(Y, axis=0)
    return unit
