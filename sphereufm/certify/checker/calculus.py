"""The cost and its derivatives in Gram variables: one calculus for all losses and for users' expressions.

The cost is ``phi(q)`` for leaves ``q_ij = <x_i, x_j>`` of the columns of ``X = [w_1 .. w_K, h_1 .. h_g]``; an entry of
a column is the leaf with a fixed unit vector.  Gamma is the symmetric matrix with ``grad_j = sum_i Gamma_ji x_i``:
``Gamma_ij = dphi/dq_ij``, and twice that for ``i = j``.  With ``lambda_j = <x_j, grad_j>`` and
``qdot_ij = <v_i, x_j> + <x_i, v_j>``,

    S = Gamma - diag(lambda),      Hess[V, V] = phi''[qdot, qdot] + <Gamma, V^T V> - sum_j lambda_j |v_j|^2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from sphereufm.certify.checker.kernel import Undecided, cap, dot

Leaf = tuple[int, int]
Row = dict[Leaf, Any]
# value, slopes df/dv_i, and a function for the curvatures d2f/dv_i dv_j, both orders of each pair
Node = tuple[Any, list[Any], Callable[[], dict[tuple[int, int], Any]]]

# operations of programs, with their number of arguments (0: two or more)
ARITY = {"add": 0, "sub": 2, "mul": 2, "div": 2, "neg": 1, "pow": 1, "exp": 1, "log": 1, "sqrt": 1}


class Jet:
    """A value with its first and second derivatives by leaves, computed when they are asked for."""

    def __init__(self, B: Any, node: Node, parts: tuple[Jet, ...] = (), leaf: Leaf | None = None) -> None:
        self.B, self.parts, self.leaf = B, parts, leaf
        self.value, self.slopes, self.curvatures = node

    @cached_property
    def first(self) -> Row:
        """Derivatives by leaves."""
        found: Row = {} if self.leaf is None else {self.leaf: self.B.number(1)}
        for slope, part in zip(self.slopes, self.parts, strict=True):
            add(self.B, found, slope, part.first)
        return found

    @cached_property
    def second(self) -> dict[Leaf, Row]:
        """Second derivatives by pairs of leaves, in both orders."""
        found: dict[Leaf, Row] = {}
        for slope, part in zip(self.slopes, self.parts, strict=True):
            for a, row in part.second.items():
                add(self.B, found.setdefault(a, {}), slope, row)
        for (i, j), c in self.curvatures().items():
            for a, x in self.parts[i].first.items():
                add(self.B, found.setdefault(a, {}), c * x, self.parts[j].first)
        return found

    def apply(self, name: str, *others: Jet, power: int = 2) -> Jet:
        """An operation on this value and others."""
        parts = (self, *others)
        return Jet(self.B, operation(self.B, name, [part.value for part in parts], power), parts)

    def plus(self, number: Any) -> Jet:
        """The value plus an exact number."""
        return Jet(self.B, (self.value + self.B.number(number), [1], dict), (self,))


def add(B: Any, target: Row, factor: Any, row: Row) -> None:
    """Add a multiple of one sparse row to another."""
    B.charge(len(row))
    for leaf, x in row.items():
        target[leaf] = target[leaf] + factor * x if leaf in target else factor * x


def combined(factors: list[Any], parts: list[Jet]) -> Jet:
    """``sum_i factor_i part_i``."""
    return Jet(parts[0].B, (dot(factors, [part.value for part in parts]), factors, dict), tuple(parts))


def operation(B: Any, name: str, v: list[Any], power: int = 2) -> Node:
    """A node: an operation of programs, or ``odds`` and ``softplus``, of which losses are made."""
    x = v[0]
    B.charge(8 * len(v))
    if name in ("add", "sub", "neg"):
        signs = [-1 if name == "neg" or (name == "sub" and i) else 1 for i in range(len(v))]
        return dot(signs, v), signs, dict
    if name == "mul":
        return x * v[1], [v[1], x], lambda: {(0, 1): B.number(1), (1, 0): B.number(1)}
    if name == "div":
        y = v[1]
        if not (B.less(0, y) or B.less(y, 0)):
            raise Undecided("a divisor is not proved nonzero")
        mixed = -1 / (y * y)
        return x / y, [1 / y, x * mixed], lambda: {(0, 1): mixed, (1, 0): mixed, (1, 1): 2 * x / (y * y * y)}
    if name == "pow":
        powers = [B.number(1)]
        for _ in range(power):
            powers.append(powers[-1] * x)
        bend = power * (power - 1) * powers[-3]
        return powers[-1], [power * powers[-2]], lambda: {(0, 0): bend}
    if name == "odds":
        return odds(B, v)
    if name == "softplus":
        # log(1 + e^x), its slope p = 1 / (1 + e^-x), and p (1 - p)
        e = B.function("exp", x)
        p = 1 / (1 + 1 / e)
        return B.function("log1p", e), [p], lambda: {(0, 0): p / (1 + e)}
    if name != "exp" and not B.less(0, x):
        raise Undecided(f"the argument of {name} is not proved positive")
    f = B.function(name, x)
    if name == "exp":
        return f, [f], lambda: {(0, 0): f}
    if name == "log":
        return f, [1 / x], lambda: {(0, 0): -1 / (x * x)}
    return f, [f / (2 * x)], lambda: {(0, 0): -f / (4 * x * x)}


def odds(B: Any, z: list[Any]) -> Node:
    """``log sum_{k > 0} exp(z_k - z_0)``; slopes -1 and the softmax q of the others, curvatures ``diag(q) - q q^T``."""
    B.charge(12 * len(z))
    centre = [B.middle(x) for x in z]
    # if no logit moves by more than t, neither this function nor any log q_k moves by more than 2 t
    t = 2 * cap(B, [B.top(x - c) for x, c in zip(z, centre, strict=True)])
    e = [B.function("exp", c - centre[0]) for c in centre[1:]]
    total, spread = sum(e), B.function("exp", B.around(B.number(0), t))
    q = [x / total * spread for x in e]

    def curvatures() -> dict[tuple[int, int], Any]:
        B.charge(len(z) ** 2)
        K = range(1, len(z))
        C = {(k, l): -q[k - 1] * q[l - 1] for k in K for l in K if k != l}
        return C | {(k, k): sum((-C[k, l] for l in K if l != k), B.number(0)) for k in K}

    return B.around(B.function("log", total), t), [B.number(-1), *q], curvatures


class Evaluated:
    """Everything at columns of balls ``X``, perhaps with fixed ones after them; the cost is the last of ``jets``."""

    def __init__(self, B: Any, X: list[list[Any]], fixed: list[list[Any]], jets: list[Jet]) -> None:
        self.B, self.X, self.r, self.columns, self.jets = B, X, len(X[0]), [*X, *fixed], jets
        self.cost = jets[-1].value
        self.at_rest = self  #: the same with a free bias at rest

    @cached_property
    def first(self) -> Row:
        """``dphi/dq``."""
        # in their order: no jet has to ask a long chain of others
        return [jet.first for jet in self.jets][-1]

    def movers(self, leaf: Leaf) -> list[tuple[int, list[Any]]]:
        """Columns that a leaf depends on, and its derivatives by them."""
        i, j = leaf
        return [(a, self.columns[b]) for a, b in ((i, j), (j, i)) if a < len(self.X)]

    @cached_property
    def gradient(self) -> list[list[Any]]:
        """Euclidean gradient, a column for each column of X."""
        self.B.charge(2 * self.r * len(self.first))
        columns = [[self.B.number(0)] * self.r for _ in self.X]
        for leaf, slope in self.first.items():
            for j, x in self.movers(leaf):
                columns[j] = [a + slope * b for a, b in zip(columns[j], x, strict=True)]
        return columns

    @cached_property
    def multipliers(self) -> list[Any]:
        """``lambda_j = <x_j, grad_j>``."""
        return [dot(x, g) for x, g in zip(self.X, self.gradient, strict=True)]

    @cached_property
    def tangential(self) -> list[list[Any]]:
        """``grad_j - lambda_j x_j``, which vanishes where X is critical."""
        parts = zip(self.X, self.gradient, self.multipliers, strict=True)
        return [[b - t * a for a, b in zip(x, g, strict=True)] for x, g, t in parts]

    @cached_property
    def second(self) -> dict[Leaf, Row]:
        """``d2phi/dq2``."""
        return [jet.second for jet in self.jets][-1]

    def form(self, V: list[list[Any]]) -> Any:
        """``Hess[V, V]``; columns of V may have further entries, in which those of X are zero."""
        r, M, first = self.r, len(self.X), self.first
        moved = {leaf: sum(dot(x, V[a][:r]) for a, x in self.movers(leaf)) for leaf in first}
        # out of the span nothing moves
        second = {} if all(x == 0 for x in moved.values()) else self.second
        self.B.charge(6 * r * len(first) + sum(map(len, second.values())))
        bend = [moved[a] * dot(row.values(), [moved[b] for b in row]) for a, row in second.items()]
        pull = [2 * c * dot(V[i], V[j]) for (i, j), c in first.items() if max(i, j) < M]
        return sum(bend) + sum(pull) - dot(self.multipliers, [dot(v, v) for v in V])

    @cached_property
    def hessian(self) -> list[list[Any]]:
        """The matrix of ``Hess[V, V]``: entry ``(j r + a, i r + b)`` belongs to ``v_j[a]`` and ``v_i[b]``."""
        r, M = self.r, len(self.X)
        self.B.charge((r * M) ** 2 + sum(4 * r * r * len(row) for row in self.second.values()))
        A = [[self.B.number(0)] * (r * M) for _ in range(r * M)]
        for a, row in self.second.items():
            # sum_b phi''_ab dq_b, and then dq_a times that
            along: dict[int, list[Any]] = {}
            for b, c in row.items():
                for j, x in self.movers(b):
                    along[j] = [s + c * t for s, t in zip(along.get(j, [0] * r), x, strict=True)]
            for i, x in self.movers(a):
                for line, t in zip(A[i * r : i * r + r], x, strict=True):
                    for j, y in along.items():
                        if j >= i:
                            old = line[j * r : j * r + r]
                            line[j * r : j * r + r] = [s + t * z for s, z in zip(old, y, strict=True)]
        bent = [(i, j, c) for (i, j), c in self.first.items() if max(i, j) < M]
        bent += [(j, i, c) for i, j, c in bent] + [(j, j, -t) for j, t in enumerate(self.multipliers)]
        for i, j, c in bent:
            for d in range(r):
                A[i * r + d][j * r + d] += c
        return [[A[min(p, q)][max(p, q)] for q in range(r * M)] for p in range(r * M)]


def program_jets(B: Any, program: list[Any], columns: list[list[Any]], M: int) -> list[Jet]:
    """Values of all instructions over M columns, after which unit vectors stand."""
    jets: list[Jet] = []
    for name, *words in program:
        if name == "const":
            jets.append(Jet(B, (B.number(words[0]), [], dict)))
        elif name in ("x", "gram"):
            B.charge(4 * len(columns[0]))
            i, j = words if name == "gram" else (words[1], M + words[0])
            jets.append(Jet(B, (dot(columns[i], columns[j]), [], dict), leaf=(min(i, j), max(i, j))))
        else:
            first, *others = (jets[t] for t in (words[:1] if name == "pow" else words))
            jets.append(first.apply(name, *others, power=words[-1]))
    return jets
