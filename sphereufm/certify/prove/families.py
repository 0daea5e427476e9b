"""Claims about families: ``collapsed`` and ``least_loss``, an exact member lies near a point (Lemmas 10 and 12).

With all ``w_k = e_1``, the features of each class k must have ``sum m omega c bar(h) = t``, rows 2 .. r, for one t.
Where every sample's loss is least the classifiers stay, and each feature meets the linear conditions of its class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from sphereufm.certify.certificate import (
    CollapsedClaim,
    EqualFeaturesClaim,
    ExactPoint,
    FrameClaim,
    Groups,
    Instance,
    LeastLossClaim,
    SharedLossClaim,
)
from sphereufm.certify.checker.families import Conditions, framed, of_classes, pulls
from sphereufm.certify.checker.kernel import applied
from sphereufm.certify.checker.place import Place
from sphereufm.certify.checker.reading import Problem
from sphereufm.certify.prove.attempts import place
from sphereufm.certify.prove.candidate import SADDLE_RADIUS, exact_columns
from sphereufm.certify.prove.inertia import contraction, floats, witness_of
from sphereufm.certify.witness import Witness, diagonalised

Array = NDArray[np.float64]
COINCIDENT = 1e-4
DROPPED = 1e-7
# Where a class has one feature, orthogonal to w, the target is the most that it can reach: aim a little lower.
SHRINKS = (0.0, 1e-6, 1e-4)
NEWTON_STEPS = 60
LARGEST_SHIFT = 0.3
_NEWTON_STEPS = 12
_SETTLED = 1e-10


def prove_collapsed(
    B: Any, instance: Instance, columns: Array, groups: Groups | None
) -> tuple[ExactPoint, CollapsedClaim] | None:
    """Return a rotated point with the claim that a collapsed member lies near it, or None.

    ``columns``, shape ``(rows, K + g)``: near a member: all classifiers within 1e-4 of each other.
    """
    K = instance.problem.classes
    if K < 2 or np.abs(columns[:, :K] - columns[:, :1]).max() > COINCIDENT:
        return None
    given = _rotated(columns[:, :K].mean(axis=1), columns[:, K:])
    if given.shape[0] < 2:
        return None
    for shrink in SHRINKS:
        H = given.copy()
        if shrink:
            H[0] = np.where(H[0] < 0, -1.0, 1.0) * np.maximum(np.abs(H[0]), np.sqrt(2 * shrink))
            H /= np.linalg.norm(H, axis=0)
        member = _member_near(B, instance, H, groups, 1 - shrink)
        moved = None if member is None else member[0].array[:, K:] - given
        if moved is not None and np.abs(moved).max() <= max(COINCIDENT, 2 * np.sqrt(2 * shrink)):
            return member
    return None


def _member_near(
    B: Any, instance: Instance, H: Array, groups: Groups | None, factor: float
) -> tuple[ExactPoint, CollapsedClaim] | None:
    """Return the point and the claim for one target, where every class is proved to reach it."""
    W = np.eye(H.shape[0], 1) @ np.ones((1, instance.problem.classes))
    start = place(B, instance, exact_columns(np.hstack([W, H])), groups, [])
    mass = np.array([float(x) for x in pulls(start)])
    labels = np.array([y for y, _, _ in start.point.groups])
    target = factor * _common_target(H, mass, labels, instance.problem.classes)
    exact = exact_columns(np.hstack([W, _settled(H, mass, labels, target)]))
    common = tuple(Fraction(float(t)) for t in target)
    at = place(B, instance, exact, groups, [0] * len(exact))
    reached = [_class_radius(B, conditions) for conditions in of_classes(at, common)]
    found = [one for one in reached if one is not None]
    if len(found) < len(reached):
        return None
    claim = CollapsedClaim(
        radius=max(radius for radius, _ in found), target=common, witness=tuple(w for _, w in found)
    )
    return ExactPoint(columns=exact, groups=groups, scales=(0,) * len(exact)), claim


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


def _common_target(H: Array, mass: Array, labels: NDArray[np.intp], K: int) -> Array:
    """Return the float mean of the classes' sums, or zero where a class is empty."""
    present = set(labels.tolist())
    sums = [(H[1:, labels == k] * mass[labels == k]).sum(axis=1) for k in present]
    mean: Array = np.mean(sums, axis=0) * (len(present) == K)
    return mean


