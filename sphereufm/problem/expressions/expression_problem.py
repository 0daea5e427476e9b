r"""A cost written as an expression, behind the interface of all problems: searched and proved from one definition.

With ``C = dF/dG + (dF/dG)^T`` from the adjoints of Gram entries and ``E`` from those of entries of X,

    egrad = X C + E,   ehess[U] = U C + X Cd + Ed,   Hess[U] = P_X ehess[U] - U diag(<x_j, egrad_j>).

Where ``F`` is convex in the Gram matrix and ``S = C - diag(<x_j, X c_j>)``, every point ``Y`` of any dimension has

    f(Y) >= f(X) + trace(S Y^T Y) / 2 >= f(X) + M min(0, lambda_min(S)) / 2,

since ``trace(S X^T X) = 0``: weak duality of the semidefinite relaxation (Burer and Monteiro 2003).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from sphereufm.errors import InvalidInputError, check_array, check_integer
from sphereufm.geometry.spheres import Array, ProductOfSpheres, project
from sphereufm.geometry.symmetry.finite import FiniteGroup
from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup
from sphereufm.problem.expressions.tape import Tape
from sphereufm.problem.own_costs.declared_symmetry import check_symmetry
from sphereufm.problem.own_costs.differences import local_scale
from sphereufm.problem.theory.gap import OptimalityGap

# numbers in one array of a sweep
_CHUNK = 1 << 20
# of the largest eigenvalue of S
_EIGENVALUE_ROUNDING = 1e-14


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpressionProblem:
    """A cost given by a program over unit columns.

    Where the rules of :mod:`~sphereufm.certify.checker.programs` show that the cost is convex in the Gram matrix,
    ``optimality_gap(X)`` bounds how far the global minimum is, and proofs have the claims ``global_minimum`` and
    ``gap``.

    Examples
    --------
    >>> from sphereufm.certify.expressions import thomson
    >>> problem = ExpressionProblem(instance=thomson(3), symmetry=SymmetryGroup.full(3), name="Thomson")
    >>> X = np.array([[1.0, -0.5, -0.5], [0.0, 0.75**0.5, -(0.75**0.5)], [0.0] * 3])
    >>> round(float(problem.at(X).cost), 9), bool(np.abs(problem.at(X).gradient).max() < 1e-15)
    (1.732050808, True)
    """

    instance: Any  #: the exact cost, as :class:`~sphereufm.certify.expressions.Cost` records it
    #: A group that leaves the cost unchanged; each generator is tried unless it ``is_checked``.  Default: rotations
    #: where the program reads Gram entries alone, else nothing.
    symmetry: SymmetryGroup = None  # type: ignore[assignment]
    name: str = ""  #: the user's words for headings
    unit: str = ""  #: and axes
    is_checked: bool = False

    def __post_init__(self) -> None:
        invariant = self.instance.is_orthogonally_invariant
        if self.symmetry is None:
            make = SymmetryGroup.rotations if invariant else SymmetryGroup.none
            self.__dict__.update(symmetry=make(self.instance.columns))
        if self.symmetry.orthogonal and not invariant:
            raise InvalidInputError(
                "symmetry has rotations and reflections, but the expression reads single entries of X; write it with "
                "gram(i, j), or declare SO(d) if rotations alone leave it unchanged: "
                "SymmetryGroup.rotations(columns, reflections=False)"
            )
        if self.instance.is_convex_in_gram:
            # a capability that only such costs have
            self.__dict__.update(optimality_gap=self._multiplier_gap)
        if not self.is_checked:
            check_symmetry(lambda X: self.at(X).cost, self.spheres, self.symmetry)

    def __repr__(self) -> str:
        return f"<ExpressionProblem {self.title()!r}, {len(self.instance.program)} instructions>"

    @cached_property
    def spheres(self) -> ProductOfSpheres:
        """The manifold."""
        return ProductOfSpheres.oblique(self.instance.dim, self.instance.columns)

    @cached_property
    def tape(self) -> Tape:
        """The program, ready to be evaluated."""
        return Tape(self.instance.program)

    def at(self, X: Array) -> ExpressionEvaluation:
        """Evaluate at ``X``, shape ``(..., d, M)``."""
        return ExpressionEvaluation(self, check_array("X", X, self.spheres.shape))

    def in_dimension(self, r: int) -> ExpressionProblem:
        """The same cost for columns in ``R^r``; only where the program reads Gram entries alone."""
        if not self.instance.is_orthogonally_invariant:
            raise InvalidInputError(f"r={r}: the expression reads single entries of X, which only R^d has")
        instance = replace(self.instance, dim=check_integer("r", r, 1))
        return replace(self, instance=instance, is_checked=True)

    def _multiplier_gap(self, X: Array) -> OptimalityGap:
        """The bound of the module's head on ``f(X) - min f`` at one point, with room for rounding; else infinite."""
        S = self.at(X).normal_hessian()
        if not np.isfinite(S).all():
            return OptimalityGap(value=math.inf, method="none", bounds={})
        values = np.linalg.eigvalsh(S)
        short = max(0.0, -float(values[0])) + _EIGENVALUE_ROUNDING * float(np.abs(values).max())
        value = 0.5 * len(S) * short
        return OptimalityGap(value=value, method="multiplier-bound", bounds={"multiplier-bound": value})

    def exact_instance(self) -> Any:
        """What certificates are about."""
        return self.instance

    def title(self) -> str:
        """The name, or what it is, and its size."""
        return f"{self.name or 'expression'}, {self.instance.columns} unit vectors in R^{self.instance.dim}"

    def cost_unit(self) -> str:
        """The user's unit."""
        return self.unit

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ExpressionProblem:
        """Inverse of :meth:`to_json`."""
        from sphereufm.certify.instances import ExpressionInstance

        d, M, finite = data["dim"], data["columns"], None
        if generators := [(np.array(Q), np.array(s)) for Q, s in data["generators"]]:
            finite = FiniteGroup.generated(generators, dim=len(generators[0][0]), columns=M)
        blocks = tuple(tuple(map(tuple, block)) for block in data["blocks"])
        permutations = ColumnPermutations(blocks, tuple(data["kinds"]))
        proper = bool(data.get("special_orthogonal", False))
        return cls(
            instance=ExpressionInstance(dim=d, columns=M, program=tuple(map(tuple, data["program"]))),
            symmetry=SymmetryGroup(bool(data["orthogonal"]), permutations, finite, proper),
            name=data["name"],
            unit=data["unit"],
        )

    def to_json(self) -> dict[str, Any]:
        """Everything that is needed to make the problem again."""
        symmetry, instance = self.symmetry, self.instance.to_json()
        generators = symmetry.finite.generators if symmetry.finite else ()
        return {
            "name": self.name,
            "unit": self.unit,
            **{key: instance[key] for key in ("dim", "columns", "program")},
            "blocks": [[list(cell) for cell in block] for block in symmetry.permutations.blocks],
            "kinds": [str(kind) for kind in symmetry.permutations.kinds],
            "orthogonal": symmetry.orthogonal,
            "special_orthogonal": symmetry.is_proper,
            "generators": [[Q.tolist(), s.tolist()] for Q, s in generators],
        }


