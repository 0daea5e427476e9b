"""A cost given by a program, in ball arithmetic: gradient and Hessian by second-order automatic differentiation.

One backward sweep carries the adjoint ``vbar_t = df / dv_t`` of every value and the second derivatives
``W_tu = d^2 f / dv_t dv_u`` of the part of the program that is swept already (edge pushing): instruction ``t``
with first and second local derivatives ``d_a``, ``d_ab`` hands on

    W_ab += vbar_t d_ab + W_tt d_a d_b,   W_au += d_a W_tu  (u not t),   vbar_a += vbar_t d_a.

At the leaves ``q = <x_i, x_j>`` or an entry of X, the chain rule gives the derivatives in X.

References
----------
R. Gower, M. Mello, *A new framework for the computation of Hessians*, Optimization Methods and Software 2012.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from flint import arb, arb_mat

from sphereufm.certify.balls import ball, exponent
from sphereufm.certify.certificate import ExpressionInstance
from sphereufm.certify.exact import parse_rational

First = dict[int, arb]
Second = dict[tuple[int, int], arb]

# A column that the cost hardly sees is measured by at least this power of two of the largest.
_LEAST_SCALE = 40


class ExpressionBalls:
    """The cost of an :class:`ExpressionInstance`, as what provers ask for."""

    def __init__(self, instance: ExpressionInstance) -> None:
        self.instance = instance
        self.columns = instance.columns
        self.is_orthogonally_invariant = instance.is_orthogonally_invariant
        self.is_convex = instance.is_convex_in_gram
        self.multiplicities = [1] * instance.columns

    def at(self, X: arb_mat) -> ExpressionEvaluation:
        """Evaluate over a ball matrix of shape (d, M)."""
        return ExpressionEvaluation(self, X)


class ExpressionEvaluation:
    """Balls of cost, gradient and Hessian at a ball matrix; parts are computed when asked for."""

    def __init__(self, problem: ExpressionBalls, X: arb_mat) -> None:
        self.problem = problem
        self.X = X
        self._columns: list[list[arb]] = X.transpose().tolist()
        self._program = problem.instance.program
        self._values: list[arb] = []
        for instruction in self._program:
            self._values.append(self._value(instruction))

    @property
    def cost(self) -> arb:
        """The value of the last instruction."""
        return self._values[-1]

    @cached_property
    def gradient(self) -> list[list[arb]]:
        """Euclidean gradient, a list of M columns."""
        columns = [[arb(0)] * self.X.nrows() for _ in self._columns]
        for leaf, weight in self._leaves[0].items():
            for j, vector in self._leaf_gradient(leaf):
                columns[j] = [a + weight * b for a, b in zip(columns[j], vector, strict=True)]
        return columns

    @cached_property
    def multipliers(self) -> list[arb]:
        """``lambda_j = <x_j, gradient_j>``."""
        pairs = zip(self._columns, self.gradient, strict=True)
        return [sum((a * b for a, b in zip(x, g, strict=True)), arb(0)) for x, g in pairs]

    @cached_property
    def scales(self) -> list[int]:
        """Even exponents of the sum of the absolute terms of each gradient column, which may cancel in the gradient."""
        sums = [arb(0)] * len(self._columns)
        for leaf, weight in self._leaves[0].items():
            for j, vector in self._leaf_gradient(leaf):
                sums[j] += sum((abs(weight * value) for value in vector), arb(0))
        sizes = [exponent(total) for total in sums]
        highest = max(max(sizes), -2000)
        return [2 * (max(size, highest - _LEAST_SCALE) // 2) for size in sizes]

    @property
    def S(self) -> list[list[arb]]:
        """Rows of ``dF/dG + (dF/dG)^T - diag(lambda)``, where the program reads Gram entries alone."""
        M = len(self._columns)
        rows = [[arb(0)] * M for _ in range(M)]
        for leaf, weight in self._leaves[0].items():
            _, i, j = self._program[leaf]
            rows[i][j] += weight
            rows[j][i] += weight
        for j, value in enumerate(self.multipliers):
            rows[j][j] -= value
        return rows

    @cached_property
    def hessian(self) -> list[list[arb]]:
        """Rows of the Euclidean Hessian, column after column of X."""
        d, first, second = self.X.nrows(), *self._leaves
        size = d * len(self._columns)
        rows = [[arb(0)] * size for _ in range(size)]
        for (p, q), weight in second.items():
            for j, u in self._leaf_gradient(p):
                for l, v in self._leaf_gradient(q):
                    _add_outer(rows, d * j, d * l, [weight * a for a in u], v)
        for leaf, weight in first.items():
            name, i, j = self._program[leaf]
            if name == "gram":
                for a in range(d):
                    rows[d * i + a][d * j + a] += weight
                    rows[d * j + a][d * i + a] += weight
        return rows

    @cached_property
    def _leaves(self) -> tuple[First, Second]:
        """First and second derivatives of the cost in the leaves; second ones in both orders."""
        last = len(self._program) - 1
        adjoint: First = {last: arb(1)}
        W: dict[int, First] = {}
        leaves: First = {}
        for t in range(last, -1, -1):
            weight = adjoint.pop(t, None)
            if weight is None or self._program[t][0] == "const":
                _forget(W, t)
                continue
            if self._program[t][0] in ("x", "gram"):
                leaves[t] = weight
                continue
            first, second = self._derivatives(self._program[t])
            own = W.get(t, {}).get(t)
            neighbours = {u: w for u, w in W.get(t, {}).items() if u != t}
            _forget(W, t)
            for (a, b), value in second.items():
                _accumulate(W, a, b, weight * value)
            for a, slope in first.items():
                for u, w in neighbours.items():
                    _accumulate(W, a, u, slope * w)
                    _accumulate(W, u, a, slope * w)
                if own is not None:
                    for b, other in first.items():
                        _accumulate(W, a, b, own * slope * other)
                adjoint[a] = adjoint[a] + weight * slope if a in adjoint else weight * slope
        return leaves, {(p, q): w for p, row in W.items() for q, w in row.items()}

    def _leaf_gradient(self, leaf: int) -> Iterator[tuple[int, list[arb]]]:
        """Yield column and derivative of a leaf, as often as the leaf depends on X."""
        name, i, j = self._program[leaf]
        if name == "x":
            yield j, [arb(int(a == i)) for a in range(self.X.nrows())]
            return
        yield i, self._columns[j]
        yield j, self._columns[i]

    def _value(self, instruction: tuple[Any, ...]) -> arb:
        """Value of one instruction."""
        name, *arguments = instruction
        if name == "const":
            return ball(parse_rational(arguments[0]))
        if name == "x":
            return self._columns[arguments[1]][arguments[0]]
        if name == "gram":
            x, y = (self._columns[a] for a in arguments)
            return sum((a * b for a, b in zip(x, y, strict=True)), arb(0))
        if name == "pow":
            return _power(self._values[arguments[0]], arguments[1])
        v = [self._values[a] for a in arguments]
        return _VALUES[name](v)

    def _derivatives(self, instruction: tuple[Any, ...]) -> tuple[First, Second]:
        """First and second derivatives of one instruction in its distinct arguments, second ones in both orders."""
        name, *arguments = instruction
        if name == "pow":
            a, n = arguments
            v = self._values[a]
            curvature = n * (n - 1) * _power(v, n - 2)
            return {a: n * _power(v, n - 1)}, {(a, a): curvature}
        values = [self._values[a] for a in arguments]
        slopes, curvatures = _DERIVATIVES[name](values)
        first: First = {}
        second: Second = {}
        for a, slope in zip(arguments, slopes, strict=True):
            first[a] = first[a] + slope if a in first else slope
        for (i, j), value in curvatures.items():
            pair = (arguments[i], arguments[j])
            second[pair] = second[pair] + value if pair in second else value
        return first, second


_VALUES: dict[str, Any] = {
    "add": lambda v: sum(v, arb(0)),
    "sub": lambda v: v[0] - v[1],
    "mul": lambda v: v[0] * v[1],
    "div": lambda v: v[0] / v[1],
    "neg": lambda v: -v[0],
    "exp": lambda v: v[0].exp(),
    "log": lambda v: v[0].log(),
    "sqrt": lambda v: v[0].sqrt(),
}

# Slopes in each argument, and curvatures by pairs of argument places, in both orders.
_DERIVATIVES: dict[str, Any] = {
    "add": lambda v: ([arb(1)] * len(v), {}),
    "sub": lambda v: ([arb(1), arb(-1)], {}),
    "mul": lambda v: ([v[1], v[0]], {(0, 1): arb(1), (1, 0): arb(1)}),
    "div": lambda v: (
        [1 / v[1], -v[0] / (v[1] * v[1])],
        {(0, 1): -1 / (v[1] * v[1]), (1, 0): -1 / (v[1] * v[1]), (1, 1): 2 * v[0] / _power(v[1], 3)},
    ),
    "neg": lambda v: ([arb(-1)], {}),
    "exp": lambda v: ([v[0].exp()], {(0, 0): v[0].exp()}),
    "log": lambda v: ([1 / v[0]], {(0, 0): -1 / v[0] ** 2}),
    "sqrt": lambda v: ([1 / (2 * v[0].sqrt())], {(0, 0): -1 / (4 * v[0] * v[0].sqrt())}),
}


def _power(v: arb, n: int) -> arb:
    """Return ``v^n`` by squaring; arb's own power is not finite where v contains zero."""
    result = arb(1)
    while n:
        if n & 1:
            result *= v
        v, n = v * v, n >> 1
    return result


def _accumulate(W: dict[int, First], a: int, b: int, value: arb) -> None:
    """Add to one entry of a sparse matrix."""
    row = W.setdefault(a, {})
    row[b] = row[b] + value if b in row else value


def _forget(W: dict[int, First], t: int) -> None:
    """Remove row and column t."""
    for u in W.pop(t, {}):
        if u != t:
            W[u].pop(t, None)


def _add_outer(rows: list[list[arb]], i: int, j: int, u: list[arb], v: list[arb]) -> None:
    """Add ``u v^T`` to the block that begins at (i, j)."""
    for a, left in enumerate(u):
        row = rows[i + a]
        for b, right in enumerate(v):
            row[j + b] += left * right
