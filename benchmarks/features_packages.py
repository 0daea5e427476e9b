r"""The numbers of other packages beside ours, on one file: which number each computes, and whether ours agrees.

Needs torch, and what is compared::

    pip install torch kowalski pytorch-ood scikit-learn git+https://github.com/rhubarbwu/neural-collapse
    python benchmarks/features_packages.py tests/data/digits_plain.npz

A package that is not installed is left out.  Theirs run in double precision where they can; unknown data are normal
noise of the features' scale.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sphereufm.features import FeatureSet, collapse_metrics, feature_set_from_arrays, load_features
from sphereufm.features.metrics.outliers import make_detector

Row = tuple[str, str, float, str, float]


def arrays_of(data: FeatureSet) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
    """Features, labels and classifier in double precision."""
    if data.classifier is None:
        raise SystemExit("the file must hold a classifier")
    return data.features.read().astype(np.float64), data.labels, data.classifier


def neural_collapse_rows(data: FeatureSet) -> Iterator[Row]:
    """https://github.com/rhubarbwu/neural-collapse, in double precision; without a bias, which it does not know."""
    torch = importlib.import_module("torch")
    accumulate = importlib.import_module("neural_collapse.accumulate")
    measure = importlib.import_module("neural_collapse.measure")
    H, y, W = (torch.from_numpy(np.array(a)) for a in arrays_of(data))
    K, d = W.shape
    options = {"n_classes": K, "d_vectors": d, "dtype": torch.float64}
    means = accumulate.MeanAccumulator(**options)
    means.accumulate(H, y)
    M, middle = means.compute()
    sample_mean = H.mean(dim=0)
    spread, norms = (
        kind(M=M, **options) for kind in (accumulate.CovarAccumulator, accumulate.VarNormAccumulator)
    )
    spread.accumulate(H, y, M)
    norms.accumulate(H, y, M)
    decisions = accumulate.DecAccumulator(M=M, W=W, **options)
    decisions.accumulate(H, y, W, M)
    ours = collapse_metrics(feature_set_from_arrays(H.numpy(), y.numpy(), W.numpy()), one_vs_rest=False)
    v, within = ours.variants, spread.compute()
    name = "neural_collapse"
    yield (
        name,
        "covariance_ratio, m_G of samples",
        measure.covariance_ratio(within, M, sample_mean),
        "nc1",
        ours.nc1,
    )
    yield (
        name,
        "covariance_ratio, its m_G",
        measure.covariance_ratio(within, M, middle),
        "nc1_class_mean_centred",
        v["nc1_class_mean_centred"],
    )
    quotient = measure.covariance_ratio(within, M, sample_mean, "quotient")
    yield name, "covariance_ratio, quotient", quotient, "nc1_trace_ratio", v["nc1_trace_ratio"]
    yield name, "variability_cdnv", measure.variability_cdnv(norms.compute()[0], M), "cdnv", v["cdnv"]
    yield name, "simplex_etf_error", measure.simplex_etf_error(M, sample_mean), "nc2_means", v["nc2_means"]
    yield (
        name,
        "self_duality_error",
        measure.self_duality_error(W, M, sample_mean),
        "nc3_centred",
        v["nc3_centred"],
    )
    yield name, "clf_ncc_agreement", measure.clf_ncc_agreement(decisions), "nc4", ours.nc4
    O = np.random.default_rng(0).standard_normal((200, d))
    detector = make_detector(data)
    outcome = detector.detect("noise", detector.scores(data.features), _source(O))
    deviation = measure.orthogonality_deviation(M, torch.from_numpy(O.mean(axis=0)))
    yield name, "orthogonality_deviation", deviation, "nc5", outcome.nc5