def _settled(H: Array, mass: Array, labels: NDArray[np.intp], target: Array) -> Array:
    """Return H after a few float Newton steps in the shifts, so that the claimed radius is tiny."""
    H = H.copy()
    for k in set(labels.tolist()):
        members = labels == k
        for _ in range(NEWTON_STEPS):
            part, weight = H[:, members], mass[members]
            gap = target - (part[1:] * weight).sum(axis=1)
            slope = weight.sum() * np.eye(len(target)) - (part[1:] * weight) @ part[1:].T
            shift = np.linalg.lstsq(slope, gap, rcond=1e-12)[0]
            if np.abs(shift).max() < 1e-17:
                break
            shift /= max(np.abs(shift).max() / LARGEST_SHIFT, 1.0)
            part[1:] += shift[:, None]
            H[:, members] = part / np.linalg.norm(part, axis=0)
    return H


def _class_radius(B: Any, conditions: Conditions) -> tuple[Fraction, Witness | None] | None:
    """Return how far the features of a class may have to move, and a witness of the test that proves that they can."""
    n = len(conditions.goals)
    value, slope, _ = conditions.at(B, [arb(0)] * n)
    residual = arb_mat([[x] for x in value])
    found = witness_of(arb_mat(slope))
    if found is None:
        exact = all(value == 0 for value in residual.entries())
        return (Fraction(1, 1 << 60), None) if exact else None
    step = max(value.abs_upper() for value in applied(B, found[0].exactly, residual).entries())
    reach = (8 * step + arb((1, -60))).upper()
    _, slope, units = conditions.at(B, [arb(0, reach)] * n)
    if not contraction(B, arb_mat(slope), *found) < 0.5:
        return None
    pairs = zip(units, conditions.members, strict=True)
    far = max((a - b).abs_upper() for unit, h in pairs for a, b in zip(unit, h, strict=True))
    mantissa, power = far.man_exp()
    return Fraction(2) ** (int(power) + int(mantissa).bit_length() + 1), found[0]


def class_witnesses(at: Place, target: Sequence[Fraction]) -> tuple[Witness | None, ...] | None:
    """Return the witnesses of all classes at a given point; None where a class is not proved to reach the target."""
    reached = [_class_radius(at.B, conditions) for conditions in of_classes(at, target)]
    return tuple(one[1] for one in reached if one) if all(reached) else None


def prove_equal_features(
    columns: Array, groups: Groups | None, K: int
) -> tuple[ExactPoint, EqualFeaturesClaim] | None:
    """The point turned so that its features are the first unit vector; None where columns do not fit."""
    if np.abs(columns[:, K:] - columns[:, [K]]).max() > COINCIDENT:
        return None
    W = _rotated(columns[:, K], columns[:, :K])
    along, normal = np.abs(W[0]).mean(), W[1:].mean(axis=1, keepdims=True)
    near = np.vstack([np.where(W[0] < 0, -along, along), normal @ np.ones((1, K))])
    if len(W) < 2 or np.abs(near - W).max() > COINCIDENT:
        return None
    near /= np.linalg.norm(near[:, 0])
    exact = exact_columns(np.hstack([near, np.eye(len(W), 1) @ np.ones((1, columns.shape[1] - K))]))
    point = ExactPoint(columns=exact, groups=groups, scales=(0,) * len(exact))
    return point, EqualFeaturesClaim(radius=SADDLE_RADIUS)


