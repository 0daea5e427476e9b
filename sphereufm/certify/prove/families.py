"""Claims about families: ``collapsed`` and ``least_loss``, an exact member lies near a point (Lemmas 10 and 12).

With all ``w_k = e_1``, the features of each class k must have ``sum m omega bar(h) = t``, rows 2 .. r, for one
t. Each class moves by its own shift ``c_k``: ``h_g = n(hhat_g + (0, c_k))``, ``n(v) = v / |v|``; a Krawczyk
test in r - 1 unknowns shows that some small c_k does it exactly.

Where every sample's loss is least the classifiers stay, and each feature moves until it meets the linear conditions of
its class on the unit sphere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from sphereufm.certify.balls import UFMBalls, ball
from sphereufm.certify.certificate import CollapsedClaim, ExactInstance, ExactPoint, Groups, LeastLossClaim
from sphereufm.certify.prove.candidate import exact_columns
from sphereufm.certify.prove.gauge import Columns
from sphereufm.certify.prove.inertia import applied, contraction, turned, witness_of
from sphereufm.certify.witness import Witness, diagonalised

Array = NDArray[np.float64]
COINCIDENT = 1e-4
DROPPED = 1e-7
# Where a class has one feature, orthogonal to w, the target is the most that it can reach: aim a little lower.
SHRINKS = (0.0, 1e-6, 1e-4)
NEWTON_STEPS = 60
LARGEST_SHIFT = 0.3
_NEAR = 1e-6
_NEWTON_STEPS = 6
_SETTLED = 1e-13
# of the exact point around the settled one; a checker finds it within rounding
_RADIUS = Fraction(1, 1 << 36)


def prove_collapsed(
    problem: UFMBalls, columns: Array, groups: Groups | None
) -> tuple[ExactPoint, CollapsedClaim] | None:
    """Return a rotated point with the claim that a collapsed member lies near it, or None.

    ``problem``: with the grouping of ``columns``; ``columns``, shape ``(rows, K + g)``: near a member: all
    classifiers within 1e-4 of each other.
    """
    K = problem.classes
    if K < 2 or np.abs(columns[:, :K] - columns[:, :1]).max() > COINCIDENT:
        return None
    H = _rotated(columns[:, :K].mean(axis=1), columns[:, K:])
    if H.shape[0] < 2:
        return None
    mass = np.array([float(m * o) for m, o in zip(problem.counts, problem.omega, strict=True)])
    target, given = _common_target(problem, H, mass), H.copy()
    for shrink in SHRINKS:
        if shrink:
            H[0] = np.where(H[0] < 0, -1.0, 1.0) * np.maximum(np.abs(H[0]), np.sqrt(2 * shrink))
            H /= np.linalg.norm(H, axis=0)
        member = _member_near(problem, H, mass, target * (1 - shrink), groups)
        moved = None if member is None else member[0].array[:, K:] - given
        if moved is not None and np.abs(moved).max() <= max(COINCIDENT, 2 * np.sqrt(2 * shrink)):
            return member
    return None


def _member_near(
    problem: UFMBalls, H: Array, mass: Array, target: Array, groups: Groups | None
) -> tuple[ExactPoint, CollapsedClaim] | None:
    """Return the point and the claim for one target, where every class is proved to reach it."""
    H = _settled(problem, H, mass, target)
    W = np.zeros((H.shape[0], problem.classes))
    W[0] = 1.0
    exact = exact_columns(np.hstack([W, H]))
    common = tuple(Fraction(float(t)) for t in target)
    reached = []
    for k in sorted(set(problem.labels)):
        one = _class_radius(problem, exact[problem.classes :], k, common)
        if one is None:
            return None
        reached.append(one)
    radii, witnesses = zip(*reached, strict=True)
    claim = CollapsedClaim(radius=max(radii), target=common, witness=witnesses)
    return ExactPoint(columns=exact, groups=groups), claim


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


def _common_target(problem: UFMBalls, H: Array, mass: Array) -> Array:
    """Return the float mean of the classes' sums, or zero where a class is empty."""
    present = sorted(set(problem.labels))
    if len(present) < problem.classes:
        return np.zeros(H.shape[0] - 1)
    labels = np.array(problem.labels)
    sums = [(H[1:, labels == k] * mass[labels == k]).sum(axis=1) for k in present]
    mean: Array = np.mean(sums, axis=0)
    return mean


def _settled(problem: UFMBalls, H: Array, mass: Array, target: Array) -> Array:
    """Return H after a few float Newton steps in the shifts, so that the claimed radius is tiny."""
    H, labels = H.copy(), np.array(problem.labels)
    for k in set(problem.labels):
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