def pytorch_ood_rows(data: FeatureSet) -> Iterator[Row]:
    """https://github.com/kkirchheim/pytorch-ood: AUROC of scores, which it computes in single precision."""
    torch = importlib.import_module("torch")
    detectors = importlib.import_module("pytorch_ood.detector")
    H, y, W = arrays_of(data)
    b = np.zeros(len(W)) if data.bias is None else data.bias
    O = np.random.default_rng(0).standard_normal(H.shape) * H.std(axis=0) + H.mean(axis=0)
    batches = [(torch.from_numpy(H).float(), torch.from_numpy(np.array(y)))]
    principal = H.shape[1] // 2
    their = detectors.ViM(lambda x: x, principal, torch.from_numpy(W.copy()), torch.from_numpy(b.copy()))
    their.fit(batches)
    known, unknown = (-their.predict(torch.from_numpy(A).float()).numpy() for A in (H, O))
    detector = make_detector(data)
    outcome = detector.detect("noise", detector.scores(data.features), _source(O))
    yield "pytorch_ood", "ViM, AUROC", _auroc(known, unknown), "vim", outcome.scores["vim"]["auroc"]
    energy = detectors.EnergyBased(lambda x: x @ torch.from_numpy(W).float().T + torch.from_numpy(b).float())
    known, unknown = (-energy.predict(torch.from_numpy(A).float()).numpy() for A in (H, O))
    yield (
        "pytorch_ood",
        "EnergyBased, AUROC",
        _auroc(known, unknown),
        "energy",
        outcome.scores["energy"]["auroc"],
    )
    if hasattr(detectors, "NECO"):
        scaled = (H - H.mean(axis=0)) / H.std(axis=0)
        other = (O - H.mean(axis=0)) / H.std(axis=0)
        neco = detectors.NECO(None, None, d=len(W) - 1, use_max_logit=False)
        neco.fit_features(torch.from_numpy(H), torch.from_numpy(np.array(y)))
        known, unknown = (-neco.predict_features(torch.from_numpy(A)).numpy() for A in (H, O))
        ours = make_detector(feature_set_from_arrays(scaled, y))
        found = ours.detect("noise", ours.scores(_source(scaled)), _source(other))
        yield (
            "pytorch_ood",
            "NECO of standardised features, AUROC",
            _auroc(known, unknown),
            "neco",
            found.scores["neco"]["auroc"],
        )


def kowalski_rows(data: FeatureSet) -> Iterator[Row]:
    """https://pypi.org/project/kowalski: its first number divides by the covariance of all samples."""
    torch = importlib.import_module("torch")
    theirs = importlib.import_module("kowalski.neural_collapse")
    H, y, W = arrays_of(data)
    lists = [torch.from_numpy(H[y == k]) for k in range(len(W))]
    weights = torch.from_numpy(W.copy())
    ours = collapse_metrics(data, one_vs_rest=False)
    name = "kowalski"
    yield name, "within_class_variability", float(theirs.within_class_variability(lists)), "nc1", ours.nc1
    yield (
        name,
        "classifier_etf_convergence",
        float(theirs.classifier_etf_convergence(weights)),
        "nc2",
        ours.nc2,
    )
    duality = float(theirs.self_duality(lists, weights))
    yield name, "self_duality", duality, "nc3_centred", ours.variants["nc3_centred"]


def _source(A: NDArray[np.float64]):  # type: ignore[no-untyped-def]
    """An array as a source of features."""
    return feature_set_from_arrays(A, np.arange(len(A)) % 2).features


def _auroc(known: NDArray[np.float64], unknown: NDArray[np.float64]) -> float:
    """By all pairs."""
    pairs = known[:, None] - unknown
    return float(np.mean((pairs > 0) + 0.5 * (pairs == 0)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file")
    data = load_features(parser.parse_args().file)
    print("| package | its number | value | ours | value | relative difference |")
    print("|---|---|---|---|---|---|")
    for rows in (neural_collapse_rows, kowalski_rows, pytorch_ood_rows):
        try:
            for package, theirs, value, ours, own in rows(data):
                off = abs(own - value) / max(abs(value), 1e-300)
                print(f"| {package} | {theirs} | {value:.10g} | `{ours}` | {own:.10g} | {off:.0e} |")
        except ImportError as error:
            print(f"| {rows.__name__} | not installed: {error} | | | | |")


if __name__ == "__main__":
    main()
