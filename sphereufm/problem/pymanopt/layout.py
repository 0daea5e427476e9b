"""Pymanopt's points as columns of one array, and back; see the table of :mod:`.from_pymanopt`."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array, ProductOfSpheres

# Pymanopt's points: an array, or a list of arrays for a product
Parts: TypeAlias = Any


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One manifold of the product: columns of ``length`` numbers each, in ways that keep lengths.

    ``kind`` is ``"sphere"`` (one column, entry by entry), ``"oblique"`` (as it is), ``"rows"`` (a transpose) or
    ``"complex"`` (real above imaginary parts, of any of these but rows).
    """

    where: slice  #: its columns
    length: int
    shape: tuple[int, ...]
    kind: str

    def part(self, columns: Array) -> Any:
        """Pymanopt's array of the factor's columns, shape ``(..., length, columns)``."""
        if self.kind == "rows":
            return np.swapaxes(columns, -1, -2).copy()
        if self.kind == "complex":
            half = self.length // 2
            columns = columns[..., :half, :] + 1j * columns[..., half:, :]
        return np.array(columns).reshape(*columns.shape[:-2], *self.shape)

    def columns_of(self, array: Array) -> Array:
        """Inverse of :meth:`part`."""
        if self.kind == "rows":
            return np.swapaxes(array, -1, -2)
        rows = self.length // 2 if self.kind == "complex" else self.length
        columns = array.reshape(*array.shape[: array.ndim - len(self.shape)], rows, -1)
        return np.concatenate([columns.real, columns.imag], axis=-2) if self.kind == "complex" else columns


@dataclass(frozen=True, kw_only=True)
class Layout:
    """All factors of a manifold."""

    factors: tuple[Factor, ...]
    is_product: bool  #: whether Pymanopt's points are lists

    @classmethod
    def of(cls, manifold: Any) -> Layout:
        """Layout of a ``Sphere``, ``Oblique``, ``Elliptope``, ``ComplexCircle``, or ``Product`` of them."""
        from pymanopt.manifolds import ComplexCircle, Elliptope, Oblique, Product, Sphere

        kinds = {Sphere: "sphere", Oblique: "oblique", Elliptope: "rows", ComplexCircle: "circles"}
        is_product = isinstance(manifold, Product)
        factors: list[Factor] = []
        start = 0
        for part in manifold.manifolds if is_product else (manifold,):
            space = next((space for space in kinds if isinstance(part, space)), None)
            if space is None:
                raise InvalidInputError(
                    f"manifold={part} must be a Sphere or Oblique, or a Product of them; Elliptope and ComplexCircle "
                    "are taken as such"
                )
            kind = kinds[space]
            # the zero vector tells the shape through a public method, and without random numbers; one that a user wrote
            # may look at its point
            zero = part.zero_vector(space.zero_vector(part, None).astype(complex))
            shape = tuple(int(n) for n in zero.shape)
            length, columns = {
                "sphere": (prod(shape), 1),
                "oblique": shape,
                "rows": shape[::-1],
                "circles": (1, prod(shape)),
            }[kind]
            if kind == "circles" or np.iscomplexobj(zero):
                kind, length = "complex", 2 * length
            where = slice(start, start + columns)
            factors.append(Factor(where=where, length=length, shape=shape, kind=kind))
            start = where.stop
        return cls(factors=tuple(factors), is_product=is_product)

    @property
    def spheres(self) -> ProductOfSpheres:
        """The manifold as a product of spheres."""
        return ProductOfSpheres(
            tuple(f.length for f in self.factors for _ in range(f.where.start, f.where.stop))
        )

    def part_list(self, X: Array) -> list[Any]:
        """The factors' arrays of points or tangents, shape ``(..., r, M)``; missing rows are zero."""
        full = np.zeros((*X.shape[:-2], *self.spheres.shape))
        full[..., : X.shape[-2], :] = X
        return [f.part(full[..., : f.length, f.where]) for f in self.factors]

    def parts(self, X: Array) -> Parts:
        """Pymanopt's form of a point or tangent, shape ``(r, M)``."""
        parts = self.part_list(X)
        return parts if self.is_product else parts[0]

    def joined(self, name: str, parts: list[Any], rows: int, stack: tuple[int, ...] = ()) -> Array:
        """Back from :meth:`part_list`, shape ``(*stack, rows, M)``; parts of other shapes or types are refused."""
        full = np.zeros((*stack, *self.spheres.shape))
        for factor, part in zip(self.factors, parts, strict=True):
            array = np.asarray(part) if factor.kind == "complex" else real_array(name, part)
            if array.shape != (*stack, *factor.shape):
                raise InvalidInputError(
                    f"the {name} has shape {array.shape}, but points of its factor have shape {factor.shape}; "
                    "return one entry for each entry of the point"
                )
            full[..., : factor.length, factor.where] = factor.columns_of(array)
        return full[..., :rows, :]


def real_array(name: str, value: Any) -> Array:
    """What a user's function returned, as float64; NaN and infinities pass, but nothing that is not real."""
    array = np.asarray(value)
    if value is None or array.dtype.kind not in "biuf":
        what = "nothing" if value is None else f"{type(value).__name__} of type {array.dtype}"
        remedy = "end it with return" if value is None else "return its real part, as floats"
        raise InvalidInputError(f"the {name} returned {what}, but real numbers are needed; {remedy}")
    return array.astype(np.float64, copy=False)
