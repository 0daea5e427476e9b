r"""A program of instructions, evaluated for stacks of points: values, adjoints, and both along directions.

Instructions of one depth and one name are done together, so that the number of array operations is that of the
expression's *form* (a few dozen) and not of its terms.  With values ``v_t``, local slopes ``s_a`` and curvatures
``s_ab``, one forward and one backward sweep give

    vdot_t = sum_a s_a vdot_a,      A_a += s_a A_t,      Adot_a += s_a Adot_t + A_t sum_b s_ab vdot_b,

the Hessian's product with a direction as the derivative of the reverse sweep.

==========  ==============  =====================================================
symbol      shape           meaning
==========  ==============  =====================================================
``V, A``    ``(T, B)``      values and adjoints of all instructions, B points
``Vd, Ad``  ``(T, B, k)``   their derivatives along k directions at each point
==========  ==============  =====================================================

References
----------
A. Griewank, A. Walther, *Evaluating Derivatives*, 2008, chapters 3 and 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import mul, neg, sub, truediv
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array

Rows: TypeAlias = NDArray[np.intp]
# slopes by the arguments, and curvatures by pairs of them (one order only)
_Local: TypeAlias = tuple[list[Any], dict[tuple[int, int], Any]]

LEAVES = ("const", "x", "gram")


@dataclass(frozen=True, eq=False, slots=True)
class _Group:
    """Instructions of one name and depth, and a power; arguments by place, shape ``(places, rows)``."""

    name: str
    rows: Rows
    arguments: Rows
    power: int | None

    def value(self, a: Array) -> Array:
        """Values from those of the arguments."""
        if self.name == "add":
            return a.sum(axis=0)
        return a[0] ** self.power if self.power is not None else _RULES[self.name][0](*a)

    def local(self, V: Array) -> _Local | None:
        """Slopes and curvatures; None for sums, of perhaps hundreds of terms, whose slopes are one."""
        if self.name == "add":
            return None
        values, n = V[self.arguments], self.power
        if n is not None:
            return [n * values[0] ** (n - 1)], {(0, 0): n * (n - 1) * values[0] ** (n - 2)}
        return _RULES[self.name][1](*values, V[self.rows])


def _nearest(text: str) -> float:
    """The float nearest to a certificate's number, ``p``, ``p/q`` or ``m@e``; infinite beyond their range."""
    number, _, power = text.partition("@")
    value = Fraction(number) * Fraction(2) ** int(power or 0)
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


class Tape:
    """The program of an :class:`~sphereufm.certify.instances.ExpressionInstance`, ready to be swept.

    The cost is the value of the last instruction.
    """

    def __init__(self, program: Sequence[tuple[Any, ...]]) -> None:
        self.length = len(program)
        names = [instruction[0] for instruction in program]
        self.gram = _places(program, names, "gram")
        self.x = _places(program, names, "x")
        self.constants = np.array([t for t, name in enumerate(names) if name == "const"], dtype=np.intp)
        self._values = np.array([_nearest(program[t][1]) for t in self.constants])
        self._groups = _grouped(program)

    def leaves_filled(self, leaves: Array) -> Array:
        """Room for all values, ``(T, ...)``, with constants and the given leaves (Gram entries, then entries of X)."""
        V = np.empty((self.length, *leaves.shape[1:]))
        V[self.constants] = self._values.reshape(-1, *[1] * (leaves.ndim - 1))
        V[self.gram[0]], V[self.x[0]] = leaves[: len(self.gram[0])], leaves[len(self.gram[0]) :]
        return V

    def values(self, V: Array) -> Array:
        """Fill in the values that follow from the leaves."""
        with np.errstate(all="ignore"):
            for group in self._groups:
                V[group.rows] = group.value(V[group.arguments])
        return V

    def adjoints(self, V: Array) -> Array:
        """Derivative of the cost by each value."""
        A = np.zeros_like(V)
        A[-1] = 1.0
        with np.errstate(all="ignore"):
            for group in reversed(self._groups):
                above, local = A[group.rows], group.local(V)
                changes = above if local is None else [slope * above for slope in local[0]]
                np.add.at(A, group.arguments, changes)
        return A

    def directional(self, V: Array, A: Array, leaves: Array) -> Array:
        """Derivatives ``Ad`` of the adjoints along directions, given those of the leaves, ``(L, B, k)``."""
        Vd = self.leaves_filled(leaves)
        Vd[self.constants] = 0.0
        Ad = np.zeros_like(Vd)
        with np.errstate(all="ignore"):
            locals_ = [group.local(V) for group in self._groups]
            for group, local in zip(self._groups, locals_, strict=True):
                inner = Vd[group.arguments]
                Vd[group.rows] = (
                    inner.sum(axis=0) if local is None else sum(map(mul, map(_wide, local[0]), inner))
                )
            for group, local in zip(reversed(self._groups), reversed(locals_), strict=True):
                above_d = Ad[group.rows]
                changes = (
                    above_d if local is None else _changes(local, A[group.rows], above_d, Vd[group.arguments])
                )
                np.add.at(Ad, group.arguments, changes)
        return Ad


