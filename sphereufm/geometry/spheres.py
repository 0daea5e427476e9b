r"""Columnwise geometry of a product of unit spheres held in one array.

A point is ``X`` of shape ``(..., d, M)``: batch axes first, one unit vector a column, so that each item is a
point of the oblique manifold OB(d, M).  Spheres of smaller dimension share the array: their columns carry
zeros in the rows they do not use (:class:`ProductOfSpheres` knows which), and every function below keeps
such zeros.

========  ===============  =============================================
symbol    shape            meaning
========  ===============  =============================================
``X, Y``  ``(..., d, M)``  points
``U, V``  ``(..., d, M)``  tangent vectors, ``<x_j, u_j> = 0``
========  ===============  =============================================

References
----------
N. Boumal, *An Introduction to Optimization on Smooth Manifolds*, 2023, sections 3.6, 7.2 and 10.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sphereufm.errors import InvalidInputError, as_array, check_array, check_integer, keep_checked
from sphereufm.tolerances import OFF_SPHERE

Array: TypeAlias = NDArray[np.float64]

# Columns of points in single precision are of unit length to this.
_OFF_SPHERE_SINGLE = 1e-3
# Lengths that differ from one by rounding.
_UNIT = 1e-14


def column_norms(X: Array) -> Array:
    """Euclidean norm of each column, shape ``(..., M)``."""
    return np.sqrt(np.einsum("...dm,...dm->...m", X, X))


def column_lengths(U: Array) -> Array:
    """As :func:`column_norms`, also where squares would leave the range of floats; for vectors of any size."""
    largest = np.abs(U).max(axis=-2, initial=0.0)
    unit = np.where((largest > 0.0) & np.isfinite(largest), largest, 1.0)
    return np.asarray(unit * column_norms(U / unit[..., None, :]))


def frobenius_norm(U: Array) -> float:
    """Norm of a whole array, also where squares would leave the range of floats; infinite where it is not finite."""
    norm = float(column_lengths(U.reshape(-1, 1))[0])
    return norm if np.isfinite(norm) else np.inf


def normalize(X: Array) -> Array:
    """Divide each column by its norm.

    Raises InvalidInputError if a column is zero or not finite.
    """
    largest = np.abs(X).max(axis=-2, keepdims=True)
    if not (np.isfinite(largest).all() and (largest > 0.0).all()):
        raise InvalidInputError("X has a zero or non-finite column; a point of a sphere needs a direction")
    scaled = X / largest
    return scaled / column_norms(scaled)[..., None, :]


def project(X: Array, U: Array) -> Array:
    """Subtract from each column of ``U`` its component along the same column of ``X``.

    This is the orthogonal projection to the tangent space at ``X`` (Boumal, section 3.6).
    """
    return U - X * np.einsum("...dm,...dm->...m", X, U)[..., None, :]


def tangent_norm(U: Array) -> Array:
    """Frobenius norm of each item, shape ``(...)``."""
    return np.sqrt(np.einsum("...dm,...dm->...", U, U))


def retract(X: Array, U: Array) -> Array:
    """Metric projection retraction ``(x_j + u_j) / |x_j + u_j|``, of second order."""
    moved = X + U
    return moved / column_norms(moved)[..., None, :]


def exponential(X: Array, U: Array) -> Array:
    """Exponential map, along great circles; renormalised, so that long chains of steps do not drift from the sphere."""
    angle = column_norms(U)[..., None, :]
    moved = np.cos(angle) * X + np.sinc(angle / np.pi) * U
    return moved / column_norms(moved)[..., None, :]


def logarithm(X: Array, Y: Array) -> Array:
    """Shortest tangent ``U`` with ``exponential(X, U) = Y``; zero where columns agree.

    Raises InvalidInputError if two columns are exactly opposite: then the shortest path is not unique.
    """
    angle = column_angles(X, Y)
    direction = project(X, Y - X)
    length = column_norms(direction)
    if ((length == 0.0) & (angle > 1.0)).any():
        raise InvalidInputError("X and Y have opposite columns; the logarithm is not unique there")
    return direction * (angle / np.where(length == 0.0, 1.0, length))[..., None, :]


def distance(X: Array, Y: Array) -> Array:
    """Riemannian distance ``sqrt(sum_j angle(x_j, y_j)^2)``, shape ``(...)``, in radians."""
    return np.sqrt(np.square(column_angles(X, Y)).sum(axis=-1))


def column_angles(X: Array, Y: Array) -> Array:
    """Angle between corresponding columns, shape ``(..., M)``, in radians.

    ``2 atan2(|x - y|, |x + y|)`` is right from 1e-15 to antipodes, where the arc cosine is not.
    """
    return 2.0 * np.arctan2(column_norms(X - Y), column_norms(X + Y))


def as_generator(rng: int | np.random.Generator) -> np.random.Generator:
    """Return a generator: ``rng`` itself, or a new one seeded with it.

    Raises InvalidInputError if ``rng`` is neither a generator nor an integer >= 0.
    """
    if isinstance(rng, np.random.Generator):
        return rng
    return np.random.default_rng(check_integer("rng", rng, 0, "give a seed or a numpy.random.Generator"))


@dataclass(frozen=True)
class ProductOfSpheres:
    """A product of unit spheres in one array.

    Raises InvalidInputError if there is no sphere, or a dimension is below one.

    Examples
    --------
    >>> spheres = ProductOfSpheres.oblique(3, 4)
    >>> spheres.shape, spheres.dimension
    ((3, 4), 8)
    >>> ProductOfSpheres((2, 3)).dimension
    3
    """

    dims: tuple[int, ...]  #: length ``M``: column ``j`` lives on the unit sphere of ``R^dims[j]``

    def __repr__(self) -> str:
        if len(set(self.dims)) == 1:
            return f"ProductOfSpheres.oblique({self.dims[0]}, {len(self.dims)})"
        return f"ProductOfSpheres({self.dims})"

    def __post_init__(self) -> None:
        if not self.dims:
            raise InvalidInputError("dims=() must name at least one sphere")
        keep_checked(self, dims=tuple(check_integer("dim", d, 1) for d in self.dims))

    @classmethod
    def oblique(cls, d: int, columns: int) -> ProductOfSpheres:
        """All columns on the unit sphere of ``R^d``: the oblique manifold OB(d, columns)."""
        return cls((check_integer("dim", d, 1),) * check_integer("columns", columns, 1))

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Shape ``(d, M)`` of one point."""
        return max(self.dims), len(self.dims)

    @cached_property
    def dimension(self) -> int:
        """Dimension of the manifold, ``sum_j (dims[j] - 1)``."""
        return sum(self.dims) - len(self.dims)

    @cached_property
    def is_oblique(self) -> bool:
        """Whether all spheres have the same dimension."""
        return len(set(self.dims)) == 1

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """True on the ``(d, M)`` entries that are in use."""
        return np.arange(self.shape[0])[:, None] < np.array(self.dims)

    @cached_property
    def used(self) -> NDArray[np.bool_]:
        """Which tangent coordinates are in use, shape ``(M (d - 1),)``."""
        return self.mask[1:].T.ravel()

    def check_point(self, X: ArrayLike, name: str = "X", off_sphere: float = OFF_SPHERE) -> Array:
        """``X`` as float64, if its columns have length one to ``off_sphere``; else InvalidInputError."""
        return self._measured(X, name, off_sphere)[0]

    def check_points(self, X: ArrayLike, name: str = "X", axes: int = 2) -> Array:
        """The same for arrays of so many axes with one point at least, columns normalised to rounding.

        Lengths in single precision may be off one by 1e-3.
        """
        given = as_array(name, X)
        single = given.dtype.kind == "f" and given.dtype.itemsize < 8
        points, lengths = self._measured(given, name, _OFF_SPHERE_SINGLE if single else OFF_SPHERE)
        if points.ndim != axes:
            wanted = "one point (d, M)" if axes == 2 else "a stack of points (B, d, M)"
            raise InvalidInputError(f"{name} has shape {points.shape}, but {wanted} is needed")
        if not points.size:
            raise InvalidInputError(f"{name} has shape {points.shape}; give at least one point")
        return points if np.abs(lengths - 1.0).max() <= _UNIT else points / lengths[..., None, :]

    def _measured(self, X: ArrayLike, name: str, off_sphere: float) -> tuple[Array, Array]:
        """A point that passed :meth:`check_point`, and the lengths of its columns."""
        point = check_array(name, X, self.shape)
        if not self.is_oblique and (point[..., ~self.mask] != 0.0).any():
            raise InvalidInputError(
                f"{name} has nonzero entries in rows that a column does not use; set them to zero"
            )
        lengths = column_lengths(point)
        off = float(np.abs(lengths - 1.0).max(initial=0.0))
        if off > off_sphere:
            raise InvalidInputError(f"{name} has a column of norm off one by {off:.1e}; normalise it first")
        return point, lengths

    def random_point(self, rng: int | np.random.Generator, batch: tuple[int, ...] = ()) -> Array:
        """Draw uniform points, shape ``batch + (d, M)``."""
        return normalize(self._gaussian(rng, batch))

    def random_tangent(self, rng: int | np.random.Generator, X: Array) -> Array:
        """Draw tangent vectors of unit Frobenius norm at ``X`` (zero where there are none), same shape as ``X``."""
        # a seed starts another stream than in random_point: the Gaussians that a point was made of are normal to it
        if not isinstance(rng, np.random.Generator):
            rng = as_generator(rng).spawn(1)[0]
        # the second projection takes out what rounding left of a nearly normal column
        U = project(X, project(X, self._gaussian(rng, X.shape[:-2])))
        norm = tangent_norm(U)[..., None, None]
        return U / np.where(norm == 0.0, 1.0, norm)

    def _gaussian(self, rng: int | np.random.Generator, batch: tuple[int, ...]) -> Array:
        """Standard normal entries, zero where a sphere has no such coordinate."""
        return np.where(self.mask, as_generator(rng).standard_normal((*batch, *self.shape)), 0.0)
