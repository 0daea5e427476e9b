r"""Within-class variability against the spread of the class means (NC1 and its relatives).

With ``K`` classes that have samples, class means ``m_k``, sample mean ``m``, mean of class means ``m'``:

    Sigma_W = (1 / N) sum_i (h_i - m_{y_i}) (.)^T,        Sigma_B = (1 / K) sum_k (m_k - m) (.)^T.

* NC1 ``tr(Sigma_W pinv(Sigma_B)) / K``, as in the released code of Yaras et al. (2022); some authors do not divide by
  K, some centre by ``m'`` (the same for balanced classes);
* trace ratio ``tr Sigma_W / tr Sigma_B``;
* CDNV (class-distance normalised variance): mean over pairs of ``(v_k + v_l) / (2 |m_k - m_l|^2)``,
  ``v_k = sum_{y_i = k} |h_i - m_k|^2 / n_k``;
* VCI (variability collapse index) ``1 - tr(pinv(Sigma_T) Sigma_B) / rank Sigma_B`` with ``Sigma_T = Sigma_W + Sigma_B``
  and classes weighted by their samples, so that it lies in [0, 1].

``pinv(Sigma_B)`` lives on the span of the centred class means, so NC1 needs residuals in ``rank <= K - 1`` directions
only, and no d x d matrix.  Its rank is read from the singular values ``s`` of the centred means, ``s > max(K, d) eps
s_1``, not from their squares.  All are NaN where class means coincide: nothing is then known of collapse.

References
----------
T. Galanti, A. György, M. Hutter, *On the role of neural collapse in transfer learning*, ICLR 2022 (CDNV).
O. Roy, M. Vetterli, *The effective rank*, EUSIPCO 2007.
J. Xu, H. Liu, *Quantifying the variability collapse of neural networks*, ICML 2023 (VCI).
"""

from __future__ import annotations

import math
import sys

import numpy as np

from sphereufm.features.metrics.companion import Array
from sphereufm.features.metrics.statistics import ClassMoments, Frame, Scatter

_EPS = sys.float_info.epsilon
# relative width of what rounding leaves open of the variability collapse index
_UNCERTAIN = 1e-3


def class_frame(moments: ClassMoments, classifier: Array | None, bias: Array | None, full: bool) -> Frame:
    """Directions of the class means, none where all coincide to rounding, and all else that the second pass needs."""
    A = moments.centred[moments.present]
    _, s, Vt = np.linalg.svd(A, full_matrices=False)
    least = max(max(A.shape) * _EPS * s[0], moments.rounding)
    rank = min(int(np.count_nonzero(s > least)), len(A) - 1)
    basis = Vt[:rank].T
    return Frame(
        moments=moments,
        basis=basis,
        places=moments.centred @ basis,
        sizes=s[:rank],
        full=full,
        classifier=classifier,
        bias=bias,
        mean_products=None if classifier is None else moments.base @ classifier.T,
    )


@np.errstate(divide="ignore", invalid="ignore")
def variability(spread: Scatter) -> dict[str, float]:
    """NC1 and its relatives, by name; NaN where undefined or not asked for, infinite where two class means coincide."""
    from scipy.spatial.distance import pdist

    frame, s, N = spread.frame, spread.frame.sizes, int(spread.counts.sum())
    present, of_classes = frame.moments.present, class_nc1(spread)
    K, places, B = int(present.sum()), frame.places[present], frame.basis
    S = B.T @ spread.products @ B if frame.full else spread.products
    back = np.linalg.pinv(places - places.mean(axis=0), rcond=max(K, s.size) * _EPS)
    variances = (spread.squares / np.maximum(spread.counts, 1))[present]
    pairs = np.add.outer(variances, variances)[np.triu_indices(K, 1)]
    nc1 = float(np.nansum(spread.counts * of_classes)) / N
    values = {
        "nc1": nc1,
        "nc1_undivided": nc1 * K,
        "nc1_class_mean_centred": float((back * (S @ back)).sum()) / N,
        "nc1_trace_ratio": float(spread.squares.sum() / N / (np.square(s).sum() / K)),
        "nc1_class_averaged": float(of_classes[spread.counts > 0].mean()),
        "cdnv": float((pairs / (2.0 * pdist(places, "sqeuclidean"))).mean()),
        "vci": _vci(spread, N) if frame.full and s.size else math.nan,
    }
    return values if s.size else dict.fromkeys(values, math.nan)


@np.errstate(divide="ignore", invalid="ignore")
def class_nc1(spread: Scatter) -> Array:
    """``tr(Sigma_k pinv(Sigma_B)) / K`` with the scatter of each class; NaN for those without samples."""
    s = spread.frame.sizes
    return np.asarray(
        spread.class_squares @ (1.0 / np.square(s)) / spread.counts if s.size else spread.counts * math.nan
    )


def effective_rank(eigenvalues: Array) -> float:
    """Exponential of the entropy of a spectrum: r for r equal eigenvalues and zeros; NaN without a positive one."""
    positive = eigenvalues[eigenvalues > 0.0]
    shares = positive / positive.sum()
    return float(np.exp(-(shares * np.log(shares)).sum())) if positive.size else math.nan


def _vci(spread: Scatter, N: int) -> float:
    """Variability collapse index, from the whole scatter matrix; NaN where rounding decides it.

    It does not change with the scales of the axes, so each is divided by its own.  With ``Sigma_B = A^T A`` and
    ``v_j``, ``t_j`` the eigenvectors and eigenvalues of Sigma_T the trace is ``sum_j |A v_j|^2 / t_j``, as far as
    eigenvalues are above rounding; A must have no part in the rest.
    """
    A = spread.frame.moments.weighted
    scales = np.sqrt(np.diag(spread.products) / N + np.square(A).sum(axis=0))
    live = scales > 0.0
    A, within = A[:, live] / scales[live], spread.products[np.ix_(live, live)] / N
    values, vectors = np.linalg.eigh(within / np.outer(scales[live], scales[live]) + A.T @ A)
    rank = min(int(np.linalg.matrix_rank(A)), int(spread.frame.moments.present.sum()) - 1)
    noise, seen = len(values) * _EPS * float(values[-1]), np.linalg.norm(A @ vectors, axis=0)
    kept = values > noise
    shares = np.square(seen[kept]) / values[kept]
    index = min(1.0, max(0.0, 1.0 - float(shares.sum()) / rank))
    unsure = float((shares * noise / values[kept]).sum()) / rank
    hidden = seen[~kept].max(initial=0.0) > len(values) * _EPS * float(np.linalg.norm(A))
    return math.nan if hidden or unsure > _UNCERTAIN * index + 1e-9 else index
