r"""Critical points with prescribed symmetry: the cross-entropy cost on fixed-point spaces of permutation groups.

The groups are products of symmetric groups: classes of one kind (equal multisets of weights) are split into
blocks, all classes of a block may be permuted, and all samples of a class are equal.  Each space is a small
product of spheres whatever the number of classes and samples, so instances far too large for sampling are reached.

In the space of :mod:`~sphereufm.geometry.symmetry.fixed_spaces` block ``b`` of ``a_b`` classes has one classifier
column ``(c_b, u_b)`` and one feature column ``(c'_b, u'_b)``, common part and spread.  A feature of block ``b`` then
sees ``m + 1`` different logits only,

    t_b0 = tau (<c_b, c'_b> + <u_b, u'_b>)                    its own class, once,
    t_bb = tau (<c_b, c'_b> - <u_b, u'_b> / (a_b - 1))        other classes of its block, a_b - 1 times,
    t_bl = tau <c_l, c'_b>                                    classes of block l != b, a_l times,

all of the form ``y_l^T A_lb y'_b`` with diagonal ``A_lb``, and the cost is ``sum_b omega_b log(1 + sum_l mu_bl exp(t_bl
- t_b0))`` with the block's whole weight ``omega_b``.  Gradient and Hessian are those of this function; they agree with
the full problem's, pulled back, at a cost that does not grow with the number of classes or samples.

========  ======================  ===============================================================
symbol    shape                   meaning
========  ======================  ===============================================================
``Y``     ``(..., D, m + s)``     classifier columns of ``m`` blocks, feature columns of ``s`` blocks
``A``     ``(m, s, m + 1, D)``    ``tau`` times the diagonals of the forms; the first logit is that of the own class
``mu``    ``(s, m + 1)``          multiplicities; ``mu[:, 0] = 1``
``P``     ``(..., s, m + 1)``     probabilities, multiplicities included
========  ======================  ===============================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from sphereufm.geometry.spheres import Array, ProductOfSpheres, project
from sphereufm.geometry.symmetry.fixed_spaces import FixedPointSpace, block_partitions
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.geometry.tangent_spaces import from_coordinates, tangent_bases, to_coordinates

if TYPE_CHECKING:
    from sphereufm.problem.ufm import UFMProblem


def fixed_point_spaces(problem: UFMProblem, most_blocks: int = 3) -> Iterator[SymmetricSpace]:
    """The fixed-point spaces of all partitions of each kind of class into at most so many blocks.

    None for other losses, and where samples of one class have different weights.
    """
    permutations = problem.symmetry.permutations
    if not problem.is_plain or any(len(cells) > 2 for cells in permutations.blocks):
        return
    kinds: dict[object, list[int]] = {}
    for k, kind in enumerate(permutations.kinds):
        kinds.setdefault(kind, []).append(k)
    choices = [block_partitions(tuple(members), most_blocks) for members in kinds.values()]
    for parts in product(*choices):
        yield SymmetricSpace(
            whole=problem, space=FixedPointSpace(tuple(block for part in parts for block in part))
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class SymmetricSpace:
    """A problem on one fixed-point space, whose points expand by isometries: gradients and Hessians pull back."""

    whole: UFMProblem
    space: FixedPointSpace

    @property
    def name(self) -> str:
        """Group in words, for example ``S_3 x S_2``."""
        return " x ".join(f"S_{len(block)}" for block in self.space.blocks)

    @cached_property
    def problem(self) -> BlockProblem:
        """The cost on the space; blocks with a sample have a feature column, of their classes' whole weight."""
        whole, blocks = self.whole, self.space.blocks
        totals = np.bincount(whole.labels, weights=whole.weights, minlength=whole.classes)
        weights = {
            b: float(totals[list(block)].sum()) for b, block in enumerate(blocks) if totals[block[0]] > 0.0
        }
        return BlockProblem(
            space=self.space, sampled=tuple(weights), weights=tuple(weights.values()), tau=whole.tau
        )

    def expand(self, Y: Array) -> Array:
        """The point of the original problem, shape ``(..., dim, K + N)``, for a small point."""
        maps, block_of = self.space.maps, np.array(self.space.block_of)
        sampled, sample = np.unique(self.whole.labels, return_inverse=True)
        features = len(self.space.blocks) + np.searchsorted(self.problem.sampled, block_of[sampled])
        W = np.einsum("kde,...ek->...dk", maps, Y[..., block_of])
        H = np.einsum("kde,...ek->...dk", maps[sampled], Y[..., features])
        return np.concatenate([W, H[..., sample]], axis=-1)


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockProblem:
    """The cost on one fixed-point space; ``sampled``: blocks with samples, ``weights``: whole weight of each."""

    space: FixedPointSpace
    sampled: tuple[int, ...]
    weights: tuple[float, ...]
    tau: float

    @cached_property
    def spheres(self) -> ProductOfSpheres:
        """Classifier columns of all blocks, then feature columns of those with samples."""
        dims = self.space.spheres.dims
        m = len(self.space.blocks)
        return ProductOfSpheres((*dims[:m], *(dims[m + b] for b in self.sampled)))

    @property
    def symmetry(self) -> SymmetryGroup:
        """None is declared: what is left of O(d) acts on common parts and spreads apart."""
        return SymmetryGroup.none(self.spheres.shape[1])

    def at(self, Y: Array) -> BlockEvaluation:
        """Evaluate at ``Y``, shape ``(..., D, m + s)``."""
        return BlockEvaluation(self, Y)

    def is_well_scaled(self) -> bool:
        """Whether gradient scales are the sizes of the gradient's own terms: sums of ``|G|``."""
        return True

    @cached_property
    def multiplicities(self) -> Array:
        """``mu``, shape ``(s, m + 1)``."""
        sizes = [len(block) for block in self.space.blocks]
        rows = [[1, *(a - (l == b) for l, a in enumerate(sizes))] for b in self.sampled]
        return np.array(rows, dtype=np.float64)

    @cached_property
    def forms(self) -> Array:
        """``A``: the diagonal of each logit at its classifier column, zero at others, shape ``(m, s, m + 1, D)``."""
        p, blocks = self.space.common, self.space.blocks
        l = np.arange(len(blocks))
        forms = np.zeros((l.size, len(self.sampled), l.size + 1, self.spheres.shape[0]))
        forms[l, :, 1 + l, :p] = 1.0
        for row, b in enumerate(self.sampled):
            forms[b, row, 0] = 1.0
            forms[b, row, 1 + b, p:] = -1.0 / max(len(blocks[b]) - 1, 1)
        return self.tau * forms


