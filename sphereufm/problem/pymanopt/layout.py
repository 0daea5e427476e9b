"""Pymanopt's points as columns of one array, and back; see the table of :mod:`.from_pymanopt`."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np

from sphereufm.errors import InvalidInputError
from sphereufm.geometry.spheres import Array, ProductOfSpheres

__all__ = ["Factor", "Layout", "Parts", "real_array"]

# Pymanopt's points: an array, or a list of arrays for a product
Parts: TypeAlias = Any


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One sphere or oblique manifold of the product: ``columns`` columns of ``length`` numbers each."""

    start: int
    columns: int
    shape: tuple[int, ...]
    is_oblique: bool

    @property
    def length(self) -> int:
        """Numbers in one column."""
        return self.shape[0] if self.is_oblique else prod(self.shape)

    @property
    def where(self) -> slice:
        """Its columns."""
        return slice(self.start, self.start + self.columns)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """All factors of a manifold.

    Attributes
    ----------
    factors : tuple of Factor
    is_product : bool
        Whether Pymanopt's points are lists.

    Examples
    --------
    >>> from pymanopt.manifolds import Product, Sphere
    >>> layout = Layout.of(Product([Sphere(2), Sphere(3)]))
    >>> layout.spheres.dims, [part.shape for part in layout.parts(np.eye(3)[:, :2])]
    ((2, 3), [(2,), (3,)])
    """

    factors: tuple[Factor, ...]
    is_product: bool

    @classmethod
    def of(cls, manifold: Any) -> Layout:
        """Layout of a Pymanopt manifold.

        Raises
        ------
        InvalidInputError
            If it is no ``Sphere``, ``Oblique``, or ``Product`` of them.
        """
        from pymanopt.manifolds import Oblique, Product, Sphere

        is_product = isinstance(manifold, Product)
        factors: list[Factor] = []
        start = 0
        for part in manifold.manifolds if is_product else (manifold,):
            if not isinstance(part, Sphere | Oblique):
                raise InvalidInputError(f"manifold={part} must be a Sphere or Oblique, or a Product of them")
            # the zero vector tells the shape through a public method, and without random numbers
            shape = tuple(int(n) for n in part.zero_vector(None).shape)
            oblique = isinstance(part, Oblique)
            columns = shape[1] if oblique else 1
            factors.append(Factor(start=start, columns=columns, shape=shape, is_oblique=oblique))
            start += columns
        return cls(factors=tuple(factors), is_product=is_product)

    @property
    def spheres(self) -> ProductOfSpheres:
        """The manifold as a product of spheres."""
        return ProductOfSpheres(tuple(f.length for f in self.factors for _ in range(f.columns)))

    def parts(self, X: Array) -> Parts:
        """Pymanopt's form of a point or tangent, shape ``(d, M)``; missing rows are zero."""
        full = np.zeros(self.spheres.shape)
        full[: X.shape[0]] = X
        parts = [np.array(full[: f.length, f.where]).reshape(f.shape) for f in self.factors]
        return parts if self.is_product else parts[0]

    def joined(self, name: str, parts: Parts, rows: int) -> Array:
        """Back from Pymanopt's form, shape ``(rows, M)``; entries need not be finite.

        Raises
        ------
        InvalidInputError
            If a part has another shape than its factor, or is not real.
        """
        full = np.zeros(self.spheres.shape)
        for factor, part in zip(self.factors, parts if self.is_product else [parts], strict=True):
            array = real_array(name, part)
            if array.shape != factor.shape:
                raise InvalidInputError(
                    f"the {name} has shape {array.shape}, but points of its factor have shape {factor.shape}; "
                    "return one entry for each entry of the point"
                )
            full[: factor.length, factor.where] = array.reshape(factor.length, factor.columns)
        return full[:rows]


def real_array(name: str, value: Any) -> Array:
    """What a user's function returned, as float64; NaN and infinities pass.

    Raises
    ------
    InvalidInputError
        If it is nothing, complex, or no array of numbers.
    """
    array = np.asarray(value)
    if value is None or array.dtype.kind not in "biuf":
        what = "nothing" if value is None else f"{type(value).__name__} of type {array.dtype}"
        raise InvalidInputError(
            f"the {name} returned {what}, but real numbers are needed; end it with `return`"
        )
    return array.astype(np.float64, copy=False)
