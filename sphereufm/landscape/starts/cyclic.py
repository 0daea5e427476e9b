r"""Starts with a prescribed symmetry: a cheap way to symmetric orbits whose basins random starts rarely meet.

For a permutation ``s`` of the group with order ``m``, and ``Q`` in O(r) with ``Q^m = I``, the points with ``Q X[:, s] =
X`` are the fixed-point set of a cyclic group.  Cost, gradient and Newton step respect it (symmetric criticality), so
a search that starts there stays there (to rounding), in a space of some ``1 / m`` of the dimensions, whatever the
sizes of basins outside.  No coordinates of that space are needed: a random point is projected, cycle by cycle, and
its columns are normalised.  Each plane is turned by a multiple of ``2 pi / l``, ``l`` the length of a cycle: columns
of other cycles have no part in it.

Unlike in the spaces of :mod:`~sphereufm.problem.restriction`, samples of a class need not be equal, and a
permutation may move classes and samples together.  What such starts lead to is no sample of the random search, and
never enters an estimate of coverage.

References
----------
R. S. Palais, *The principle of symmetric criticality*, Communications in Mathematical Physics 1979.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array, column_norms, normalize
from sphereufm.problem.interface import SphereProblem

# An averaged column shorter than this has no direction of its own.
_SHORTEST = 1e-3
# Starts of one permutation and rotation.
_TOGETHER = 4
# Draws a start, after which nothing more is hoped for: most averages of some groups vanish.
_DRAWS = 20
# Share of turned planes among the invariant subspaces of a random rotation.
_TURNS = 0.6


def symmetric_starts(problem: SphereProblem, rng: np.random.Generator, count: int) -> Array:
    """Random points that a cyclic group of permutations with rotations leaves alone.

    Result: None where the group has no permutation but the identity, shape ``(at most count, d, M)``.
    """
    found: list[Array] = []
    d, M = problem.spheres.shape
    if problem.symmetry.permutations.order > 1:
        for _ in range(_DRAWS * count):
            cycles = permutation_cycles(problem.symmetry.permutations.random(rng))
            lengths = {len(cycle) for cycle in cycles}
            if lengths == {1}:
                continue
            turn = _Turn.random(rng, d, sorted(lengths)) if problem.symmetry.orthogonal else _Turn.none(d)
            X = _projection(problem.spheres.random_point(rng, (_TOGETHER,)), turn, cycles)
            found.extend(normalize(X[column_norms(X).min(axis=-1) > _SHORTEST]))
            if len(found) >= count:
                break
    return np.array(found[:count]).reshape(-1, d, M)


@dataclass(frozen=True, eq=False)
class _Turn:
    """``Q``: planes turned by ``2 pi part / whole``, and lines as planes without a partner, in a frame."""

    Q: Array
    frame: Array
    part: NDArray[np.intp]
    whole: NDArray[np.intp]

    @classmethod
    def none(cls, d: int) -> _Turn:
        """The identity."""
        return cls(np.eye(d), np.eye(d), np.zeros(d, dtype=np.intp), np.ones(d, dtype=np.intp))

    @classmethod
    def random(cls, rng: np.random.Generator, d: int, lengths: Sequence[int]) -> _Turn:
        """Some power of ``Q`` that a cycle's length divides fixes each plane and line."""
        even = any(length % 2 == 0 for length in lengths)
        part, whole = np.zeros(d, dtype=np.intp), np.ones(d, dtype=np.intp)
        blocks = np.eye(d)
        i = 0
        while i < d:
            if i + 1 < d and rng.random() < _TURNS:
                whole[i : i + 2] = rng.choice(lengths)
                part[i : i + 2] = rng.integers(whole[i])
                angle = 2.0 * np.pi * part[i] / whole[i]
                blocks[i : i + 2, i : i + 2] = [
                    [np.cos(angle), -np.sin(angle)],
                    [np.sin(angle), np.cos(angle)],
                ]
                i += 1
            elif even and rng.random() < 0.5:
                part[i], whole[i], blocks[i, i] = 1, 2, -1.0
            i += 1
        frame = np.linalg.qr(rng.standard_normal((d, d)))[0]
        return cls(frame @ blocks @ frame.T, frame, part, whole)

    def fixed(self, power: int) -> Array:
        """Orthogonal projection to the vectors that ``Q^power`` leaves alone."""
        kept = self.frame[:, self.part * power % self.whole == 0]
        return np.asarray(kept @ kept.T)


def permutation_cycles(s: NDArray[np.intp]) -> list[list[int]]:
    """Cycles ``j, s[j], s[s[j]], ...`` of a permutation."""
    cycles: list[list[int]] = []
    seen: set[int] = set()
    for first in range(s.size):
        if first not in seen:
            cycle = [first]
            while (following := int(s[cycle[-1]])) != first:
                cycle.append(following)
            seen.update(cycle)
            cycles.append(cycle)
    return cycles


def _projection(X: Array, turn: _Turn, cycles: Sequence[Sequence[int]]) -> Array:
    """``X``, shape ``(b, d, M)``, projected to ``Q X[:, s] = X``, each cycle of ``l`` columns scaled by ``l``.

    The first column of a cycle of length ``l`` becomes ``P sum_{i < l} Q^i x_{s^i j}`` (Horner's rule), ``P`` the
    projection to what ``Q^l`` leaves alone, and the others follow from ``x_{s j} = Q^T x_j``.
    """
    out = np.empty_like(X)
    for cycle in cycles:
        total = np.zeros(X.shape[:2])
        for j in reversed(cycle):
            total = total @ turn.Q.T + X[..., j]
        total = total @ turn.fixed(len(cycle))
        for j in cycle:
            out[..., j] = total
            total = total @ turn.Q
    return out
