"""Claim ``critical``: an exact critical point near a centre, and the only one in a box (docs/proofs.md, Lemmas 3, 4).

Newton's method in balls finds the centre; the checker's own system and its derivative decide which radii to claim.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb_mat

from sphereufm.certify.certificate import CriticalClaim
from sphereufm.certify.checker.kernel import applied
from sphereufm.certify.checker.place import Place
from sphereufm.certify.exact import round_dyadic
from sphereufm.certify.prove.attempts import attempt, dyadic
from sphereufm.certify.prove.inertia import FLOAT_CONDITION, contraction, witness_of
from sphereufm.certify.witness import Witness

NEWTON_STEPS = 12
# A start farther from a critical point than this is not "near" one.
LARGEST_STEP = 0.3
# The box that is tried first: right for a hundred unknowns.
FIRST_RADIUS = Fraction(1, 1 << 17)
# contraction over the box that is claimed, and how far it is extrapolated to a larger box
WANTED = 0.2
LARGEST_GROWTH = 16
# contraction, over the condition number, from which on a box says nothing of its middle
WIDEST = 1e2
# digits beyond those of the centre that a step keeps
_SPARE_BITS = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class _Linear:
    """The system's derivative over a box of radius ``rho``, in the units of a place, and a witness of its midpoint."""

    J: arb_mat
    rho: Fraction
    scales: list[int]
    witness: Witness
    condition: float

    def contraction(self, B: Any) -> float:
        """``q`` over the box."""
        r = self.J.nrows() // len(self.scales)
        u = np.repeat(np.exp2([float(k - max(self.scales)) for k in self.scales]), r)
        return contraction(B, self.J, self.witness, self.condition, u)


def prove_critical(at: Place, bits: int, farthest: float = 1e-4) -> tuple[Place, CriticalClaim] | None:
    """Locate the critical point that Newton's method reaches, in a centre of ``bits`` bits after the point.

    Returns the centre and the claim; None if the steps do not shrink, lead farther than ``farthest`` in an entry (to
    another point), or the test fails.
    """
    linear = _stiff(at)
    centre = None if linear is None else _refined(at, linear, bits)
    if centre is None:
        return None
    found, linear = centre
    moved = max(
        abs(float(a - b))
        for x, y in zip(found.point.columns, at.point.columns, strict=True)
        for a, b in zip(x, y, strict=True)
    )
    return _tested(found, linear, moved) if moved <= farthest else None


def existence_witness(at: Place, unique_radius: Fraction) -> Witness | None:
    """Return the witness of a claim about a given centre, None where none is found."""
    linear = _linearised(at, unique_radius)
    return None if linear is None else linear.witness


def _linearised(at: Place, rho: Fraction) -> _Linear | None:
    """Derivative over a box."""
    J, scales = attempt(at.jacobian, rho), at.point.scales
    found = None if J is None else witness_of(J, max(scales) - min(scales))
    if J is None or found is None:
        return None
    return _Linear(J=J, rho=rho, scales=scales, witness=found[0], condition=found[1])


def _stiff(at: Place) -> _Linear | None:
    """Derivative over the first box, or over one in which small eigenvalues do not change their size."""
    # where a loss has a corner near by, rounded, derivatives say something over smaller boxes only
    tried = (_linearised(at, radius) for radius in (FIRST_RADIUS, FIRST_RADIUS**2))
    linear = next(
        (found for found in tried if found and found.contraction(at.B) < WIDEST * found.condition), None
    )
    for _ in range(2):
        if linear is None or linear.condition * float(linear.rho) < 16.0:
            break
        linear = _linearised(at, round_dyadic(Fraction(max(2.0**-5 / linear.condition, 2.0**-90)), 1))
    return linear


def _refined(at: Place, linear: _Linear, bits: int) -> tuple[Place, _Linear] | None:
    """Newton's method with one derivative for as long as that converges quickly; the last one comes back."""
    last = np.inf
    for _ in range(NEWTON_STEPS):
        step, size = _step(at, linear)
        if not size < min(LARGEST_STEP, last * 4):
            return None
        at = _moved(at, step, bits + _SPARE_BITS)
        if size < 2.0 ** -(bits + 8):
            return _moved(at, [], bits), linear
        if not size < 1e-2 * last and last < np.inf:
            fresh = _stiff(at)
            if fresh is None:
                return None
            linear = fresh
        last = size
    return (_moved(at, [], bits), linear) if last < 1e-6 else None


def _moved(at: Place, step: list[Fraction], bits: int) -> Place:
    """The place at the columns less a step, cut to multiples of ``2^-bits``."""
    r, unit = at.point.rank, 1 << bits
    flat = [x for column in at.point.columns for x in column]
    less = step or [Fraction(0)] * len(flat)
    cut = [Fraction(round((a - b) * unit), unit) for a, b in zip(flat, less, strict=True)]
    point = type(at.point)(
        r, [cut[i : i + r] for i in range(0, len(cut), r)], at.point.groups, at.point.scales
    )
    return Place(at.B, at.p, point, {})


def _tested(at: Place, linear: _Linear, moved: float) -> tuple[Place, CriticalClaim] | None:
    """Choose the box by how ``q`` grows with its radius, and make the claim; radii leave room to other roundings."""
    if moved > float(linear.rho) / 8:
        fresh = _linearised(at, linear.rho)
        if fresh is None:
            return None
        linear = fresh
    for _ in range(4):
        q = linear.contraction(at.B)
        if not q < 1e12:
            return None
        growth = Fraction(min(max(WANTED / max(q, 1e-9), 2.0**-60), LARGEST_GROWTH))
        # the part of q that does not shrink with the radius is small then
        if q < 0.5:
            break
        smaller = _linearised(at, round_dyadic(linear.rho * growth, 1))
        if smaller is None:
            return None
        linear = smaller
    else:
        return None
    rho = min(round_dyadic(linear.rho * growth, 1), Fraction(1, 8))
    step = _step(at, linear)[1]
    radius = _power_above(8 * Fraction(step)) if step < 0.3 * float(rho) else rho
    if radius >= rho:
        return None
    return at, CriticalClaim(radius=radius, unique_radius=rho, witness=(linear.witness,))


def _step(at: Place, linear: _Linear) -> tuple[list[Fraction], float]:
    """Newton's step in the entries of X, and its largest entry, bounded."""
    B, r, F = at.B, at.point.rank, at.residual()
    if linear.condition < FLOAT_CONDITION:
        T = linear.witness.floats()
        largest = max(abs(y).upper() for y in F)
        signs = np.where(np.arange(len(T)) < linear.witness.minus, -1.0, 1.0)
        rough = (
            T @ (signs * (T.T @ np.array([float(y / largest) for y in F])))
            if largest > 0
            else np.zeros(len(F))
        )
        entries = [B.number(x) * largest for x in rough.tolist()]
    else:
        entries = applied(B, linear.witness.exactly, B.matrix([[y] for y in F])).entries()
    step = [x * B.dyadic(1, -linear.scales[i // r]) for i, x in enumerate(entries)]
    size = max(float(abs(x).upper()) for x in step)
    return [dyadic(x.mid()) for x in step] if size < 1 else [], size


def _power_above(value: Fraction) -> Fraction:
    """Return a power of two above ``value``, and not below ``2^-400``."""
    if not value > 0:
        return Fraction(1, 1 << 400)
    power = value.numerator.bit_length() - value.denominator.bit_length() + 1
    return Fraction(2) ** max(power, -400)
