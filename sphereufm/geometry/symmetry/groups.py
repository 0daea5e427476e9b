r"""Symmetry groups of costs on products of spheres: O(d) or SO(d) from the left, and permutations of columns.

The permutations that occur form a wreath product.  Columns are gathered in *blocks*, each block in *cells*:
columns of one cell may be permuted among themselves, and blocks of one *kind* may change places as a whole,
cell onto cell.  For the cross-entropy problem a block is a class: a cell with the classifier, and one cell
for the samples of each weight.

The orbit of a point ``X`` of rank ``r`` under O(d) has dimension ``r (2 d - r - 1) / 2``; its tangent space,
the *vertical* space, is ``{Omega X : Omega skew}``, and the *horizontal* space is the rest of the tangent space.

References
----------
N. Boumal, *An Introduction to Optimization on Smooth Manifolds*, 2023, chapter 9.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import factorial, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array, column_norms, tangent_norm
from sphereufm.geometry.symmetry.finite import FiniteGroup, automorphisms
from sphereufm.tolerances import RANK_TOLERANCE


@dataclass(frozen=True)
class ColumnPermutations:
    """A wreath product of permutations of columns.

    Raises InvalidInputError if the cells do not partition the columns, or blocks of one kind differ in shape.

    Examples
    --------
    >>> ColumnPermutations.all_columns(3).order
    6
    >>> ColumnPermutations((((0,), (2, 3)), ((1,), (4, 5))), ("two", "two")).order
    8
    """

    #: ``blocks[b][c]`` are the columns of cell ``c`` of block ``b``; every column lies in exactly one cell.
    blocks: tuple[tuple[tuple[int, ...], ...], ...]
    #: Of each block: those of equal kind are interchangeable, and their cells have equal sizes, in order.
    kinds: tuple[Hashable, ...]

    def __repr__(self) -> str:
        blocks, kinds, cells = len(self.blocks), len(set(self.kinds)), sum(map(len, self.blocks))
        of = f"{blocks} blocks of {kinds} kinds, {cells} cells"
        return f"<ColumnPermutations of {self.columns} columns: {of}>"

    def __post_init__(self) -> None:
        columns = sorted(j for block in self.blocks for cell in block for j in cell)
        if columns != list(range(len(columns))) or not columns:
            raise InvalidInputError("blocks must name every column 0 .. M - 1 exactly once")
        if len(self.kinds) != len(self.blocks):
            raise InvalidInputError(f"kinds has {len(self.kinds)} entries for {len(self.blocks)} blocks")
        shapes: dict[Hashable, tuple[int, ...]] = {}
        for kind, block in zip(self.kinds, self.blocks, strict=True):
            shape = tuple(len(cell) for cell in block)
            if shapes.setdefault(kind, shape) != shape:
                raise InvalidInputError(f"blocks of kind {kind!r} have cells of different sizes")

    @classmethod
    def trivial(cls, columns: int) -> ColumnPermutations:
        """Only the identity."""
        return cls(tuple(((j,),) for j in range(columns)), tuple(range(columns)))

    @classmethod
    def all_columns(cls, columns: int) -> ColumnPermutations:
        """Every permutation of the columns."""
        return cls(((tuple(range(columns)),),), (0,))

    @classmethod
    def of_classes(
        cls, labels: Iterable[int], sample_kinds: Iterable[Any], class_kinds: Sequence[Hashable]
    ) -> ColumnPermutations:
        """A block for each class: its own column, then a cell for its samples of each kind, which follow all classes.

        Classes change places where they are of one kind and have samples of the same kinds, equally many of each.
        """
        cells: list[dict[Any, list[int]]] = [{} for _ in class_kinds]
        for column, (label, kind) in enumerate(zip(labels, sample_kinds, strict=True), start=len(cells)):
            cells[label].setdefault(kind, []).append(column)
        blocks, kinds = [], list[Hashable]()
        for k, groups in enumerate(cells):
            ordered = sorted(groups.items())
            blocks.append(((k,), *(tuple(columns) for _, columns in ordered)))
            kinds.append((class_kinds[k], *((kind, len(columns)) for kind, columns in ordered)))
        return cls(tuple(blocks), tuple(kinds))

    @cached_property
    def columns(self) -> int:
        """Number of columns ``M``."""
        return sum(len(cell) for block in self.blocks for cell in block)

    @cached_property
    def order(self) -> int:
        """Number of permutations in the group."""
        cells = prod(factorial(len(cell)) for block in self.blocks for cell in block)
        return cells * prod(factorial(self.kinds.count(kind)) for kind in set(self.kinds))

    @cached_property
    def cell_of(self) -> NDArray[np.intp]:
        """Number of each column's cell, counted through all blocks, shape ``(M,)``."""
        return self._numbers(lambda b, c: (b, c))

    @cached_property
    def cell_kind(self) -> NDArray[np.intp]:
        """Number of each column's (block kind, cell): equal where a permutation could relate two columns."""
        return self._numbers(lambda b, c: (self.kinds[b], c))

    @cached_property
    def block_of(self) -> NDArray[np.intp]:
        """Block number of each column, shape ``(M,)``."""
        return self._numbers(lambda b, c: b)

    @cached_property
    def kind_columns(self) -> tuple[NDArray[np.intp], ...]:
        """Columns of each cell kind, in increasing order."""
        return tuple(
            np.flatnonzero(self.cell_kind == kind) for kind in range(self.cell_kind.max(initial=-1) + 1)
        )

    @cached_property
    def kind_cells(self) -> tuple[tuple[NDArray[np.intp], ...], ...]:
        """For each block kind and each of its cells, the columns ``(blocks, size)`` of that cell."""
        members: dict[Hashable, list[tuple[tuple[int, ...], ...]]] = {}
        for block, kind in zip(self.blocks, self.kinds, strict=True):
            members.setdefault(kind, []).append(block)
        return tuple(
            tuple(np.array(cells, dtype=np.intp) for cells in zip(*blocks, strict=True))
            for blocks in members.values()
        )

    def random(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Draw a permutation ``s``; it acts by ``X -> X[..., s]``."""
        s = np.empty(self.columns, dtype=np.intp)
        for kind in dict.fromkeys(self.kinds):
            members = [b for b, k in enumerate(self.kinds) if k == kind]
            for b, image in zip(members, rng.permutation(members), strict=True):
                for cell, target in zip(self.blocks[b], self.blocks[int(image)], strict=True):
                    s[list(cell)] = rng.permutation(target)
        return s

    def contains(self, s: NDArray[np.intp]) -> bool:
        """Whether ``X -> X[..., s]`` belongs to the group."""
        if sorted(s.tolist()) != list(range(self.columns)):
            return False
        if (self.cell_kind[s] != self.cell_kind).any():
            return False
        images = {(int(b), int(self.block_of[t])) for b, t in zip(self.block_of, s, strict=True)}
        return len(images) == len(self.blocks)

    def _numbers(self, name: Callable[[int, int], Hashable]) -> NDArray[np.intp]:
        """Number of each column by a name of its block and cell, names in order of first appearance."""
        numbers = np.empty(self.columns, dtype=np.intp)
        names: dict[Hashable, int] = {}
        for b, block in enumerate(self.blocks):
            for c, cell in enumerate(block):
                numbers[list(cell)] = names.setdefault(name(b, c), len(names))
        return numbers


@dataclass(frozen=True)
class SymmetryGroup:
    """A group of maps ``X -> Q X[..., s]`` that leave a cost unchanged.

    Examples
    --------
    >>> SymmetryGroup.none(3).permutations.order
    1
    """

    orthogonal: bool  #: whether every ``Q`` of O(d) belongs to it: rotations and reflections
    permutations: ColumnPermutations  #: the column permutations ``s``
    #: Further elements, listed one by one; own costs are merged by them, too.
    finite: FiniteGroup | None = None
    #: Whether every ``Q`` of SO(d) belongs to it, rotations without reflections.  Mirror images are then different
    #: orbits, unless another element relates them, and points are not seen in their own span.
    special_orthogonal: bool = False

    def __repr__(self) -> str:
        rotations = "proper rotations and " if self.is_proper else "rotations and " * self.has_rotations
        finite = "" if self.finite is None else f" and {self.finite.order} listed elements"
        return f"<SymmetryGroup: {rotations}{self.permutations!r}{finite}>"

    @property
    def has_rotations(self) -> bool:
        """Whether every rotation belongs to it, so that orbits are continuous."""
        return self.orthogonal or self.special_orthogonal

    @property
    def is_proper(self) -> bool:
        """Whether rotations belong to it and reflections do not."""
        return self.special_orthogonal and not self.orthogonal

    @classmethod
    def generated(
        cls,
        generators: Any,
        *,
        dim: int,
        columns: int,
        orthogonal: bool = False,
        special_orthogonal: bool = False,
    ) -> SymmetryGroup:
        """A finite group by generators, or the automorphisms of a networkx graph; its nodes, in order, are the columns.

        Generators are permutations of the columns, orthogonal matrices (sign changes, signed permutations), or pairs of
        both.  Where all of O(d) is a symmetry beside them, permutations are what is left to give; where all of SO(d)
        is, a reflection together with a permutation can be given as a pair.

        Examples
        --------
        >>> SymmetryGroup.generated([np.diag([-1.0, 1.0]), np.eye(2)[[1, 0]]], dim=2, columns=1).finite.order
        8
        """
        listed = automorphisms(generators) if hasattr(generators, "nodes") else generators
        if not isinstance(listed, Iterable):
            raise InvalidInputError(f"generators={listed!r} must be a list of generators or a networkx graph")
        finite = FiniteGroup.generated(listed, dim=dim, columns=columns)
        if orthogonal and not finite.is_permutations:
            raise InvalidInputError(
                "generators have matrices, but orthogonal=True declares every one already"
            )
        return cls(orthogonal, ColumnPermutations.trivial(columns), finite, special_orthogonal)

    @classmethod
    def none(cls, columns: int) -> SymmetryGroup:
        """Only the identity."""
        return cls(False, ColumnPermutations.trivial(columns))

    @classmethod
    def rotations(cls, columns: int, *, reflections: bool = True) -> SymmetryGroup:
        """O(d), or SO(d) without reflections, and no permutation."""
        return cls(reflections, ColumnPermutations.trivial(columns), special_orthogonal=not reflections)

    @classmethod
    def full(cls, columns: int, *, reflections: bool = True) -> SymmetryGroup:
        """O(d), or SO(d) without reflections, and every permutation of the columns."""
        return cls(reflections, ColumnPermutations.all_columns(columns), special_orthogonal=not reflections)

    def random_element(self, rng: np.random.Generator, d: int) -> tuple[Array, NDArray[np.intp]]:
        """Draw ``(Q, s)``, ``Q`` of shape ``(d, d)``."""
        Q = np.linalg.qr(rng.standard_normal((d, d)))[0] if self.has_rotations else np.eye(d)
        if self.is_proper:
            Q[:, 0] *= np.sign(np.linalg.det(Q))
        return Q, self.permutations.random(rng)


def best_rotations(C: Array, proper: bool) -> Array:
    """The ``Q`` of O(d), or of SO(d) where ``proper``, that make ``trace(Q^T C)`` largest, shape ``(..., d, d)``."""
    left, _, right = np.linalg.svd(C)
    if proper:
        left[..., -1] *= np.sign(np.linalg.det(left @ right))[..., None]
    return np.asarray(left @ right)


def is_rotation_of(X: Array, Y: Array, tolerance: float, *, proper: bool = False) -> bool:
    """Whether ``|Q x_j - y_j| <= tolerance`` for every column and the ``Q`` that is best in the mean.

    ``X`` and ``Y``, shape ``(d, M)``; ``proper``: ``Q`` is of SO(d), else of O(d).
    """
    return bool(column_norms(best_rotations(Y @ X.T, proper) @ X - Y).max() <= tolerance)


def numerical_ranks(X: Array, tolerance: float = RANK_TOLERANCE) -> NDArray[np.intp]:
    """Count each point's singular values above ``tolerance`` times its largest, ``(..., d, M)`` to ``(...)``."""
    sigma = np.linalg.svd(X, compute_uv=False)
    return np.asarray((sigma > tolerance * sigma[..., :1]).sum(axis=-1))


def numerical_rank(X: Array, tolerance: float = RANK_TOLERANCE) -> int:
    """Count the singular values of ``X``, shape ``(d, M)``, above ``tolerance`` times the largest."""
    return int(numerical_ranks(X, tolerance))


def principal_frame(X: Array, rank: int) -> Array:
    """The same configurations in their own span: ``(..., rank, M)``, columns of unit norm.

    The rows are ordered by singular value; the sign of each row is that of its largest entry.
    """
    left, _, _ = np.linalg.svd(X, full_matrices=False)
    Y = np.swapaxes(left[..., :rank], -1, -2) @ X
    top = np.take_along_axis(Y, np.abs(Y).argmax(axis=-1, keepdims=True), axis=-1)
    Y *= np.where(top < 0.0, -1.0, 1.0)
    return np.asarray(Y / np.sqrt((Y * Y).sum(axis=-2, keepdims=True)))


def orbit_dimension(rank: int, d: int) -> int:
    """Dimension ``r (2 d - r - 1) / 2`` of the O(d) orbit of a point of the given rank."""
    return rank * (2 * d - rank - 1) // 2


def vertical_basis(X: Array, rank: int | None = None) -> Array:
    """Orthonormal basis of the tangent space of the O(d) orbit, shape ``(orbit_dimension, d, M)``.

    With ``X = L diag(sigma) R^T`` (rank r) it is spanned by ``l_a r_b^T sigma_b - l_b r_a^T sigma_a``, ``b < a`` and
    ``b < r``: these are orthogonal, so nothing is decided by a threshold but the rank itself.
    """
    left, sigma, right = np.linalg.svd(X)
    r = numerical_rank(X) if rank is None else rank
    rows = np.zeros_like(X)
    rows[:r] = sigma[:r, None] * right[:r]
    b, a = np.triu_indices(r, 1, len(X))
    V = left.T[a, :, None] * rows[b, None, :] - left.T[b, :, None] * rows[a, None, :]
    return V / tangent_norm(V)[:, None, None]


class OrbitTangent:
    """The vertical space at one point ``X``, shape ``(d, M)``, of any size: no basis of the orbit is formed.

    The skew matrix with ``Omega X`` nearest to ``U`` solves ``Omega Q + Q Omega = U X^T - X U^T`` with ``Q = X X^T``:
    entry by entry in the eigenbasis of ``Q``.
    """

    def __init__(self, X: Array) -> None:
        left, sigma, right = np.linalg.svd(X, full_matrices=False)
        self._left = left if len(sigma) == len(left) else np.linalg.svd(X)[0]
        sigma = np.where(sigma > RANK_TOLERANCE * sigma[0], sigma, 0.0)
        self.rank = int(np.count_nonzero(sigma))
        # rows of X in the eigenbasis: sigma_a times the right singular vectors
        self._rows = np.zeros_like(X)
        self._rows[: len(sigma)] = sigma[:, None] * right
        squares = np.square(self._rows).sum(axis=1)
        self._total = squares[:, None] + squares

    def vertical(self, U: Array) -> Array:
        """Vertical part of ``U``, shape ``(..., d, M)``."""
        # small factors first: two products of the size of U remain
        C = self._left.T @ (U @ self._rows.T)
        gap = C - np.swapaxes(C, -1, -2)
        omega = np.divide(gap, self._total, out=np.zeros_like(C), where=self._total > 0.0)
        return (self._left @ omega) @ self._rows

    def horizontal(self, U: Array) -> Array:
        """``U`` without its vertical part."""
        return U - self.vertical(U)