class ExpressionEvaluation:
    """Answers of an expression at ``X``, shape ``(..., d, M)``; made by :meth:`ExpressionProblem.at`."""

    def __init__(self, problem: ExpressionProblem, X: Array) -> None:
        self._problem = problem
        self._tape = problem.tape
        self.X = X

    @cached_property
    def _flat(self) -> Array:
        """Points in one stack, ``(B, d, M)``."""
        return self.X.reshape(-1, *self.X.shape[-2:])

    @cached_property
    def _values(self) -> Array:
        """Values of all instructions, ``(T, B)``."""
        X, (_, i, j), (_, row, column) = self._flat, self._tape.gram, self._tape.x
        gram = np.einsum("bdp,bdp->pb", X[:, :, i], X[:, :, j])
        return self._tape.values(self._tape.leaves_filled(np.concatenate([gram, X[:, row, column].T])))

    @cached_property
    def _adjoints(self) -> Array:
        """Derivatives of the cost by all values, ``(T, B)``."""
        return self._tape.adjoints(self._values)

    @cached_property
    def _first(self) -> tuple[Array, Array]:
        """``C`` and the Euclidean gradient of all points."""
        C = self._gram_matrix(self._adjoints.T)
        with np.errstate(all="ignore"):
            return C, self._flat @ C + self._entries(self._adjoints.T)

    @property
    def cost(self) -> Array:
        """Cost, shape ``(...)``."""
        return self._values[-1].reshape(self.X.shape[:-2])

    @cached_property
    def gradient(self) -> Array:
        """Riemannian gradient, shape ``(..., d, M)``."""
        with np.errstate(all="ignore"):
            return project(self._flat, self._first[1]).reshape(self.X.shape)

    @cached_property
    def gradient_scale(self) -> Array:
        """Sum of the absolute terms of each column's gradient here, or its change nearby, shape ``(..., M)``."""
        problem, terms = self._problem, (self._first[0], self._entries(self._adjoints.T))
        with np.errstate(all="ignore"):
            own = sum(np.abs(term).sum(axis=-2) for term in terms).reshape(*self.X.shape[:-2], -1)
        return local_scale(problem.spheres, self.X, lambda Y: problem.at(Y).gradient, self.gradient, own)

    def hessian_product(self, U: Array) -> Array:
        """Riemannian Hessian applied to ``U``, shape ``(..., d, M)``, batch axes broadcast."""
        shape = np.broadcast_shapes(self.X.shape, U.shape)
        points = (1,) * (len(shape) - self.X.ndim) + self.X.shape[:-2]
        # on trailing axes of length one the values at one point serve many directions
        own = max((axis + 1 for axis, n in enumerate(points) if n > 1), default=0)
        if points[:own] != shape[:own]:
            return ExpressionEvaluation(self._problem, np.broadcast_to(self.X, shape)).hessian_product(U)
        V = np.broadcast_to(U, shape).reshape(len(self._flat), math.prod(shape[own:-2]), *shape[-2:])
        return self._products(V).reshape(shape)

    def normal_hessian(self) -> Array:
        """Curvature along directions that no column uses: ``C - diag(<x_j, egrad_j>)``, shape ``(M, M)``; one point."""
        C, E = self._first
        return np.asarray(C[0] - np.diag((self._flat[0] * E[0]).sum(axis=0)))

    def _products(self, U: Array) -> Array:
        """Hessian products at all points, ``(B, k, d, M)``, in pieces that fit the cache."""
        out = np.empty(U.shape)
        step = max(1, _CHUNK // max(1, self._tape.length * U.shape[1]))
        for first in range(0, len(U), step):
            part = slice(first, first + step)
            out[part] = self._some_products(part, U[part])
        return out

    def _some_products(self, part: slice, U: Array) -> Array:
        """Hessian products at some points."""
        X, C, E = self._flat[part, None], self._first[0][part, None], self._first[1][part, None]
        (_, i, j), (_, row, column) = self._tape.gram, self._tape.x
        with np.errstate(all="ignore"):
            D = np.swapaxes(U, -1, -2) @ X
            gram = np.moveaxis(D[..., i, j] + D[..., j, i], -1, 0)
            entries = np.moveaxis(U[..., row, column], -1, 0)
            change = self._tape.directional(
                self._values[:, part], self._adjoints[:, part], np.concatenate([gram, entries])
            )
            change = np.moveaxis(change, 0, -1)
            product = U @ C + X @ self._gram_matrix(change) + self._entries(change)
            return project(X, product) - U * (X * E).sum(axis=-2)[..., None, :]

    def _gram_matrix(self, adjoints: Array) -> Array:
        """Symmetric matrix ``(..., M, M)`` of the adjoints of Gram entries, which may occur in both orders."""
        rows, i, j = self._tape.gram
        M = self.X.shape[-1]
        C = np.zeros((*adjoints.shape[:-1], M, M))
        np.add.at(np.moveaxis(C, (-2, -1), (0, 1)), (i, j), np.moveaxis(adjoints[..., rows], -1, 0))
        return C + np.swapaxes(C, -1, -2)

    def _entries(self, adjoints: Array) -> Array:
        """Adjoints of the entries of X, ``(..., d, M)``."""
        rows, row, column = self._tape.x
        E = np.zeros((*adjoints.shape[:-1], *self.X.shape[-2:]))
        entries = np.moveaxis(adjoints[..., rows], -1, 0)
        np.add.at(np.moveaxis(E, (-2, -1), (0, 1)), (row, column), entries)
        return E
