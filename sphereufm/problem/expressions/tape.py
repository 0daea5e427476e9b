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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array

Rows: TypeAlias = NDArray[np.intp]
# values of the arguments -> slopes, and curvatures by pairs of places (one order only)
_Local: TypeAlias = Callable[..., tuple[list[Any], dict[tuple[int, int], Any]]]

LEAVES = ("const", "x", "gram")


@dataclass(frozen=True, eq=False, slots=True)
class _Group:
    """Instructions of one name and depth: their rows, the rows of their arguments place by place, and a power."""

    name: str
    rows: Rows
    # shape (places, rows)
    arguments: Rows
    power: int | None

    @property
    def is_sum(self) -> bool:
        """Sums may have hundreds of terms, and their slopes are one: they are taken in one operation."""
        return self.name == "add"

    def local(self, V: Array) -> tuple[list[Any], dict[tuple[int, int], Any]]:
        """Slopes and curvatures at the values ``V``."""
        values = [V[a] for a in self.arguments]
        if self.power is not None:
            n, v = self.power, values[0]
            return [n * v ** (n - 1)], {(0, 0): n * (n - 1) * v ** (n - 2)}
        return _LOCAL[self.name](*values, V[self.rows])


class Tape:
    """A program, ready to be swept.

    ``program``: as of :class:`~sphereufm.certify.instances.ExpressionInstance`; the cost is the value of the
    last one.
    """

    def __init__(self, program: Sequence[tuple[Any, ...]]) -> None:
        self.length = len(program)
        names = [instruction[0] for instruction in program]
        self.gram = _places(program, names, "gram")
        self.x = _places(program, names, "x")
        self.constants = np.array([t for t, name in enumerate(names) if name == "const"], dtype=np.intp)
        self._values = np.array([float(Fraction(program[t][1])) for t in self.constants])
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
                values = V[group.arguments]
                if group.is_sum:
                    V[group.rows] = values.sum(axis=0)
                elif group.power is not None:
                    V[group.rows] = values[0] ** group.power
                else:
                    V[group.rows] = _VALUES[group.name](*values)
        return V

    def adjoints(self, V: Array) -> Array:
        """Derivative of the cost by each value."""
        A = np.zeros_like(V)
        A[-1] = 1.0
        with np.errstate(all="ignore"):
            for group in reversed(self._groups):
                above = A[group.rows]
                if group.is_sum:
                    np.add.at(A, group.arguments, above)
                    continue
                slopes, _ = group.local(V)
                for rows, slope in zip(group.arguments, slopes, strict=True):
                    np.add.at(A, rows, slope * above)
        return A

    def directional(self, V: Array, A: Array, leaves: Array) -> Array:
        """Derivatives ``Ad`` of the adjoints along directions, given those of the leaves, ``(L, B, k)``."""
        Vd = self.leaves_filled(leaves)
        Vd[self.constants] = 0.0
        Ad = np.zeros_like(Vd)
        with np.errstate(all="ignore"):
            local = [([], {}) if group.is_sum else group.local(V) for group in self._groups]
            for group, (slopes, _) in zip(self._groups, local, strict=True):
                Vd[group.rows] = (
                    Vd[group.arguments].sum(axis=0)
                    if group.is_sum
                    else sum(
                        _wide(slope) * Vd[rows] for rows, slope in zip(group.arguments, slopes, strict=True)
                    )
                )
            for group, (slopes, curvatures) in zip(reversed(self._groups), reversed(local), strict=True):
                above, above_d = A[group.rows][..., None], Ad[group.rows]
                if group.is_sum:
                    np.add.at(Ad, group.arguments, above_d)
                    continue
                for a, rows in enumerate(group.arguments):
                    change = _wide(slopes[a]) * above_d
                    for (i, j), value in curvatures.items():
                        if i == a:
                            change = change + above * _wide(value) * Vd[group.arguments[j]]
                        if j == a and i != j:
                            change = change + above * _wide(value) * Vd[group.arguments[i]]
                    np.add.at(Ad, rows, change)
        return Ad


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
    for (_, name, number), rows in sorted(members.items(), key=lambda item: item[0]):
        places = 1 if name == "pow" else number
        table: Rows = np.array([program[t][1 : 1 + places] for t in rows], dtype=np.intp).T
        power = number if name == "pow" else None
        groups.append(_Group(name, np.array(rows, dtype=np.intp), table, power))
    return groups


def _wide(value: Any) -> Any:
    """A value at each point, beside the axis of directions."""
    return value[..., None] if isinstance(value, np.ndarray) else value


_VALUES: dict[str, Callable[..., Any]] = {
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
}
_LOCAL: dict[str, _Local] = {
    "sub": lambda a, b, v: ([1.0, -1.0], {}),
    "mul": lambda a, b, v: ([b, a], {(0, 1): 1.0}),
    "div": lambda a, b, v: ([1.0 / b, -v / b], {(0, 1): -1.0 / (b * b), (1, 1): 2.0 * v / (b * b)}),
    "neg": lambda a, v: ([-1.0], {}),
    "exp": lambda a, v: ([v], {(0, 0): v}),
    "log": lambda a, v: ([1.0 / a], {(0, 0): -1.0 / (a * a)}),
    "sqrt": lambda a, v: ([0.5 / v], {(0, 0): -0.25 / (a * v)}),
}
