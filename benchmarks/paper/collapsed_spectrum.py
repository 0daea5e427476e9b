r"""The Hessian's spectrum at neural collapse, in closed form.

Balanced classes (``n`` samples each, weights ``1 / N``), ``d >= K - 1``, ``W`` a simplex equiangular tight frame,
``h_i = w_{y_i}``.  With

    p = e^{-tau K / (K - 1)} / (1 + (K - 1) e^{-tau K / (K - 1)})      softmax of a wrong class,
    a = tau p / N,   kappa = K / (K - 1),   e = tau^2 p / K,   g = n a / kappa,

``G`` is ``a`` off the label and ``-(K - 1) a`` on it, ``beta_i = -a K``, ``alpha_k = -n a K``.  The tangent
space splits into pieces that the symmetry group ``O(d) x (S_n wr S_K)`` does not mix, on each of which the
Hessian is a number or a 2 x 2 matrix:

* differences of samples of one class, in the span of ``W`` and normal to it:
  ``a K + e kappa / n`` (``K (n - 1)(K - 2)`` times), ``a K`` (``K (n - 1)(d - K + 1)`` times);
* class means normal to the span, ``d - K + 1`` copies of: ``n a K``, ``a K``, and ``(n + 1) a K`` (``K - 1`` times);
  ``K - 1`` zeros are orbit directions;
* class means in the span: write ``A_ky = <u_k, w_y>`` and ``B_ky = <w_k, v_y>``, matrices with zero
  diagonal and zero row (column) sums.  Antisymmetric parts: ``kappa (e + g K)(1 + 1 / n)``
  (``(K - 1)(K - 2) / 2`` times, and as many orbit zeros); symmetric parts without column sums,
  ``K (K - 3) / 2`` times the eigenvalues of

      kappa [[e + g K, (e - g K) / sqrt n], [., (e + g K) / n]];

  the remaining standard representation, ``K - 1`` times the eigenvalues of (with ``c = (K - 1) / (K (K - 2))``)

      kappa [[e + g K - e p / c, (e - g K) / ((K - 1) sqrt n)], [., (e + g K) / n]].
"""

from __future__ import annotations

import numpy as np

from sphereufm import UFMProblem
from sphereufm.errors import InvalidInputError


def collapsed_spectrum(problem: UFMProblem) -> list[tuple[float, int]]:
    """Horizontal eigenvalues of cross-entropy's Hessian at neural collapse, ascending, with their multiplicities.

    Equal values from different pieces are not joined.  Multiplicities sum to the dimension of the manifold less that of
    the orbit.  Raises InvalidInputError if the problem is not balanced, or ``d < K - 1``.
    """
    if not problem.is_balanced or problem.dim < problem.classes - 1:
        raise InvalidInputError(
            f"class_sizes={problem.class_sizes}, dim={problem.dim}: the spectrum at collapse needs equal classes and "
            "weights and dim >= classes - 1"
        )
    K, n, d, tau = problem.classes, problem.class_sizes[0], problem.dim, problem.tau
    small = np.exp(-tau * K / (K - 1))
    p = small / (1.0 + (K - 1) * small)
    a, kappa, e = tau * p / problem.samples, K / (K - 1), tau**2 * p / K
    gK = n * a * K / kappa
    normal = d - K + 1
    pieces = [
        (a * K + e * kappa / n, K * (n - 1) * (K - 2)),
        (a * K, K * (n - 1) * normal),
        (n * a * K, normal),
        (a * K, normal),
        ((n + 1) * a * K, (K - 1) * normal),
        (kappa * (e + gK) * (1.0 + 1.0 / n), (K - 1) * (K - 2) // 2),
    ]
    off = kappa * (e - gK) / np.sqrt(n)
    low = kappa * (e + gK) / n
    standard = kappa * (e + gK - e * p * K * (K - 2) / (K - 1))
    for top, side, count in (
        (kappa * (e + gK), off, K * (K - 3) // 2),
        (standard, off / (K - 1), (K - 1) * (K > 2)),
    ):
        pieces += [(value, count) for value in np.linalg.eigvalsh([[top, side], [side, low]])]
    return sorted((float(value), count) for value, count in pieces if count > 0)
