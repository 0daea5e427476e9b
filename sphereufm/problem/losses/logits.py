"""Operations on a block's logits that losses share: own entries, margins, softmax."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array

# below this e^x is under half an ulp of one, and log(1 + e^x) is e^x
_LOG1P_IS_LINEAR = -36.0
_SERIES_LIMIT = 0.02
# beyond this one is nothing beside e^x, of which a count of 1e9 would overflow soon after
_EXP_IS_LARGE = 600.0


def get_own(Z: Array, flat: NDArray[np.intp]) -> Array:
    """Return each sample's own entry, shape ``(..., n)``."""
    # plain indexing of a vector is several times quicker than the same with an ellipsis
    return Z.reshape(-1)[flat] if Z.ndim == 2 else _flatten(Z)[..., flat]


def set_own(Z: Array, flat: NDArray[np.intp], value: Array | float) -> None:
    """Assign each sample's own entry, in place."""
    if Z.ndim == 2:
        Z.reshape(-1)[flat] = value
    else:
        _flatten(Z)[..., flat] = value


def add_own(Z: Array, flat: NDArray[np.intp], value: Array | float) -> None:
    """Add to each sample's own entry, in place."""
    set_own(Z, flat, get_own(Z, flat) + value)


def subtract_own(Z: Array, flat: NDArray[np.intp]) -> Array:
    """Subtract each sample's own entry from its column, in place."""
    Z -= get_own(Z, flat)[..., None, :]
    return Z


def _flatten(Z: Array) -> Array:
    """View of the last two axes as one."""
    return Z.reshape(*Z.shape[:-2], Z.shape[-2] * Z.shape[-1])


class OwnMargin(NamedTuple):
    """The other classes against the own one: ``s = log sum_{j != y} exp(z_j - z_y)``, without over- or underflow."""

    others: Array  #: shape ``(..., K, n)``: softmax over the other classes; zero at ``y``
    miss: Array  #: shape ``(..., n)`` as all below: ``1 - p_y`` to full relative accuracy
    own: Array  #: ``p_y``, likewise
    cost: Array  #: ``log(1 + e^s)``, the cross-entropy
    log_odds: Array  #: ``s``


def own_margin(E: Array, flat: NDArray[np.intp], out: Array | None = None) -> OwnMargin:
    """Sum up margins ``E``, whose own entries are left at minus infinity."""
    set_own(E, flat, -np.inf)
    top = E.max(axis=-2)
    others = np.subtract(E, top[..., None, :], out=out)
    np.exp(others, out=others)
    total = np.add.reduce(others, axis=-2)
    ahead = top > 0.0
    small = np.exp(np.minimum(top, 0.0)) * total
    shifted = np.exp(-np.maximum(top, 0.0))
    whole = np.where(ahead, total + shifted, 1.0 + small)
    others /= total[..., None, :]
    return OwnMargin(
        others=others,
        miss=np.where(ahead, total, small) / whole,
        own=shifted / whole,
        cost=np.where(ahead, top + np.log(whole), np.log1p(small)),
        log_odds=top + np.log(total),
    )


def log_softplus(x: Array) -> Array:
    """``log(log(1 + e^x))`` to full accuracy for every finite ``x``."""
    # log(log1p(e^x)) = x - e^x / 2 + ...
    return np.where(x < _LOG1P_IS_LINEAR, x, np.log(np.logaddexp(0.0, np.clip(x, _LOG1P_IS_LINEAR, None))))


def log1p_exp(count: float, x: float) -> float:
    """``log(1 + count e^x)`` for every finite ``x``."""
    return math.log(count) + x if x > _EXP_IS_LARGE else math.log1p(count * math.exp(x))


def exp_remainder(x: Array) -> Array:
    """``e^x - 1 - x`` without cancellation."""
    small = np.abs(x) < _SERIES_LIMIT
    rest, x = np.expm1(x) - x, np.where(small, x, 0.0)
    series = np.square(x) * (1 / 2 + x * (1 / 6 + x * (1 / 24 + x * (1 / 120 + x * (1 / 720 + x / 5040)))))
    return np.where(small, series, rest)
