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
s_1``, not from their squares.  All are None where class means coincide: nothing is then known of collapse.

References
----------
T. Galanti, A. György, M. Hutter, *On the role of neural collapse in transfer learning*, ICLR 2022 (CDNV).
O. Roy, M. Vetterli, *The effective rank*, EUSIPCO 2007.
J. Xu, H. Liu, *Quantifying the variability collapse of neural networks*, ICML 2023 (VCI).
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from sphereufm.features.metrics.statistics import Array, ClassMoments, Frame, Scatter

_EPS = sys.float_info.epsilon
# means of equal classes, summed in different orders, differ by a few roundings of a feature's length
_COINCIDENT = 16.0 * _EPS
# relative width of what rounding leaves open of the variability collapse index
_UNCERTAIN = 1e-3


def class_frame(moments: ClassMoments, classifier: Array | None, bias: Array | None, full: bool) -> Frame:
    """Directions of the class means, none where all coincide to rounding, and all else that the second pass needs.

    ``classifier``, shape ``(K, d)``, and ``bias``, shape ``(K,)``; ``full``: whether the scatter is wanted in all
    directions.
    """
    means = moments.means - moments.mean
    A = means[moments.present]
    _, s, Vt = np.linalg.svd(A, full_matrices=False)
    size = float(np.linalg.norm(moments.centre) + np.linalg.norm(moments.means, axis=1).max())
    least = max(max(A.shape) * _EPS * s[0], _COINCIDENT * size)
    rank = min(int(np.count_nonzero(s > least)), len(A) - 1)
    basis = Vt[:rank].T
    return Frame(
        moments=moments,
        places=means @ basis,
        sizes=s[:rank],
        full=full,
        directions=basis if classifier is None else np.concatenate([basis, classifier.T], axis=1),
        mean_products=None if classifier is None else moments.base @ classifier.T,
        bias=bias,
    )


def variability(frame: Frame, spread: Scatter, counts: NDArray[np.intp]) -> dict[str, float | None]:
    """NC1 and its relatives from both passes, by name; None where undefined or not asked for.

    ``counts``, shape ``(K,)``: samples of each class in the second pass, which may be of other features than the class
    means.
    """
    names = (
        "nc1",
        "nc1_undivided",
        "nc1_class_mean_centred",
        "nc1_trace_ratio",
        "nc1_class_averaged",
        "cdnv",
    )
    s, N, present = frame.sizes, int(counts.sum()), frame.moments.present
    K = int(present.sum())
    if s.size == 0:
        return dict.fromkeys((*names, "vci"))
    S = frame.basis.T @ spread.products @ frame.basis if frame.full else spread.products
    places, of_classes = frame.places[present], class_nc1(frame, spread, counts)
    nc1 = float((np.diag(S) / np.square(s)).sum()) / N
    known = of_classes[np.isfinite(of_classes)]
    values = (
        nc1,
        nc1 * K,
        _trace_quotient(S / N, places - places.mean(axis=0)),
        float(spread.squares.sum()) / N / (float(np.square(s).sum()) / K),
        float(known.mean()) if known.size else None,
        _cdnv(places, (spread.squares / np.maximum(counts, 1))[present]),
    )
    return {
        **dict(zip(names, values, strict=True)),
        "vci": _vci(frame, spread, N) if frame.full else None,
    }


def class_nc1(frame: Frame, spread: Scatter, counts: NDArray[np.intp]) -> Array:
    """``tr(Sigma_k pinv(Sigma_B)) / K`` with the scatter of each class; NaN for those without samples."""
    if frame.sizes.size == 0:
        return np.full(len(counts), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Array = (spread.class_squares @ (1.0 / np.square(frame.sizes))) / counts
    return found


def _trace_quotient(within: Array, centred: Array) -> float | None:
    """``tr(within pinv(between)) / K`` with ``between = centred^T centred / K``."""
    _, s, Vt = np.linalg.svd(centred, full_matrices=False)
    rank = min(int(np.count_nonzero(s > max(centred.shape) * _EPS * s[0])), len(centred) - 1)
    if rank == 0:
        return None
    V = Vt[:rank].T
    return float((np.einsum("rj,rs,sj->j", V, within, V) / np.square(s[:rank])).sum())


def _cdnv(places: Array, variances: Array) -> float | None:
    """Class-distance normalised variance; None if two class means coincide."""
    from scipy.spatial.distance import pdist

    squares = pdist(places, "sqeuclidean")
    pairs = np.add.outer(variances, variances)[np.triu_indices(len(places), 1)]
    return float((pairs / (2.0 * squares)).mean()) if (squares > 0.0).all() else None


def effective_rank(eigenvalues: Array) -> float | None:
    """Exponential of the entropy of a spectrum: r for r equal eigenvalues and zeros."""
    positive = eigenvalues[eigenvalues > 0.0]
    if not positive.size:
        return None
    shares = positive / positive.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _vci(frame: Frame, spread: Scatter, N: int) -> float | None:
    """Variability collapse index, from the whole scatter matrix; None where rounding decides it.

    It does not change with the scales of the axes, so each is divided by its own.  With ``Sigma_W = R^T R``,
    ``Sigma_B = A^T A`` and ``[R; A] = U S V^T`` the trace is the squared norm of A's rows of U, which lies between 0
    and the rank.  Eigenvalues of Sigma_W below its rounding are taken for zero; where it matters that they are not
    known, nothing is returned.
    """
    moments = frame.moments
    A = np.sqrt(moments.counts / moments.counts.sum())[:, None] * (moments.means - moments.mean)
    scales = np.sqrt(np.diag(spread.products) / N + np.square(A).sum(axis=0))
    live = scales > 0.0
    A = A[:, live] / scales[live]
    values, vectors = np.linalg.eigh(
        spread.products[np.ix_(live, live)] / N / np.outer(scales[live], scales[live])
    )
    s = np.linalg.svd(A, compute_uv=False)
    rank = min(int(np.count_nonzero(s > max(A.shape) * _EPS * s[0])), int(moments.present.sum()) - 1)
    noise = len(values) * _EPS * max(float(values[-1]), 0.0)
    low, high = (
        _collapse_index(np.sqrt(np.where(values > noise, values, unknown))[:, None] * vectors.T, A, rank)
        for unknown in (0.0, noise)
    )
    return low if high - low <= _UNCERTAIN * high + 1e-9 else None


def _collapse_index(R: Array, A: Array, rank: int) -> float:
    """``1 - |A's rows of U|^2 / rank``, in [0, 1]."""
    U, s, _ = np.linalg.svd(np.concatenate([R, A]), full_matrices=False)
    kept = s > max(U.shape) * _EPS * s[0]
    seen = float(np.square(U[len(R) :, kept]).sum())
    return min(1.0, max(0.0, 1.0 - seen / rank))
