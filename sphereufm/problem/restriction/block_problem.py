r"""The cross-entropy cost on a fixed-point space of block permutations, as a small cost of its own.

In the space of :mod:`~sphereufm.geometry.symmetry.fixed_spaces` block ``b`` of ``a_b`` classes has one
classifier column
``(c_b, u_b)`` and one feature column ``(c'_b, u'_b)``, common part and spread.  A feature of block ``b`` then
sees ``m + 1`` different logits only,

    t_b0 = tau (<c_b, c'_b> + <u_b, u'_b>)                    its own class, once,
    t_bb = tau (<c_b, c'_b> - <u_b, u'_b> / (a_b - 1))        other classes of its block, a_b - 1 times,
    t_bl = tau <c_l, c'_b>                                    classes of block l != b, a_l times,

all of the form ``tau y_l^T A_bl y'_b`` with diagonal ``A_bl``, and the cost is ``sum_b omega_b log(1 + sum_l
mu_bl exp(t_bl - t_b0))`` with the block's whole weight ``omega_b``.  Gradient and Hessian are those of this
function; they agree with the full problem's, pulled back, at a cost that does not grow with the number of classes or
samples.

========  ====================  ===============================================================
symbol    shape                 meaning
========  ====================  ===============================================================
``Y``     ``(..., D, m + s)``   classifier columns of ``m`` blocks, feature columns of ``s`` blocks
``A``     ``(s, m + 1, D)``     diagonals of the forms; ``A[:, 0]`` belongs to the own class
``mu``    ``(s, m + 1)``        multiplicities; ``mu[:, 0] = 1``
``P``     ``(..., s, m + 1)``   probabilities, multiplicities included
========  ====================  ===============================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sphereufm.geometry.spheres import Array, ProductOfSpheres, project
from sphereufm.geometry.symmetry.fixed_spaces import FixedPointSpace
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.geometry.tangent_spaces import tangent_bases


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockProblem:
    """The cost on one fixed-point space.

    ``sampled``: blocks whose classes have samples; ``weights``: whole weight of each sampled block.
    """

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

    def is_always_finite(self) -> bool:
        """Losses of bounded logits are finite."""
        return True

    @cached_property
    def classifier_of(self) -> NDArray[np.intp]:
        """Classifier column of each logit, shape ``(s, m + 1)``."""
        m = len(self.space.blocks)
        return np.array([[b, *range(m)] for b in self.sampled], dtype=np.intp)

    @cached_property
    def multiplicities(self) -> Array:
        """``mu``, shape ``(s, m + 1)``."""
        sizes = [len(block) for block in self.space.blocks]
        rows = [[1, *(a - (l == b) for l, a in enumerate(sizes))] for b in self.sampled]
        return np.array(rows, dtype=np.float64)

    @cached_property
    def forms(self) -> Array:
        """``A``, shape ``(s, m + 1, D)``."""
        p, D = self.space.common, self.spheres.shape[0]
        forms = np.zeros((len(self.sampled), len(self.space.blocks) + 1, D))
        forms[:, :, :p] = 1.0
        forms[:, 0, p:] = 1.0
        for row, b in enumerate(self.sampled):
            a = len(self.space.blocks[b])
            if a > 1:
                forms[row, 1 + b, p:] = -1.0 / (a - 1)
        return forms

    @cached_property
    def form_table(self) -> Array:
        """``A`` of each logit at its classifier column, zero at others, shape ``(s, m + 1, m, D)``."""
        here = self.classifier_of[..., None] == np.arange(len(self.space.blocks))
        return here[..., None] * self.forms[:, :, None, :]


class BlockEvaluation:
    """Everything at ``Y``, batch axes first."""

    def __init__(self, problem: BlockProblem, Y: Array) -> None:
        self._problem = problem
        self.X = Y

    @property
    def cost(self) -> Array:
        """Cost, shape ``(...)``."""
        return self._softmax[0] @ self._weights

    @cached_property
    def euclidean_gradient(self) -> Array:
        """Gradient in the surrounding space, shape ``(..., D, m + s)``."""
        return self._pulled(self.X)

    @cached_property
    def gradient(self) -> Array:
        """Riemannian gradient, shape ``(..., D, m + s)``."""
        return project(self.X, self.euclidean_gradient)

    @cached_property
    def gradient_scale(self) -> Array:
        """Sums of ``tau |dcost/dt|`` over the logits that each column takes part in, shape ``(..., m + s)``."""
        size = self._problem.tau * np.abs(self.G)
        columns = self._problem.spheres.shape[1]
        out = np.zeros((*size.shape[:-2], columns))
        out[..., columns - size.shape[-2] :] = size.sum(axis=-1)
        for row, classifiers in enumerate(self._problem.classifier_of):
            for l, c in enumerate(classifiers):
                out[..., c] += size[..., row, l]
        return out

    @cached_property
    def G(self) -> Array:
        """Derivatives of the cost by the logits, shape ``(..., s, m + 1)``."""
        P = self._softmax[1]
        G = P * self._weights[:, None]
        G[..., 0] = -G[..., 1:].sum(axis=-1)
        return G

    def hessian_product(self, U: Array) -> Array:
        """Riemannian Hessian applied to a tangent ``U``, shape ``(..., D, m + s)``."""
        change = self._logits(self.X, U) + self._logits(U, self.X)
        # relative to the own class, whose probability may be all but one
        change = change - change[..., :1]
        P = self._softmax[1]
        change = change - (P * change).sum(axis=-1, keepdims=True)
        image = self._pulled(U) + self._pulled(self.X, self._pull_of(self._weights[:, None] * P * change))
        return project(self.X, image - U * self._multipliers[..., None, :])

    def tangent_hessian(self) -> Array:
        """The whole Hessian in tangent coordinates, shape ``(..., n, n)``, ``n = (m + s)(D - 1)``."""
        problem, m = self._problem, len(self._problem.space.blocks)
        T = tangent_bases(self.X)
        *batch, M, _, e = T.shape
        J = self._logit_derivatives(T)
        # relative to the own class, whose probability may be all but one
        J = J - J[..., :1, :]
        P = self._softmax[1]
        J = J - P[..., None, :] @ J
        J *= np.sqrt(P * self._weights[:, None])[..., None]
        rows = J.reshape(*batch, -1, M * e)
        H = (np.swapaxes(rows, -1, -2) @ rows).reshape(*batch, M, e, M, e)
        # bilinear: blocks (..., c, a, r, b) of classifier column c and feature column r
        cross = np.swapaxes(T[..., None, :m, :, :], -1, -2) @ (self._pull[..., None] * T[..., m:, None, :, :])
        cross = np.moveaxis(cross, -4, -2)
        H[..., :m, :, m:, :] += cross
        H[..., m:, :, :m, :] += np.moveaxis(cross, (-2, -1), (-4, -3))
        diagonal = np.arange(M)
        multiples = self._multipliers[..., None, None] * np.eye(e)
        H[..., diagonal, :, diagonal, :] -= np.moveaxis(multiples, -3, 0)
        used = problem.spheres.used
        return H.reshape(*batch, M * e, M * e) * np.outer(used, used)

    @property
    def _weights(self) -> Array:
        return np.array(self._problem.weights)

    @cached_property
    def _multipliers(self) -> Array:
        return np.einsum("...dm,...dm->...m", self.X, self.euclidean_gradient)

    @cached_property
    def _softmax(self) -> tuple[Array, Array]:
        """Loss of each feature column ``(..., s)`` and probabilities."""
        problem = self._problem
        t = self._logits(self.X, self.X)
        t = t - t[..., :1]
        top = np.maximum(t.max(axis=-1, keepdims=True, where=problem.multiplicities > 0, initial=0.0), 0.0)
        e = problem.multiplicities * np.exp(np.minimum(t - top, 0.0))
        rest = e[..., 1:].sum(axis=-1)
        # log1p keeps small losses exact; where another logit is larger, the shift by it is added
        loss = np.where(top[..., 0] > 0.0, top[..., 0] + np.log(e[..., 0] + rest), np.log1p(rest))
        return loss, e / (e[..., 0] + rest)[..., None]

    def _logits(self, W: Array, H: Array) -> Array:
        """Logits of classifier columns of ``W`` and feature columns of ``H``, shape ``(..., s, m + 1)``."""
        problem, m = self._problem, len(self._problem.space.blocks)
        columns = np.swapaxes(W, -1, -2)[..., problem.classifier_of, :]
        features = np.swapaxes(H[..., m:], -1, -2)
        return np.asarray(problem.tau * (columns * problem.forms * features[..., None, :]).sum(axis=-1))

    @cached_property
    def _pull(self) -> Array:
        """Diagonal form through which feature column ``r`` and classifier column ``c`` pull, ``(..., s, m, D)``."""
        return self._pull_of(self.G)

    def _pull_of(self, G: Array) -> Array:
        """``tau`` times the forms of all logits of a pair, weighted by ``G`` of shape ``(..., s, m + 1)``."""
        table = self._problem.form_table
        flat = G[..., None, :] @ table.reshape(*table.shape[:2], -1)
        return np.asarray(self._problem.tau * flat.reshape(*G.shape[:-1], *table.shape[2:]))

    def _pulled(self, Y: Array, pull: Array | None = None) -> Array:
        """What each column of ``Y`` gets from its partners, shape ``(..., D, m + s)``."""
        m = len(self._problem.space.blocks)
        pull = self._pull if pull is None else pull
        columns = np.swapaxes(Y, -1, -2)
        classifiers = (pull * columns[..., m:, None, :]).sum(axis=-3)
        features = (pull * columns[..., None, :m, :]).sum(axis=-2)
        return np.swapaxes(np.concatenate([classifiers, features], axis=-2), -1, -2)

    def _logit_derivatives(self, T: Array) -> Array:
        """Derivative of each logit in tangent coordinates, shape ``(..., s, m + 1, (m + s) e)``."""
        problem, m = self._problem, len(self._problem.space.blocks)
        *batch, M, _, e = T.shape
        Y = np.swapaxes(self.X, -1, -2)
        place, forms = problem.classifier_of, problem.tau * problem.forms
        by_classifier = ((forms * Y[..., m:, None, :])[..., None, :] @ T[..., place, :, :])[..., 0, :]
        by_feature = (forms * Y[..., place, :]) @ T[..., m:, :, :]
        s, L = place.shape
        J = np.zeros((*batch, s, L, M, e))
        row, logit = np.arange(s)[:, None], np.arange(L)
        J[..., row, logit, place, :] = by_classifier
        J[..., row, logit, m + row, :] = by_feature
        return J.reshape(*batch, s, L, M * e)
