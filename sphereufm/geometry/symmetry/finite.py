r"""Finite groups of maps ``X -> Q X[:, s]`` by generators: sign changes, signed permutations, automorphisms of graphs.

All elements are listed, once, so that a point is compared with every image at a time; the element that carries one to
the other is exhibited.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sphereufm.errors import InvalidInputError, check_integer
from sphereufm.geometry.spheres import Array

_MOST = 20_000
_ORTHOGONAL = 1e-12
_SAME = 1e-9

Element: TypeAlias = tuple[Array, NDArray[np.intp]]


@dataclass(frozen=True, eq=False)
class FiniteGroup:
    """A list of elements, the identity first."""

    matrices: Array  #: shape ``(g, d, d)``: orthogonal ``Q``
    permutations: NDArray[np.intp]  #: shape ``(g, M)``: column permutations ``s``
    generators: tuple[Element, ...]  #: as they were given

    @classmethod
    def generated(cls, generators: Iterable[ArrayLike], *, dim: int, columns: int) -> FiniteGroup:
        """The group that some elements generate.

        ``generators``: each a permutation of the columns (M whole numbers), an orthogonal matrix (d, d), or a
        pair of both.  Raises InvalidInputError if one is neither, or they generate more than 20,000 elements.
        """
        dim, columns = check_integer("dim", dim, 1), check_integer("columns", columns, 1)
        given = tuple(_element(each, dim, columns) for each in generators)
        waiting = [(np.eye(dim), np.arange(columns))]
        found = {_key(waiting[0]): waiting[0]}
        while waiting:
            Q, s = waiting.pop()
            # X -> R (Q X[:, s])[:, t]
            for product in [(R @ Q, s[t]) for R, t in given]:
                if (key := _key(product)) not in found:
                    found[key] = product
                    waiting.append(product)
            if len(found) > _MOST:
                raise InvalidInputError(
                    f"the generators give more than {_MOST} elements; declare fewer of them"
                )
        matrices, permutations = map(np.array, zip(*found.values(), strict=True))
        return cls(matrices, permutations, given)

    @property
    def order(self) -> int:
        """Number of elements."""
        return len(self.permutations)

    @property
    def is_permutations(self) -> bool:
        """Whether only columns change places."""
        return bool((self.matrices == np.eye(self.matrices.shape[-1])).all())

    def images(self, X: Array) -> Array:
        """All images of a point, shape ``(g, d, M)``; of fewer rows where only columns change places."""
        moved = np.moveaxis(X[:, self.permutations], 1, 0)
        return moved if self.is_permutations else self.matrices @ moved


def automorphisms(graph: Any) -> list[list[int]]:
    """Automorphisms of a networkx graph as permutations of its nodes, in the order of ``graph.nodes``; weights add up.

    Raises InvalidInputError if there are more than 20,000, or a weight is no finite number.
    """
    place = {node: i for i, node in enumerate(graph.nodes)}
    A = np.zeros((len(place), len(place)))
    for u, v, given in graph.edges(data="weight", default=1.0):
        if not (isinstance(given, Real) and abs(given) <= sys.float_info.max):  # type: ignore[operator]
            raise InvalidInputError(
                f"edge ({u!r}, {v!r}) has weight={given!r}, which must be a finite number"
            )
        A[place[u], place[v]] += float(given)
        if u != v and not graph.is_directed():
            A[place[v], place[u]] += float(given)
    return weight_automorphisms(A)


def weight_automorphisms(A: Array) -> list[list[int]]:
    """Permutations ``s`` with ``A[s][:, s] = A`` of a matrix of weights, by backtracking."""
    n = len(A)
    # a column can only go where the sorted weights agree
    profile = np.sort(A, axis=1)
    found: list[list[int]] = []
    begun: list[list[int]] = [[]]
    while begun:
        s = begun.pop()
        k = len(s)
        if k == n:
            found.append(s)
            if len(found) > _MOST:
                raise InvalidInputError(
                    f"the graph has more than {_MOST} automorphisms; declare some of them"
                )
            continue
        fits = (profile == profile[k]).all(axis=1) & (np.diag(A) == A[k, k])
        fits &= (A[:, s] == A[k, :k]).all(axis=1) & (A[:k, k] == A[s].T).all(axis=1)
        fits[s] = False
        begun += [[*s, i] for i in np.flatnonzero(fits).tolist()[::-1]]
    return found


def _element(given: Any, dim: int, columns: int) -> Element:
    """One generator in both parts."""
    if isinstance(given, tuple) and len(given) == 2 and np.ndim(given[0]) == 2:
        (Q, _), (_, s) = (_element(part, dim, columns) for part in given)
        return Q, s
    try:
        array = np.asarray(given)
        array = array.astype(np.float64) if array.dtype == object else array
    except (TypeError, ValueError):  # ragged, or of no numbers
        array = np.empty(0)
    if array.ndim == 1 and sorted(array.tolist()) == list(range(columns)):
        return np.eye(dim), array.astype(np.intp)
    if (
        array.shape == (dim, dim)
        and array.dtype.kind in "biuf"
        and np.abs(array @ array.T - np.eye(dim)).max() <= _ORTHOGONAL
    ):
        return array.astype(np.float64), np.arange(columns)
    raise InvalidInputError(
        f"generator={str(given)[:60]} must be a permutation of {columns} columns or an orthogonal matrix of shape "
        f"({dim}, {dim})"
    )


def _key(element: Element) -> bytes:
    """Equal for equal elements, to rounding."""
    Q, s = element
    return np.round(Q / _SAME).astype(np.int64).tobytes() + s.tobytes()
