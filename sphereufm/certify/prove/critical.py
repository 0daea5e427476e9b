"""Claim ``critical``: Newton's method to many digits, a rounded centre, and Krawczyk's test around it.

One Jacobian over a box serves for all of it: its midpoint gives the witness T, ``Y = T E T^T`` steps towards the zero,
and its radii say how large a box the test admits.  Nothing here is a proof; see ``docs/proofs.md``, Lemmas 3 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

from sphereufm.certify.balls import BallProblem, box, floats
from sphereufm.certify.certificate import CriticalClaim
from sphereufm.certify.exact import round_dyadic
from sphereufm.certify.prove.gauge import Columns, jacobian, local, residual
from sphereufm.certify.prove.inertia import applied, contraction, inertia, power, turned, witness_of
from sphereufm.certify.witness import Witness

NEWTON_STEPS = 12
# A start farther from a critical point than this is not "near" one.
LARGEST_STEP = 0.3
# The box that is tried first: right for a hundred unknowns.
FIRST_RADIUS = Fraction(1, 1 << 17)
# contraction over the box that is claimed: a checker, whose calculus is plainer, sees up to five times as much;
# and how far it is extrapolated to a larger box
WANTED = 0.05
LARGEST_GROWTH = 16


@dataclass(frozen=True, kw_only=True)
class Located:
    """A centre, the claim that a critical point lies near it, the units, and its index in its own space."""

    columns: Columns
    scales: tuple[int, ...]
    claim: CriticalClaim
    index: int


@dataclass(frozen=True, kw_only=True, eq=False)
class _Linear:
    """The system's derivative over a box of radius ``rho`` around a point, and a witness of its midpoint."""

    J: arb_mat
    rho: Fraction
    scales: list[int]
    witness: Witness
    condition: float

    @cached_property
    def turned(self) -> arb_mat:
        """``T^T``."""
        return turned(self.witness)

    def step(self, F: arb_mat) -> list[arb]:
        """``Y F``."""
        found: list[arb] = applied(self.witness.minus, self.turned, F).entries()
        return found

    def contraction(self) -> float:
        """``q`` over the box."""
        top = max(self.scales)
        u = np.repeat(np.exp2([(e - top) / 2 for e in self.scales]), self.J.nrows() // len(self.scales))
        return contraction(self.J, self.witness, self.condition, u)


def prove_critical(
    problem: BallProblem, X: NDArray[np.float64], bits: int, farthest: float = 1e-4
) -> Located | None:
    """Locate the critical point that Newton's method reaches from X, in a centre of ``bits`` bits.

    * ``X``, shape ``(r, M)``: near a critical point.
    * ``bits``: digits of the centre, base two.
    * ``farthest``: a centre farther from X than this, in an entry, is that of another point.

    Returns None if the steps do not shrink, or the test fails.
    """
    linear = _stiff(problem, arb_mat(X.tolist()))
    if linear is None:
        return None
    centre = _refined(problem, X, linear, bits)
    if centre is None:
        return None
    columns, linear = centre
    moved = np.abs(floats(box(columns, Fraction(0))) - X).max()
    return _tested(problem, columns, linear, float(moved)) if moved <= farthest else None


def existence_witness(
    problem: BallProblem, columns: Columns, unique_radius: Fraction
) -> tuple[int | None, tuple[Witness, ...], tuple[int, ...]] | None:
    """Return detour, witnesses and units of a claim about a given centre, None where none are found."""
    linear = _linearised(problem, box(columns, Fraction(0)), unique_radius)
    if linear is None:
        return None
    detour = _detour(problem, columns, linear.scales)
    witness = (linear.witness,) if detour is None else (linear.witness, detour[1])
    return None if detour is None else detour[0], witness, tuple(e // 2 for e in linear.scales)


def _linearised(problem: BallProblem, point: arb_mat, rho: Fraction) -> _Linear | None:
    """Derivative over a box."""
    exact = local(problem, point)
    scales = exact.evaluation.scales
    margin = arb(0, arb(rho.numerator) / rho.denominator)
    around = arb_mat([[x + margin for x in row] for row in point.tolist()])
    J = jacobian(problem, local(problem, around), exact.columns, scales)
    found = witness_of(J, (max(scales) - min(scales)) / 2)
    if found is None:
        return None
    return _Linear(J=J, rho=rho, scales=scales, witness=found[0], condition=found[1])


def _stiff(problem: BallProblem, point: arb_mat) -> _Linear | None:
    """Derivative over the first box, or over one in which small eigenvalues do not change their size."""
    linear = _linearised(problem, point, FIRST_RADIUS)
    for _ in range(2):
        if linear is None or linear.condition * float(linear.rho) < 16.0:
            break
        linear = _linearised(
            problem, point, round_dyadic(Fraction(max(2.0**-5 / linear.condition, 2.0**-90)), 1)
        )
    return linear


def _refined(
    problem: BallProblem, X: NDArray[np.float64], linear: _Linear, bits: int
) -> tuple[Columns, _Linear] | None:
    """Newton's method with one derivative for as long as that converges quickly; the last one comes back."""
    point, last = arb_mat(X.tolist()), np.inf
    for _ in range(NEWTON_STEPS):
        step, size = _newton_step(problem, point, linear)
        if not size < min(LARGEST_STEP, last * 4):
            return None
        point = (point - step).mid()
        if size < 2.0 ** -(bits + 8):
            return _rounded(point, bits), linear
        if not size < 1e-2 * last and last < np.inf:
            fresh = _stiff(problem, point)
            if fresh is None:
                return None
            linear = fresh
        last = size
    return (_rounded(point, bits), linear) if last < 1e-6 else None


def _tested(problem: BallProblem, columns: Columns, linear: _Linear, moved: float) -> Located | None:
    """Choose the box by how ``q`` grows with its radius, and make the claim; radii leave room to a checker."""
    if moved > float(linear.rho) / 8:
        fresh = _linearised(problem, box(columns, Fraction(0)), linear.rho)
        if fresh is None:
            return None
        linear = fresh
    for _ in range(4):
        q = linear.contraction()
        if not q < 1e12:
            return None
        growth = Fraction(min(max(WANTED / max(q, 1e-9), 2.0**-60), LARGEST_GROWTH))
        # the part of q that does not shrink with the radius is small then
        if q < 0.5:
            break
        smaller = _linearised(problem, box(columns, Fraction(0)), round_dyadic(linear.rho * growth, 1))
        if smaller is None:
            return None
        linear = smaller
    else:
        return None
    rho = min(round_dyadic(linear.rho * growth, 1), Fraction(1, 8))
    step = _step_size(problem, columns, linear)
    if not step < 0.3 * float(rho):
        return None
    radius = _power_above(8 * Fraction(step))
    detour = _detour(problem, columns, linear.scales)
    farther = Fraction(2) ** ((max(linear.scales) - min(linear.scales)) // 2)
    if detour is not None:
        farther = 1 + Fraction(2) ** (detour[0] + 1)
    turning = problem.is_orthogonally_invariant and len(columns[0]) > 1
    unique = _power_below(rho / farther) if turning else rho
    if radius > unique:
        return None
    witnesses = (linear.witness,) if detour is None else (linear.witness, detour[1])
    claim = CriticalClaim(
        radius=radius, unique_radius=unique, detour=None if detour is None else detour[0], witness=witnesses
    )
    scales = tuple(e // 2 for e in linear.scales)
    return Located(columns=columns, scales=scales, claim=claim, index=linear.witness.minus)


def _step_size(problem: BallProblem, columns: Columns, linear: _Linear) -> float:
    """Bound of the distance of the zero, in the entries of X, up to ``1 / (1 - q)``."""
    return _newton_step(problem, box(columns, Fraction(0)), linear)[1]


def _detour(problem: BallProblem, columns: Columns, scales: list[int]) -> tuple[int, Witness] | None:
    """How much farther than a critical point its rotated copy on the slice may lie (Lemma 4), with its witness."""
    furthest = (max(scales) - min(scales)) // 2
    if not problem.is_orthogonally_invariant or len(columns[0]) == 1 or furthest < 2:
        return None
    units = [power((e - max(scales)) // 2) for e in scales]
    V = arb_mat(
        [[x * t for x, t in zip(row, units, strict=True)] for row in box(columns, Fraction(0)).tolist()]
    )
    sigma = float(np.linalg.svd(floats(V), compute_uv=False)[-1])
    k = max(int(np.ceil(-np.log2(max(0.999 * sigma, 1e-300)))), 0)
    if k + 1 >= furthest:
        return None
    rows = (V * V.transpose()).tolist()
    for a, row in enumerate(rows):
        row[a] -= power(-2 * k)
    found = inertia(arb_mat(rows))
    return None if found is None or found.minus else (k, found)


def _newton_step(problem: BallProblem, point: arb_mat, linear: _Linear) -> tuple[arb_mat, float]:
    """Return the step in X and its largest entry."""
    r, M = point.nrows(), point.ncols()
    F = residual(local(problem, point), linear.scales)
    entries = linear.step(F)
    step = [value * power(-linear.scales[i // r] // 2) for i, value in enumerate(entries)]
    size = max(float(abs(value).upper()) for value in step)
    return arb_mat(M, r, [value.mid() for value in step]).transpose(), size


def _rounded(point: arb_mat, bits: int) -> Columns:
    """Return exact columns of so many bits after the point."""
    return tuple(tuple(to_dyadic(entry, bits) for entry in column) for column in point.transpose().tolist())


def to_dyadic(value: arb, bits: int) -> Fraction:
    """Return the midpoint, cut to a multiple of ``2^-bits``."""
    mantissa, power = value.mid().man_exp()
    shift = int(power) + bits
    scaled = int(mantissa) << shift if shift >= 0 else (int(mantissa) + (1 << (-shift - 1))) >> -shift
    return Fraction(scaled, 1 << bits)


def _power_above(value: Fraction) -> Fraction:
    """Return a power of two that is at least ``value``, and not below ``2^-400``."""
    return max(2 * _power_below(value), Fraction(1, 1 << 400)) if value > 0 else Fraction(1, 1 << 400)


def _power_below(value: Fraction) -> Fraction:
    """Return the greatest power of two that is not above a positive ``value``, up to a factor of two."""
    return Fraction(2) ** (value.numerator.bit_length() - value.denominator.bit_length() - 1)