class BlockEvaluation:
    """Everything at ``Y``, batch axes first."""

    def __init__(self, problem: BlockProblem, Y: Array) -> None:
        self._problem = problem
        self._weights = np.array(problem.weights)
        self.X = Y
        m = len(problem.space.blocks)
        # rows of classifiers (..., m, D) and of features (..., s, D)
        self._W, self._H = np.swapaxes(Y[..., :m], -1, -2), np.swapaxes(Y[..., m:], -1, -2)

    @property
    def cost(self) -> Array:
        """Cost, shape ``(...)``."""
        return self._softmax[0] @ self._weights

    @cached_property
    def gradient(self) -> Array:
        """Riemannian gradient, shape ``(..., D, m + s)``."""
        return project(self.X, self._euclidean_gradient)

    @cached_property
    def gradient_scale(self) -> Array:
        """Sums of ``tau |dcost/dt|`` over the logits that each column takes part in, shape ``(..., m + s)``."""
        size = self._problem.tau * np.abs(self.G)
        classifiers = np.einsum("...rl,crl->...c", size, self._problem.forms[..., 0] > 0.0)
        return np.concatenate([classifiers, size.sum(axis=-1)], axis=-1)

    @cached_property
    def G(self) -> Array:
        """Derivatives of the cost by the logits, shape ``(..., s, m + 1)``."""
        G = self._softmax[1] * self._weights[:, None]
        G[..., 0] = -G[..., 1:].sum(axis=-1)
        return G

    def hessian_product(self, U: Array) -> Array:
        """Riemannian Hessian applied to a tangent ``U``, shape ``(..., D, m + s)``."""
        image = self._hessian @ to_coordinates(self.X, U)[..., None]
        return from_coordinates(self.X, image[..., 0])

    def tangent_hessian(self) -> Array:
        """The whole Hessian in tangent coordinates, shape ``(..., n, n)``, ``n = (m + s)(D - 1)``."""
        return self._hessian.copy()

    @cached_property
    def _softmax(self) -> tuple[Array, Array]:
        """Loss of each feature column ``(..., s)`` and probabilities."""
        mu = self._problem.multiplicities
        t = np.einsum("...rld,...rd->...rl", self._by_feature, self._H)
        t = t - t[..., :1]
        top = np.maximum(t.max(axis=-1, keepdims=True, where=mu > 0, initial=0.0), 0.0)
        e = mu * np.exp(np.minimum(t - top, 0.0))
        rest = e[..., 1:].sum(axis=-1)
        # log1p keeps small losses exact; where another logit is larger, the shift by it is added
        loss = np.where(top[..., 0] > 0.0, top[..., 0] + np.log(e[..., 0] + rest), np.log1p(rest))
        return loss, e / (e[..., 0] + rest)[..., None]

    @cached_property
    def _by_feature(self) -> Array:
        """Derivative of each logit by its feature column, shape ``(..., s, m + 1, D)``."""
        return np.einsum("crld,...cd->...rld", self._problem.forms, self._W)

    @cached_property
    def _pull(self) -> Array:
        """Diagonal form through which each classifier and feature column pull, shape ``(..., m, s, D)``."""
        return np.einsum("...rl,crld->...crd", self.G, self._problem.forms)

    @cached_property
    def _euclidean_gradient(self) -> Array:
        """Gradient in the surrounding space, shape ``(..., D, m + s)``."""
        classifiers = (self._pull * self._H[..., None, :, :]).sum(axis=-2)
        features = (self._pull * self._W[..., :, None, :]).sum(axis=-3)
        return np.swapaxes(np.concatenate([classifiers, features], axis=-2), -1, -2)

    @cached_property
    def _hessian(self) -> Array:
        """Curvature of the loss along the logits' derivatives, the logits' own, and that of the spheres."""
        T, m = tangent_bases(self.X), self._W.shape[-2]
        *batch, M, _, e = T.shape
        n = M * e
        P = self._softmax[1]
        J = self._logit_derivatives(T)
        # relative to the own class, whose probability may be all but one
        J = J - J[..., :1, :]
        J = (J - P[..., None, :] @ J) * np.sqrt(P * self._weights[:, None])[..., None]
        J = J.reshape(*batch, -1, n)
        # the logits are bilinear in classifier and feature columns
        cross = np.zeros((*batch, M, e, M, e))
        pulled = self._pull[..., None] * T[..., None, m:, :, :]
        cross[..., :m, :, m:, :] = np.moveaxis(np.swapaxes(T[..., :m, None, :, :], -1, -2) @ pulled, -3, -2)
        cross = cross.reshape(*batch, n, n)
        H = np.swapaxes(J, -1, -2) @ J + cross + np.swapaxes(cross, -1, -2)
        multipliers = np.einsum("...dm,...dm->...m", self.X, self._euclidean_gradient)
        H[..., np.arange(n), np.arange(n)] -= np.repeat(multipliers, e, axis=-1)
        used = self._problem.spheres.used
        return H * np.outer(used, used)

    def _logit_derivatives(self, T: Array) -> Array:
        """Derivative of each logit in tangent coordinates, shape ``(..., s, m + 1, (m + s) e)``."""
        *batch, M, _, e = T.shape
        m, (s, L) = self._W.shape[-2], self.G.shape[-2:]
        by_classifier = self._problem.forms * self._H[..., None, :, None, :]
        by_classifier = by_classifier.reshape(*batch, m, s * L, -1) @ T[..., :m, :, :]
        J = np.zeros((*batch, s, L, M, e))
        J[..., :m, :] = np.moveaxis(by_classifier.reshape(*batch, m, s, L, e), -4, -2)
        row = np.arange(s)[:, None]
        J[..., row, np.arange(L), m + row, :] = self._by_feature @ T[..., m:, :, :]
        return J.reshape(*batch, s, L, M * e)
