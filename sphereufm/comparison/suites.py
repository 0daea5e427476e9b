"""The benchmark problems, fixed: names, sizes and seeds never change their meaning.

``STANDARD`` are twelve cross-entropy problems, ``SMALL`` four of them, ``LARGE`` two larger ones; ``OTHERS`` are
problems that others use, and are reported apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from sphereufm.comparison.problems import Thomson, rayleigh, rudy_random, rudy_toroidal
from sphereufm.problem.interface import SphereProblem
from sphereufm.problem.ufm import UFMProblem


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One benchmark problem; its starts are ``problem.spheres.random_point(seed)``.

    ``make``: builds the problem; of a module, so that workers can be told.
    """

    name: str
    make: Callable[[], SphereProblem]


def _ufm(K: int, n: int, d: int, tau: float) -> Instance:
    """Balanced cross-entropy problem with ``n`` samples a class."""
    make = partial(UFMProblem, class_sizes=(n,) * K, dim=d, tau=tau)
    return Instance(name=f"K{K}-N{K * n}-d{d}-tau{tau:g}", make=make)


def _unbalanced(K: int, N: int, d: int, tau: float) -> Instance:
    """Class sizes that fall geometrically from the first to the last, by a factor of ten in all."""
    shares = 10.0 ** -np.linspace(0.0, 1.0, K)
    sizes = np.maximum(1, np.floor(N * shares / shares.sum())).astype(int)
    sizes[0] += N - sizes.sum()
    make = partial(UFMProblem, class_sizes=tuple(sizes.tolist()), dim=d, tau=tau)
    return Instance(name=f"K{K}-N{N}-d{d}-tau{tau:g}-unbalanced", make=make)


STANDARD = (
    _ufm(4, 1, 5, 1.0),
    _ufm(4, 10, 8, 5.0),
    _ufm(4, 100, 5, 20.0),
    _ufm(10, 1, 20, 5.0),
    _ufm(10, 10, 11, 20.0),
    _ufm(10, 100, 20, 1.0),
    _ufm(10, 100, 11, 5.0),
    _ufm(50, 1, 51, 20.0),
    _ufm(50, 10, 100, 1.0),
    _ufm(50, 100, 51, 5.0),
    _unbalanced(4, 400, 5, 1.0),
    _unbalanced(10, 100, 20, 5.0),
)
SMALL = STANDARD[:2] + STANDARD[3:5]
LARGE = (_ufm(100, 50, 128, 5.0), _ufm(10, 10_000, 20, 5.0))

OTHERS = (
    Instance(name="maxcut-rudy-random-800", make=rudy_random),
    Instance(name="maxcut-rudy-toroidal-20x40", make=rudy_toroidal),
    Instance(name="thomson-100", make=partial(Thomson, 100)),
    Instance(name="rayleigh-500", make=rayleigh),
)

SUITES = {"small": SMALL, "standard": STANDARD, "large": LARGE, "others": OTHERS}
