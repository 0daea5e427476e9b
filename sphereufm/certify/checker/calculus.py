"""The cost and its derivatives in Gram variables: one calculus for all losses and for users' expressions.

The cost is ``phi(q)`` for leaves ``q_ij = <x_i, x_j>`` of the columns of ``X = [w_1 .. w_K, h_1 .. h_g]``; an entry of
a column is the leaf with a fixed unit vector.  Gamma is the symmetric matrix with ``grad_j = sum_i Gamma_ji x_i``:
``Gamma_ij = dphi/dq_ij``, and twice that for ``i = j``.  With ``lambda_j = <x_j, grad_j>`` and
``qdot_ij = <v_i, x_j> + <x_i, v_j>``,

    S = Gamma - diag(lambda),      Hess[V, V] = phi''[qdot, qdot] + <Gamma, V^T V> - sum_j lambda_j |v_j|^2.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from sphereufm.certify.checker.kernel import dot
from sphereufm.certify.checker.losses import LOSSES, Node, operation

Leaf = tuple[int, int]
# value, first derivatives by leaf, second derivatives by pairs of leaves (both orders)
Value = tuple[Any, dict[Leaf, Any], dict[Leaf, dict[Leaf, Any]]]


class Evaluated:
    """Everything at columns of balls ``X``; ``fixed`` are unit vectors that an expression may read entries with."""

    def __init__(self, B: Any, X: list[list[Any]], value: Value, metric: list[int]) -> None:
        self.B, self.X, self.r, self.metric = B, X, len(X[0]), metric
        self.cost, self.first, self.second = value

    def column(self, j: int) -> list[Any]:
        """Column j; from M on, the fixed unit vectors."""
        M = len(self.X)
        return self.X[j] if j < M else [self.B.number(int(a == j - M)) for a in range(self.r)]

    def gradients(self, leaf: Leaf) -> list[tuple[int, list[Any]]]:
        """Columns that a leaf depends on, and its derivatives by them."""
        i, j = leaf
        return [(a, self.column(b)) for a, b in ((i, j), (j, i)) if a < len(self.X)]

    @cached_property
    def gradient(self) -> list[list[Any]]:
        """Euclidean gradient, a column for each column of X."""
        self.B.charge(2 * self.r * len(self.first))
        columns = [[self.B.number(0)] * self.r for _ in self.X]
        for leaf, slope in self.first.items():
            for j, x in self.gradients(leaf):
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

    def S(self) -> list[list[Any]]:
        """``Gamma - diag(lambda)``, where all leaves are of two columns of X."""
        M = len(self.X)
        self.B.charge(M * M)
        S = [[self.B.number(0)] * M for _ in self.X]
        for (i, j), slope in self.first.items():
            S[i][j] += slope
            S[j][i] += slope
        for j, t in enumerate(self.multipliers):
            S[j][j] -= t
        return S

    def form(self, V: list[list[Any]]) -> Any:
        """``Hess[V, V]`` with the multipliers at X."""
        M = len(self.X)
        dots = {leaf: sum(dot(V[j], x) for j, x in self.gradients(leaf)) for leaf in self.first}
        total = self.B.number(0)
        for a, row in self.second.items():
            total += dots[a] * sum(c * dots[b] for b, c in row.items())
        for (i, j), slope in self.first.items():
            if i < M and j < M:
                total += 2 * slope * dot(V[i], V[j])
        return total - dot(self.multipliers, [dot(v, v) for v in V])

    def hessian(self) -> list[list[Any]]:
        """The matrix of ``Hess[V, V]``: entry ``(j r + a, i r + b)`` belongs to ``v_j[a]`` and ``v_i[b]``."""
        B, r, M = self.B, self.r, len(self.X)
        n = r * M
        B.charge(n * n + sum(4 * r * r * len(row) for row in self.second.values()))
        A = [[B.number(0)] * n for _ in range(n)]
        for a, row in self.second.items():
            # sum_b phi''_ab dq_b, and then dq_a times that
            vector: dict[int, list[Any]] = {}
            for b, c in row.items():
                for j, x in self.gradients(b):
                    old = vector.get(j)
                    vector[j] = (
                        [c * t for t in x]
                        if old is None
                        else [s + c * t for s, t in zip(old, x, strict=True)]
                    )
            for i, x in self.gradients(a):
                for p, t in enumerate(x, i * r):
                    line = A[p]
                    for j, y in vector.items():
                        line[j * r : j * r + r] = [
                            s + t * z for s, z in zip(line[j * r : j * r + r], y, strict=True)
                        ]
        for (i, j), slope in self.first.items():
            if i < M and j < M:
                for d in range(r):
                    A[i * r + d][j * r + d] += slope
                    A[j * r + d][i * r + d] += slope
        for j, multiplier in enumerate(self.multipliers):
            for d in range(j * r, j * r + r):
                A[d][d] -= multiplier
        return A


def evaluate(
    B: Any, p: Any, groups: list[tuple[int, int, int]], masses: list[Any], X: list[list[Any]], order: int
) -> Evaluated:
    """Cost and derivatives up to ``order`` of an instance; groups of label, size, ..., and what each weighs."""
    if p.program:
        return Evaluated(B, X, program_value(B, p.program, X, order), [1] * len(X))
    K, node, tau = p.classes, LOSSES[p.loss].node, B.number(p.tau)
    B.charge(len(groups) * K * (2 + len(X[0]) // 4))
    parts = []
    for g, (y, _, _) in enumerate(groups, K):
        logits: list[Value] = [(tau * dot(w, X[g]), {(k, g): tau}, {}) for k, w in enumerate(X[:K])]
        parts.append(chain(B, logits, node(B, [z[0] for z in logits], y, tau, p.parameters), order))
    total = dot(masses, [part[0] for part in parts])
    value = chain(B, parts, (total, masses, dict), order)
    return Evaluated(B, X, value, [1] * K + [m for _, m, _ in groups])


def program_value(B: Any, program: list[Any], X: list[list[Any]], order: int) -> Value:
    """Value of the last instruction, with derivatives."""
    values: list[Value] = []
    M = len(X)
    for name, *words in program:
        if name == "const":
            values.append((B.number(words[0]), {}, {}))
        elif name in ("x", "gram"):
            B.charge(4 * len(X[0]))
            i, j = words if name == "gram" else (words[1], M + words[0])
            value = dot(X[i], X[j]) if name == "gram" else X[words[1]][words[0]]
            values.append((value, {(min(i, j), max(i, j)): B.number(1)}, {}))
        else:
            arguments, power = (words[:1], words[1]) if name == "pow" else (words, 2)
            parts = [values[t] for t in arguments]
            values.append(chain(B, parts, operation(B, name, [part[0] for part in parts], power), order))
    return values[-1]


def chain(B: Any, parts: list[Value], node: Node, order: int) -> Value:
    """The chain rule: a node of values that depend on leaves."""
    value, slopes, curvatures = node
    first: dict[Leaf, Any] = {}
    second: dict[Leaf, dict[Leaf, Any]] = {}
    if order < 1:
        return value, first, second
    B.charge(sum(len(f) + sum(map(len, s.values())) for _, f, s in parts))
    for slope, (_, f, s) in zip(slopes, parts, strict=True):
        for leaf, x in f.items():
            first[leaf] = first[leaf] + slope * x if leaf in first else slope * x
        for a, row in s.items():
            target = second.setdefault(a, {})
            for b, x in row.items():
                target[b] = target[b] + slope * x if b in target else slope * x
    for (i, j), c in (curvatures() if order > 1 else {}).items():
        B.charge(len(parts[i][1]) * len(parts[j][1]))
        for a, x in parts[i][1].items():
            target = second.setdefault(a, {})
            for b, y in parts[j][1].items():
                target[b] = target[b] + c * x * y if b in target else c * x * y
    return value, first, second
