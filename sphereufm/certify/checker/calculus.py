"""The cost and its derivatives in Gram variables: one calculus for all losses and for users' expressions.

The cost is ``phi(q)`` for leaves ``q_ij = <x_i, x_j>`` of the columns of ``X = [w_1 .. w_K, h_1 .. h_g]``; an entry of
a column is the leaf with a fixed unit vector.  Gamma is the symmetric matrix with ``grad_j = sum_i Gamma_ji x_i``:
``Gamma_ij = dphi/dq_ij``, and twice that for ``i = j``.  With ``lambda_j = <x_j, grad_j>`` and
``qdot_ij = <v_i, x_j> + <x_i, v_j>``,

    S = Gamma - diag(lambda),      Hess[V, V] = phi''[qdot, qdot] + <Gamma, V^T V> - sum_j lambda_j |v_j|^2.

A loss is a program of the K logits z of one sample, its label y, tau and parameters.  Nothing that is small may be a
difference of what is not: all softmaxes are made of the log odds s and of ``log(1 + e^s)``.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cached_property
from typing import Any

from sphereufm.certify.checker.kernel import cap, dot

Leaf = tuple[int, int]
Row = dict[Any, Any]
# value, slopes df/dv_i, and a function for the curvatures d2f/dv_i dv_j, both orders of each pair
Node = tuple[Any, list[Any], Callable[[], dict[tuple[int, int], Any]]]


class Jet:
    """A value with its first and second derivatives by leaves, computed when they are asked for."""

    def __init__(self, B: Any, node: Node, parts: tuple[Jet, ...] = (), own: Row | None = None) -> None:
        self.B, self.parts, self.own = B, parts, own or {}
        self.value, self.slopes, self.curvatures = node

    @cached_property
    def first(self) -> Row:
        """Derivatives by leaves."""
        found = dict(self.own)
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

    def apply(self, node: Callable[[Any, list[Any]], Node], *others: Jet) -> Jet:
        """A function of this value and others."""
        parts = (self, *others)
        self.B.charge(8 * len(parts))
        return Jet(self.B, node(self.B, [part.value for part in parts]), parts)


def leaf(B: Any, value: Any, name: Leaf, slope: Any) -> Jet:
    """A multiple of a leaf."""
    return Jet(B, (value, [], dict), own={name: slope})


def add(B: Any, target: Row, factor: Any, row: Row) -> None:
    """Add a multiple of one sparse row to another."""
    B.charge(len(row))
    for name, x in row.items():
        target[name] = target[name] + factor * x if name in target else factor * x


def combined(factors: list[Any], parts: list[Jet], number: Any = 0) -> Jet:
    """``sum_i factor_i part_i``, and a number."""
    value = dot(factors, [part.value for part in parts]) + parts[0].B.number(number)
    return Jet(parts[0].B, (value, factors, dict), tuple(parts))


def softplus(B: Any, z: list[Any]) -> Node:
    """``log(1 + e^x)``, its slope ``p = 1 / (1 + e^-x)``, and ``p (1 - p)``."""
    e = B.function("exp", z[0])
    p = 1 / (1 + 1 / e)
    return B.function("log1p", e), [p], lambda: {(0, 0): p / (1 + e)}


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


def log_odds(z: list[Jet], y: int) -> Jet:
    """``log sum_{j != y} exp(z_j - z_y)``."""
    return z[y].apply(odds, *(x for k, x in enumerate(z) if k != y))


def cross_entropy(z: list[Jet], y: int, tau: Fraction, p: dict[str, Any]) -> Jet:
    """``log(1 + e^s)`` of the logits ``z_k + o_ky``, the own one lowered by ``tau m``; rows of one number: ``o_k``."""
    if p:
        rows = p.get("offsets") or [[0]] * len(z)
        offsets = [row[min(y, len(row) - 1)] - tau * p["margin"] * (k == y) for k, row in enumerate(rows)]
        z = [combined([1], [x], o) for x, o in zip(z, offsets, strict=True)]
    return log_odds(z, y).apply(softplus) if len(z) > 1 else combined([0], z)


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

    @cached_property
    def second(self) -> dict[Leaf, Row]:
        """``d2phi/dq2``."""
        return [jet.second for jet in self.jets][-1]

    def movers(self, name: Leaf) -> dict[int, list[Any]]:
        """Columns that a leaf depends on, and its derivatives by them."""
        i, j = name
        if i == j:
            return {i: [2 * x for x in self.columns[i]]}
        return {a: self.columns[b] for a, b in ((i, j), (j, i)) if a < len(self.X)}

    @cached_property
    def gradient(self) -> list[list[Any]]:
        """Euclidean gradient, a column for each column of X."""
        self.B.charge(2 * self.r * len(self.first))
        columns = [[self.B.number(0)] * self.r for _ in self.X]
        for name, slope in self.first.items():
            for j, x in self.movers(name).items():
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
    def pulls(self) -> list[tuple[int, int, Any]]:
        """Entries ij of Gamma, i <= j, between columns of X: ``<Gamma, V^T V>`` has twice each."""
        return [(i, j, c) for (i, j), c in self.first.items() if max(i, j) < len(self.X)]

    def form(self, V: list[list[Any]]) -> Any:
        """``Hess[V, V]``; columns of V may have further entries, in which those of X are zero."""
        r, first = self.r, self.first
        moved = {a: sum(dot(x, V[j][:r]) for j, x in self.movers(a).items()) for a in first}
        # out of the span nothing moves
        second = {} if all(x == 0 for x in moved.values()) else self.second
        self.B.charge(6 * r * len(first) + sum(map(len, second.values())))
        bend = [moved[a] * dot(row.values(), [moved[b] for b in row]) for a, row in second.items()]
        pull = [2 * c * dot(V[i], V[j]) for i, j, c in self.pulls]
        return sum(bend) + sum(pull) - dot(self.multipliers, [dot(v, v) for v in V])

    @cached_property
    def hessian(self) -> list[list[Any]]:
        """The matrix of ``Hess[V, V]``: entry ``(j r + a, i r + b)`` belongs to ``v_j[a]`` and ``v_i[b]``."""
        B, r, n, second = self.B, self.r, self.r * len(self.X), self.second
        B.charge(n**2 + sum(4 * r * r * len(row) for row in second.values()))
        A = [[B.number(0)] * n for _ in range(n)]
        moves = {
            a: {j * r + d: t for j, x in self.movers(a).items() for d, t in enumerate(x)} for a in second
        }
        for a, row in second.items():
            # sum_b phi''_ab dq_b, and then dq_a times that
            along: Row = {}
            for b, c in row.items():
                add(B, along, c, moves[b])
            for p, x in moves[a].items():
                line = A[p]
                for q, y in along.items():
                    if q >= p:
                        line[q] += x * y
        for i, j, c in [*self.pulls, *((j, j, t / -2) for j, t in enumerate(self.multipliers))]:
            for d in range(r):
                A[i * r + d][j * r + d] += 2 * c if i == j else c
        for p, line in enumerate(A):
            line[:p] = [A[q][p] for q in range(p)]
        return A