def prove_frame(
    B: Any, instance: Instance, columns: Array, groups: Groups | None
) -> tuple[ExactPoint, FrameClaim] | None:
    """The settled frame, turned so that the mirror is diagonal; None where features are no mirrored classifiers."""
    p, K = instance.problem, instance.problem.classes
    labels = [p.labels[group[0][0]] for group in groups] if groups else p.labels
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
    theta = float(p.taus[0]) / float(p.parameters["target"])
    goal = [Fraction(g) for g in K / len(W) + (mirror - mirror.mean()) / theta]
    for _ in range(_NEWTON_STEPS):
        W = W / np.linalg.norm(W, axis=0)
        conditions = framed(B, [[B.number(x) for x in w] for w in W.T.tolist()], goal)
        F, slopes, _ = conditions.at(B, [arb(0)] * len(conditions.goals))
        J = floats(arb_mat(slopes))
        step = np.linalg.lstsq(J, [-float(x) for x in F], rcond=1e-9)[0]
        W = W + np.array([step @ floats(arb_mat(conditions.maps(w))) for w in conditions.members]).T
    if np.abs(W - np.rint(W)).max() < 10 * COINCIDENT:  # orthogonal pairs, where the derivative is singular
        W = np.rint(W)
    found = diagonalised(J) or diagonalised(np.eye(len(J)))
    exact = exact_columns(W)
    features = (
        tuple(Fraction(s) * Fraction(m) * x for m, x in zip(mirror, exact[y], strict=True))
        for y, s in ((y, sides[y]) for y in labels)
    )
    point = ExactPoint(columns=(*exact, *features), groups=groups, scales=(0,) * columns.shape[1])
    signs = (tuple(map(Fraction, x.tolist())) for x in (mirror, sides))
    assert found is not None
    return point, FrameClaim(radius=SADDLE_RADIUS, mirror=next(signs), sides=next(signs), witness=(found[0],))


def prove_least_loss(
    instance: Instance, columns: Array, groups: Groups | None
) -> tuple[ExactPoint, LeastLossClaim | SharedLossClaim] | None:
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
    starts = [group[0][0] for group in groups or [((i, i + 1),) for i in range(len(p.labels))]]
    labels = np.array([p.labels[first] for first in starts])
    if len(set(parts)) == 1:
        return None
    if len(set(parts)) < K:
        X[:, K:] = X[:, K + np.array([np.argmax(parts[labels] == part) for part in parts[labels]])]
    if np.abs(X - columns).max() > COINCIDENT:
        return None
    kind = LeastLossClaim if len(set(parts)) == K else SharedLossClaim
    for shrink in SHRINKS:
        near, reach = _spread(X, K, shrink, p.dim), max(COINCIDENT, 3 * math.sqrt(2 * shrink))
        found = [
            _moved(_conditions(p, near[:, :K], y, float(p.taus[first]), parts), h, reach)
            for y, first, h in zip(labels, starts, near[:, K:].T, strict=True)
        ]
        ready = [one for one in found if one is not None]
        if len(ready) == len(found):
            exact = exact_columns(np.column_stack([near[:, :K], *(h for h, _ in ready)]))
            claim = kind(radius=SADDLE_RADIUS, witness=tuple(witness for _, witness in ready))
            return ExactPoint(columns=exact, groups=groups, scales=(0,) * len(exact)), claim
    return None


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


def _moved(conditions: tuple[Array, Array], h: Array, reach: float) -> tuple[Array, Witness] | None:
    """The feature that meets its conditions nearest to ``h``, and a witness of their Gram matrix across it."""
    (A, goal), start = conditions, h
    for _ in range(_NEWTON_STEPS):
        E = np.column_stack([A, h])
        off = np.append(A.T @ h - goal, (h @ h - 1.0) / 2.0)
        if not np.abs(off).max() <= reach:
            return None
        h = h - E @ np.linalg.lstsq(E.T @ E, off, rcond=1e-12)[0]
    across = A - np.outer(h, h @ A)
    found = diagonalised(across.T @ across, 0.0)
    off = np.append(A.T @ h - goal, (h @ h - 1.0) / 2.0)
    # how far a checker will move it, at most; where conditions are nearly dependent, too far
    settled = found is not None and np.abs(off).max() * found[1] < _SETTLED
    return (h, found[0]) if found and settled and np.abs(h - start).max() <= reach else None


def _conditions(p: Problem, W: Array, y: int, tau: float, parts: NDArray[np.intp]) -> tuple[Array, Array]:
    """Columns ``a`` and values ``c`` of ``<a, h> = c``."""
    firsts, own, s = np.unique(parts), parts[y], int((parts == parts[y]).sum())
    if p.loss == "squared-error":
        k = float(p.parameters["own_weight"])
        return W[:, firsts], (firsts == own) * k * float(p.parameters["target"]) / ((k + s - 1) * tau)
    eps = p.parameters["smoothing"]
    others = W[:, firsts[firsts != own]]
    lead = math.inf if not 0 < eps < 1 else math.log(1 + p.classes * (1 - eps) / (s * eps)) / tau
    return W[:, [y]] - others, np.full(others.shape[1], lead)
