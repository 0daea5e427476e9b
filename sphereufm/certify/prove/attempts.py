"""A candidate in the checker's own calculus: what that will evaluate is looked at here, without a limit of work."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, TypeAlias, TypeVar

from flint import arb

from sphereufm.certify.certificate import ExactPoint, Groups
from sphereufm.certify.checker.calculus import Evaluated
from sphereufm.certify.checker.kernel import Arb, Undecided
from sphereufm.certify.checker.place import Place
from sphereufm.certify.checker.reading import Point, Problem
from sphereufm.certify.instances import Instance

Found = TypeVar("Found")
Columns: TypeAlias = tuple[tuple[Fraction, ...], ...]
# A column that the cost hardly sees is measured by at least this power of four of the largest: saturated softmaxes
# need all the range, programs may not depend on a column at all.
_LEAST_SCALE, _LEAST_SCALE_OF_PROGRAMS = 1000, 20


@contextmanager
def precision(bits: int) -> Iterator[Arb]:
    """Ball arithmetic at a precision, which is global to the process and restored at the end."""
    B = Arb(bits)
    B.most = math.inf
    with B:
        yield B


def attempt(function: Callable[..., Found], *arguments: Any) -> Found | None:
    """What a function returns; None where balls cannot decide."""
    try:
        return function(*arguments)
    except Undecided:
        return None


def place(
    B: Arb,
    instance: Instance,
    columns: Sequence[Sequence[Fraction]],
    groups: Groups | None,
    scales: Any = None,
) -> Place:
    """Return a point in balls; the units of its columns, where they are not given, are those of its gradient."""
    p = instance.problem
    point = Point(len(columns[0]), list(map(list, columns)), grouped(p, groups), list(scales or ()))
    at = Place(B, p, point, {})
    if scales is None:
        point.scales = units(at.around(0).unit, bool(p.program))
    return at


def grouped(p: Problem, groups: Groups | None) -> list[tuple[int, int, int]]:
    """Label, size and one sample of each group; None: every sample is one."""
    ranges = groups or [((i, i + 1),) for i in range(len(p.labels))]
    return [(p.labels[g[0][0]], sum(b - a for a, b in g), g[0][0]) for g in ranges]


# exponent of two from which a number is too long to be written
_LARGEST = 100_000


def units(e: Evaluated, program: bool = False) -> list[int]:
    """Exponents k_j, ``4^(k_j)`` about ``sum_i |Gamma_ji|``: terms that may cancel in the gradient."""
    sums = [arb(0)] * len(e.X)
    for leaf, slope in e.first.items():
        for j in e.movers(leaf):
            sums[j] += abs(slope)
    sizes = [_exponent(value) for value in sums]
    least = max(max(sizes), -4000 if program else -17000)
    least -= 2 * (_LEAST_SCALE_OF_PROGRAMS if program else _LEAST_SCALE)
    return [max(size, least) // 2 for size in sizes]


def _exponent(value: arb) -> int:
    """The least e with ``|value| <= 2^e`` for the whole ball, up to one; of zero, a very low one."""
    mantissa, power = value.abs_upper().man_exp() if value.is_finite() else (1, _LARGEST)
    if power >= _LARGEST:
        raise Undecided("a derivative is larger than the numbers of a certificate")
    return int(power) + int(mantissa).bit_length() if mantissa else -100000


def box_cost(B: Arb, instance: Instance, point: ExactPoint) -> arb:
    """The cost at a point whose columns are divided by their lengths."""
    return place(B, instance, point.columns, point.groups, [0]).around(0).unit.cost


def dyadic(value: arb) -> Fraction:
    """An exact ball, such as an end of one, as a fraction."""
    mantissa, power = value.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(power)