def _changes(local: _Local, above: Array, above_d: Array, inner: Array) -> list[Array]:
    """``s_a Adot_t + A_t sum_b s_ab vdot_b`` for each argument."""
    slopes, curvatures = local
    changes = [_wide(slope) * above_d for slope in slopes]
    for (a, b), value in curvatures.items():
        bend = _wide(above * value)
        changes[a] = changes[a] + bend * inner[b]
        if a != b:
            changes[b] = changes[b] + bend * inner[a]
    return changes


def _places(program: Sequence[tuple[Any, ...]], names: list[str], name: str) -> tuple[Rows, Rows, Rows]:
    """Rows, first and second arguments of the leaves of one name."""
    rows = [t for t, other in enumerate(names) if other == name]
    pairs = np.array([program[t][1:] for t in rows], dtype=np.intp).reshape(-1, 2)
    return np.array(rows, dtype=np.intp), pairs[:, 0], pairs[:, 1]


def _grouped(program: Sequence[tuple[Any, ...]]) -> list[_Group]:
    """Instructions that can be done together, in an order that respects their arguments."""
    depth: list[int] = []
    members: dict[tuple[int, str, int], list[int]] = {}
    for t, (name, *arguments) in enumerate(program):
        if name in LEAVES:
            depth.append(0)
            continue
        inner = arguments[:1] if name == "pow" else arguments
        depth.append(1 + max(depth[a] for a in inner))
        key = (depth[t], name, arguments[1] if name == "pow" else len(inner))
        members.setdefault(key, []).append(t)
    groups = []
    for (_, name, number), rows in sorted(members.items()):
        places, power = (1, number) if name == "pow" else (number, None)
        table = np.array([program[t][1 : 1 + places] for t in rows], dtype=np.intp).T
        groups.append(_Group(name, np.array(rows, dtype=np.intp), table, power))
    return groups


def _wide(value: Any) -> Any:
    """A value at each point, beside the axis of directions."""
    return value[..., None] if isinstance(value, np.ndarray) else value


# value, and what is local, from the arguments (and the value)
_RULES: dict[str, tuple[Callable[..., Any], Callable[..., _Local]]] = {
    "sub": (sub, lambda a, b, v: ([1.0, -1.0], {})),
    "mul": (mul, lambda a, b, v: ([b, a], {(0, 1): 1.0})),
    "div": (
        truediv,
        lambda a, b, v: ([1.0 / b, -v / b], {(0, 1): -1.0 / (b * b), (1, 1): 2.0 * v / (b * b)}),
    ),
    "neg": (neg, lambda a, v: ([-1.0], {})),
    "exp": (np.exp, lambda a, v: ([v], {(0, 0): v})),
    "log": (np.log, lambda a, v: ([1.0 / a], {(0, 0): -1.0 / (a * a)})),
    "sqrt": (np.sqrt, lambda a, v: ([0.5 / v], {(0, 0): -0.25 / (a * v)})),
}
