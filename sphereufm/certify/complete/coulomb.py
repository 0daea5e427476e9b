"""Four equal charges on a sphere: the energy ``sum_{i<j} 1 / |x_i - x_j|``, up to rotations and labels, in one chart.

Let ``x_1, x_2`` be a closest pair.  The stereographic projection from x_1 puts the others at ``y_2, y_3, y_4`` in the
plane; a rotation makes ``y_2 = (s, 0)``, a reflection and an exchange ``y_32 >= |y_42|``.  With ``n_i = 1 + |y_i|^2``

    |x_1 - x_i| = 2 / sqrt(n_i),        |x_i - x_j| = 2 |y_i - y_j| / sqrt(n_i n_j),

and ``s^2 <= 15`` by docs/complete.md, Lemma 3.  The unknowns are s, y_3 and y_4.  Where the energy is stationary in
them it is so in all, as rotations about x_1, and those that move x_1, do not change it.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from sphereufm.certify.complete.arithmetic import Array, Balls, Mask, applied, between, point, power
from sphereufm.certify.complete.programs import Jet, constant, multiply, negative, to_power, total, zeros
from sphereufm.certify.complete.reading import Program

# room for the rounding of a few products
LESS, MORE = 1 - 1e-12, 1 + 1e-12
# instructions of the energy
READ = ("const", "gram", "add", "sub", "mul", "div", "sqrt")
# what keeps the closest pair, and the order of y_3 and y_4: an exchange of both, and a reflection
SWAP, MIRROR = np.eye(5)[[0, 3, 4, 1, 2]], np.diag([1.0, 1, -1, 1, -1])
SYMMETRIES = np.array([np.eye(5), SWAP, MIRROR, SWAP @ MIRROR])


def is_coulomb(p: Program) -> bool:
    """Whether a program is this energy, in any order of its terms."""
    if (p.dim, p.columns) != (3, 4) or not all(step[0] in READ for step in p.program):
        return False
    done: list[Any] = []
    for name, *rest in p.program:
        parts = [str(rest[0])] if name == "const" else rest if name == "gram" else [done[t] for t in rest]
        if name == "add":
            sums = [part[1:] if part[0] == "add" else [part] for part in parts]
            parts = [term for terms in sums for term in terms if term != ("const", "0")]
        done.append((name, *(sorted(parts, key=str) if name in ("add", "mul", "gram") else parts)))
    one, two = ("const", "1"), ("const", "2")
    pairs = (
        ("div", one, ("sqrt", ("sub", two, ("mul", two, ("gram", *ij))))) for ij in combinations(range(4), 2)
    )
    return bool(done[-1] == ("add", *sorted(pairs, key=str)))


class Coulomb:
    """Where the energy is stationary, in the chart."""

    variables = 5
    up_to = ", up to O(3) and permutations,"
    names = ("s", "y_3[0]", "y_3[1]", "y_4[0]", "y_4[1]")

    def __init__(self) -> None:
        self.low, self.high = np.array([0.0, -4, 0, -4, -4]), np.full(5, 4.0)
        self.periodic, self.unit = np.zeros(5, dtype=np.bool_), np.ones(5)

    def trim(self, low: Array, high: Array) -> tuple[Mask, Array, Array]:
        """Boxes in which x_1 and x_2 are not the closest pair or nearer than the lemma allows, or y_42 is larger."""
        x = between(low, high)
        n, d = squares(x)
        dead = (n[0].low > 16 * MORE) | (np.maximum(low[:, 4], -high[:, 4]) > high[:, 2])
        for k in (0, 1):
            # |x_1 - x_j| and |x_2 - x_j| are at least |x_1 - x_2|
            dead |= (n[k + 1].low > n[0].high * MORE) | (d[k].high * MORE < n[k + 1].low)
        dead |= (d[2] * n[0]).high * MORE < (n[1] * n[2]).low
        return dead, low, high

    def evaluate(self, x: Balls, derivative: bool = True) -> tuple[Balls, Balls]:
        """The gradient of the energy and, if it is asked for, its Hessian."""
        last = self.energy(x, self.variables if derivative else 0)
        return last.gradient, last.hessian

    def energy(self, x: Balls, order: int) -> Jet:
        """Twice the energy."""
        boxes = len(x.m)
        s, a, b, c, e = (
            Jet(x[:, k], point(np.tile(unit, (boxes, 1))), zeros(boxes, order, order))
            for k, unit in enumerate(np.eye(self.variables))
        )
        one, nothing = (constant(point(np.full(boxes, v)), self.variables, order) for v in (1.0, 0.0))
        places = [(s, nothing), (a, b), (c, e)]
        roots = [to_power(total(one, *(to_power(v, 2) for v in y)), 0.5) for y in places]
        terms = list(roots)
        for i, j in combinations(range(3), 2):
            off = [to_power(total(u, negative(v)), 2) for u, v in zip(places[i], places[j], strict=True)]
            terms.append(multiply(multiply(roots[i], roots[j]), to_power(total(*off), -0.5)))
        return total(*terms)

    def cost(self, x: Balls) -> Balls:
        """The energy."""
        return self.energy(x, 0).value * 0.5

    def signature(self, x: Balls) -> Balls:
        """Configurations are told apart by their energy."""
        return self.cost(x)[:, None]

    @staticmethod
    def images(_: Coulomb, x: Balls) -> Balls:
        """What an exchange and a reflection make of four charges."""
        return applied("gij,bj->gi", SYMMETRIES, x, 5)

    @staticmethod
    def place(x: Array) -> Array:
        """The four points, as columns."""
        y = np.array([[x[0], 0.0], x[1:3], x[3:5]]).T
        n = 1 + (y**2).sum(0)
        return np.column_stack([[0, 0, 1], np.vstack([2 * y, n - 2]) / n])


def squares(x: Balls) -> tuple[list[Balls], list[Balls]]:
    """``1 + |y_i|^2``, and the squared distances of y_2 to y_3 and y_4, and of these."""
    q = power(x, 2)
    n = [part + 1.0 for part in (q[:, 0], q[:, 1] + q[:, 2], q[:, 3] + q[:, 4])]
    near = [power(x[:, 0] - x[:, k], 2) + q[:, k + 1] for k in (1, 3)]
    return n, [*near, power(x[:, 1] - x[:, 3], 2) + power(x[:, 2] - x[:, 4], 2)]