def _class_radius(
    problem: UFMBalls, features: Columns, k: int, target: Sequence[Fraction]
) -> tuple[Fraction, Witness | None] | None:
    """Return how far the features of class k may have to move, and a witness of the test that proves that they can."""
    members = [g for g, label in enumerate(problem.labels) if label == k]
    mass = [ball(problem.counts[g] * problem.omega[g]) for g in members]
    chosen = [features[g] for g in members]
    size = len(target)
    zero = [arb(0)] * size
    residual = arb_mat([[a - ball(t)] for a, t in zip(_sum(chosen, mass, zero), target, strict=True)])
    found = witness_of(_slope(chosen, mass, zero))
    if found is None:
        exact = all(value == 0 for value in residual.entries())
        return (Fraction(1, 1 << 60), None) if exact else None
    step = max(value.abs_upper() for value in applied(found[0].minus, turned(found[0]), residual).entries())
    reach = (8 * step + arb((1, -60))).upper()
    shifts = [arb(0, reach)] * size
    if not contraction(_slope(chosen, mass, shifts), *found) < 0.5:
        return None
    moved = [abs(a - ball(b)) for h in chosen for a, b in zip(_shifted(h, shifts)[0], h, strict=True)]
    mantissa, power = max(value.upper() for value in moved).man_exp()
    return Fraction(2) ** (int(power) + int(mantissa).bit_length() + 1), found[0]


def class_witness(problem: UFMBalls, features: Columns, k: int, target: Sequence[Fraction]) -> Witness | None:
    """Return the witness for one class at a given point; None where none is found, or none is needed."""
    found = _class_radius(problem, features, k, target)
    return None if found is None else found[1]


def _shifted(h: Sequence[Fraction], c: Sequence[arb]) -> tuple[list[arb], arb]:
    """Return ``n(h + (0, c))`` and the length ``|h + (0, c)|``."""
    v = [ball(h[0]), *[ball(a) + b for a, b in zip(h[1:], c, strict=True)]]
    length = sum((a * a for a in v), arb(0)).sqrt()
    return [a / length for a in v], length


def _sum(chosen: Sequence[Sequence[Fraction]], mass: Sequence[arb], c: Sequence[arb]) -> list[arb]:
    """Return ``sum mass bar(n(h + (0, c)))``."""
    total = [arb(0)] * len(c)
    for h, m in zip(chosen, mass, strict=True):
        total = [a + m * b for a, b in zip(total, _shifted(h, c)[0][1:], strict=True)]
    return total


def _slope(chosen: Sequence[Sequence[Fraction]], mass: Sequence[arb], c: Sequence[arb]) -> arb_mat:
    """Return the derivative of :func:`_sum` in c."""
    size = len(c)
    total = arb_mat(size, size)
    for h, m in zip(chosen, mass, strict=True):
        n, length = _shifted(h, c)
        tangent = [[(1 if a == b else 0) - n[a + 1] * n[b + 1] for b in range(size)] for a in range(size)]
        total += arb_mat(tangent) * (m / length)
    return total


def prove_least_loss(
    instance: ExactInstance, columns: Array, groups: Groups | None
) -> tuple[ExactPoint, LeastLossClaim] | None:
    """The settled point with its claim; None for other losses, far from such points, or if conditions are dependent."""
    if instance.loss not in ("label-smoothing", "squared-error"):
        return None
    K = instance.classes
    X = columns / np.linalg.norm(columns, axis=0)
    starts = range(instance.samples) if groups is None else [group[0][0] for group in groups]
    witnesses = []
    for j, first in enumerate(starts, start=K):
        found = _moved(instance, X[:, :K], X[:, j], instance.label(first))
        if found is None:
            return None
        X[:, j], ready = found
        witnesses.append(ready)
    claim = LeastLossClaim(radius=_RADIUS, witness=tuple(witnesses))
    return ExactPoint(columns=exact_columns(X), groups=groups), claim


def _moved(instance: ExactInstance, W: Array, h: Array, y: int) -> tuple[Array, Witness] | None:
    """The feature that meets its conditions nearest to ``h``, and a witness of the Gram matrix of these and itself."""
    A, goal = _conditions(instance, W, y)
    if np.abs(A.T @ h - goal).max() > _NEAR:
        return None
    for _ in range(_NEWTON_STEPS):
        E = np.column_stack([A, h])
        off = np.append(A.T @ h - goal, (h @ h - 1.0) / 2.0)
        h = h - E @ np.linalg.lstsq(E.T @ E, off, rcond=1e-12)[0]
    E = np.column_stack([A, h])
    found = diagonalised(E.T @ E, 0.0)
    if found is None or np.abs(A.T @ h - goal).max() > _SETTLED or abs(h @ h - 1.0) > _SETTLED:
        return None
    return h, found[0]


def _conditions(instance: ExactInstance, W: Array, y: int) -> tuple[Array, Array]:
    """Columns ``a`` and values ``c`` of ``<a, h> = c``."""
    parameters, tau = dict(instance.parameters), float(instance.tau)
    if instance.loss == "squared-error":
        return W, np.eye(instance.classes)[y] * float(parameters["target"]) / tau
    eps = parameters["smoothing"]
    others = np.delete(W, y, axis=1)
    lead = math.inf if not 0 < eps < 1 else math.log(1 + instance.classes * (1 - eps) / eps) / tau
    return W[:, [y]] - others, np.full(others.shape[1], lead)
