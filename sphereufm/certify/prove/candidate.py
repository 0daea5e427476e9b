"""What a proof starts from: precisions, radii, equal samples, the rank, the rotation into R^r; nothing is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sphereufm.certify.certificate import ExactPoint, Groups
from sphereufm.certify.instances import Instance
from sphereufm.certify.prove.attempts import Columns
from sphereufm.errors import InvalidInputError, check_array
from sphereufm.version import __version__

Array = NDArray[np.float64]
# Working precision, and digits of the stored centre that go with it.
LEVELS = ((128, 53), (256, 106), (512, 212))
# Of the ball in which negative curvature is proved where no critical point is.
SADDLE_RADIUS = Fraction(1, 1 << 30)
PRODUCER = ("sphereufm", __version__)
SAME_FEATURE = 1e-6
RANK_THRESHOLDS = (1e-6, 1e-3, 1e-10)


class Candidate(NamedTuple):
    """Columns in floats, shape ``(rows, K + g)``, one feature for each group; None when every sample is one."""

    columns: Array
    groups: Groups | None


def as_candidate(instance: Instance, X: ArrayLike | ExactPoint, tolerance: float = SAME_FEATURE) -> Candidate:
    """Return ``X``, shape ``(r, K + N)``, normalised and with equal samples merged; an ExactPoint as it is.

    Features of one class and weight that differ by ``tolerance`` at most, in every entry, become their mean.  Raises
    InvalidInputError if the shape does not fit the instance, or a column is zero.
    """
    if isinstance(X, ExactPoint):
        return Candidate(columns=X.array, groups=X.groups)
    p = instance.problem
    K = p.classes
    array = check_array("X", X, (p.dim if p.program else None, p.columns + K + len(p.labels)))
    if array.ndim != 2 or not 1 <= array.shape[0] <= p.dim:
        raise InvalidInputError(f"X has shape {array.shape}, but (r, M) with r <= {p.dim} is needed")
    if not array.any(axis=0).all():
        raise InvalidInputError("X has a zero column; columns must be unit vectors")
    # by powers of two first, so that no length overflows or vanishes
    array = np.ldexp(array, -np.frexp(np.abs(array).max(axis=0))[1])
    array /= np.linalg.norm(array, axis=0)
    if p.program:
        return Candidate(columns=array, groups=None)
    members = _equal_samples(instance, array[:, K:], tolerance)
    merged = [array[:, K + np.array(group)].mean(axis=1) for group in members]
    columns = np.column_stack([array[:, :K], *merged])
    groups = tuple(_ranges(group) for group in members)
    distinct = len(groups) == len(p.labels)
    return Candidate(columns=columns / np.linalg.norm(columns, axis=0), groups=None if distinct else groups)


def likely_ranks(columns: Array) -> list[int]:
    """Return the ranks worth trying, the likeliest first."""
    singular = np.linalg.svd(columns, compute_uv=False)
    return list(dict.fromkeys(int((singular > t * singular[0]).sum()) for t in RANK_THRESHOLDS))


def own_space(columns: Array, rank: int) -> Array:
    """Return the columns in coordinates of their leading ``rank`` directions; as they are when that is every row."""
    if rank == columns.shape[0]:
        return columns
    left = np.linalg.svd(columns, full_matrices=False)[0][:, :rank]
    rotated: Array = left.T @ columns
    return rotated


def exact_columns(columns: Array) -> Columns:
    """Return float columns as exact numbers."""
    return tuple(tuple(map(Fraction, column)) for column in columns.T.tolist())


def exact_point(columns: Array, groups: Groups | None) -> ExactPoint:
    """A point of float columns, in units of one."""
    return ExactPoint(columns=exact_columns(columns), groups=groups, scales=(0,) * columns.shape[1])


def _equal_samples(instance: Instance, H: Array, tolerance: float) -> list[list[int]]:
    """Group samples that share label, weight and feature with the group's first, in order of their first member."""
    kinds: dict[Any, list[int]] = {}
    p = instance.problem
    for i in range(H.shape[1]):
        # relative weights tell samples apart as well as normalised ones, which are fractions to divide
        kinds.setdefault((p.labels[i], p.weights[i], p.taus[i]), []).append(i)
    groups = []
    for members in kinds.values():
        left = np.array(members)
        while left.size:
            near = np.abs(H[:, left] - H[:, left[:1]]).max(axis=0) <= tolerance
            near[0] = True
            groups.append(left[near].tolist())
            left = left[~near]
    return sorted(groups)


def _ranges(members: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return sorted sample numbers as half-open ranges."""
    breaks = [j for j in range(1, len(members)) if members[j] != members[j - 1] + 1]
    starts, stops = [0, *breaks], [*breaks, len(members)]
    return tuple((members[a], members[b - 1] + 1) for a, b in zip(starts, stops, strict=True))
