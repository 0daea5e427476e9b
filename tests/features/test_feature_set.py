"""load_features: conventions, other files, and every bad input."""

import numpy as np
import pytest

from sphereufm.errors import InvalidInputError, UnreadableFileError
from sphereufm.features import LabelRules, Reading, feature_set_from_arrays, load_features


@pytest.fixture
def saved(tmp_path):
    """A file of features (6, 4), labels of 3 classes, classifier and bias."""
    rng = np.random.default_rng(1)
    arrays = {
        "features": rng.standard_normal((6, 4)).astype(np.float32),
        "labels": np.array([0, 1, 2, 0, 1, 2]),
        "classifier": rng.standard_normal((3, 4)),
        "bias": rng.standard_normal(3),
    }
    np.savez(tmp_path / "all.npz", **arrays)
    for key, array in arrays.items():
        np.save(tmp_path / f"{key}.npy", array)
    return tmp_path, arrays


def test_everything_in_one_file(saved):
    folder, arrays = saved
    found = load_features(folder / "all.npz")
    assert np.array_equal(found.features.read(), arrays["features"])
    assert np.array_equal(found.labels, arrays["labels"])
    assert np.array_equal(found.classifier, arrays["classifier"])
    assert np.array_equal(found.bias, arrays["bias"])
    assert found.classes == 3
    assert found.labels.dtype == np.intp
    assert found.chosen == (
        "features: all.npz:features (6, 4) float32",
        "labels: all.npz:labels (6,) int64",
        "classifier: all.npz:classifier (3, 4) float64",
        "bias: all.npz:bias (3,) float64",
    )
    for array in (found.labels, found.classifier, found.bias):
        assert not array.flags.writeable


def test_other_files_keys_and_arrays(saved):
    folder, arrays = saved
    found = load_features(
        f"{folder}/features.npy",
        labels=f"{folder}/all.npz:labels",
        classifier=str(folder / "classifier.npy"),
        bias=arrays["bias"],
    )
    assert np.array_equal(found.classifier, arrays["classifier"])
    assert np.array_equal(found.bias, arrays["bias"])
    same = load_features(folder / "all.npz", labels="labels", classifier="classifier", bias="bias")
    assert np.array_equal(same.bias, arrays["bias"])
    beside = load_features(folder / "features.npy", labels=arrays["labels"], classifier=folder / "all.npz")
    assert np.array_equal(beside.bias, arrays["bias"])


def test_in_memory_equals_files(saved):
    folder, arrays = saved
    found = feature_set_from_arrays(**arrays)
    loaded = load_features(folder / "all.npz")
    assert np.array_equal(found.features.read(), loaded.features.read())
    assert np.array_equal(found.classifier, loaded.classifier)
    assert found.classes == loaded.classes


def test_number_of_classes(saved):
    _, arrays = saved
    features, labels = arrays["features"], arrays["labels"]
    assert feature_set_from_arrays(features, labels).classes == 3
    assert feature_set_from_arrays(features, labels, classes=7).classes == 7
    assert feature_set_from_arrays(features, labels % 2, arrays["classifier"]).classes == 3
    assert feature_set_from_arrays(features, labels.astype(float)).classes == 3


def test_the_classifiers_bias_belongs_to_it(tmp_path):
    rng = np.random.default_rng(2)
    head = {"fc.weight": rng.standard_normal((2, 4)), "fc.bias": np.ones(2), "bn.bias": np.zeros(9)}
    np.savez(tmp_path / "net.npz", **head)
    found = load_features_pair(tmp_path)
    assert np.array_equal(found.bias, np.ones(2))


def load_features_pair(folder):
    np.save(folder / "f.npy", np.eye(4))
    return load_features(folder / "f.npy", labels=[0, 1, 0, 1], classifier=folder / "net.npz")


def bad(words, **changes):
    return pytest.param(changes, words, id=words[:30])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        bad("features must be \\(N, d\\)", features=np.ones(6)),
        bad("features must be \\(N, d\\)", features=np.ones((6, 4, 2))),
        bad("average over the places with --pool mean", features=np.ones((6, 4, 2, 2))),
        bad("features must be \\(N, d\\)", features=np.ones((0, 4))),
        bad("features must be \\(N, d\\)", features=np.ones((6, 4, 0, 2)), reading=Reading(pool="mean")),
        bad("features must be real", features=np.ones((6, 4), complex)),
        bad("features must be real", features=np.full((6, 4), "a")),
        bad("not a rectangular array", features=[[1.0], [1.0, 2.0]]),
        bad("labels must be \\(6,\\)", labels=np.zeros(5, int)),
        bad("labels must be \\(6,\\)", labels=np.zeros((6, 2), int)[:5]),
        bad("is not one-hot", labels=np.ones((6, 3), int)),
        bad("not whole numbers", labels=np.array([0, 1, 2, 0, 1, 0.5])),
        bad("samples without a label", labels=np.array([0, 1, 2, 0, 1, np.nan])),
        bad("vector of whole numbers", labels=np.full(6, 1j)),
        bad("4 different labels, but there are 3 classes", labels=np.array(list("abcabd"))),
        bad("--ignore-label -1", labels=np.array([0, 1, 2, 0, 1, -1])),
        bad("--remap-labels", labels=np.array([1, 2, 3, 1, 2, 3])),
        bad("would fit transposed: --transpose classifier", classifier=np.ones((4, 3))),
        bad("no classifier that it belongs to", classifier=None),
        bad(
            "3 masked entries",
            features=np.ma.masked_equal(np.eye(6, 4) + np.eye(6, 4, 1) * 2, 2).astype(float)[:6],
        ),
        bad("must lie in 0 .. 2", labels=np.array([0, 1, 2, 0, 1, 3])),
        bad("must lie in 0 .. 2", labels=np.array([0, 1, 2, 0, 1, -1])),
        bad("single class 1", labels=np.ones(6, int)),
        bad("classifier must be \\(K, 4\\)", classifier=np.ones((4, 3))),
        bad("classifier must be \\(K, 4\\)", classifier=np.ones(4)),
        bad("classifier has 1 NaN", classifier=np.array([[np.nan, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]])),
        bad("bias must be \\(3,\\)", bias=np.ones(2)),
        bad("classes=1 must be an integer >= 2", classes=1, classifier=None, bias=None),
        bad("classifier must be \\(5, 4\\)", classes=5),
        bad("samples without a label; .*--ignore-label ''", labels=np.array(["a", "b", "", "a", "b", ""])),
        bad("classes without samples", classes=10**12, classifier=None, bias=None),
        bad("give classes=K", labels=np.array([0, 1, 2, 0, 1, 10**9]), classifier=None, bias=None),
    ],
)
def test_bad_arrays(saved, changes, words):
    _, arrays = saved
    with pytest.raises(InvalidInputError, match=words):
        feature_set_from_arrays(**{**arrays, **changes})


def test_missing_parts(saved):
    folder, _ = saved
    with pytest.raises(InvalidInputError, match="no labels by name; give --labels FILE or KEY"):
        load_features(folder / "features.npy")
    with pytest.raises(UnreadableFileError, match="No such file"):
        load_features(folder / "none.npz")
    with pytest.raises(InvalidInputError, match="is no file, and no key of the features' file"):
        load_features(folder / "features.npy", labels="labells")
    with pytest.raises(UnreadableFileError, match="No such file"):
        load_features(folder / "all.npz", classifier="nothing.npy")


def test_a_classifier_is_checked_before_it_is_read(tmp_path):
    """Features named as the classifier by mistake are refused by shape, whatever their size."""
    np.savez(tmp_path / "f.npz", features=np.eye(4), labels=[0, 1, 0, 1], wide=np.ones((9, 5)))
    with pytest.raises(InvalidInputError, match="classifier must be"):
        load_features(tmp_path / "f.npz", classifier="wide")


@pytest.mark.parametrize("step", [0.0, 3.0, 1e20])
def test_names_of_remapped_labels_are_the_numbers_however_large(step):
    labels = np.array([0, 1, 2, 0, 1, 2]) * step + [0, 1, 2, 0, 1, 2]
    read = feature_set_from_arrays(np.ones((6, 4)), labels, reading=Reading(labels=LabelRules(remap=True)))
    assert read.class_names == tuple(str(int(label)) for label in labels[:3])
    assert read.labels.tolist() == [0, 1, 2, 0, 1, 2]


class WithGradient:
    """A tensor that its library does not give away."""

    def __array__(self, *_args, **_more):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad")


@pytest.mark.parametrize("role", ["features", "labels", "classifier", "bias"])
def test_arrays_that_cannot_be_had_are_bad_input(saved, role):
    with pytest.raises(InvalidInputError, match=f"{role} .*requires grad"):
        feature_set_from_arrays(**{**saved[1], role: WithGradient()})


@pytest.mark.parametrize("wrong", [{"pool": "max"}, {"transpose": ("feature",)}, {"transpose": "features"}])
def test_a_reading_of_unknown_words_is_refused(wrong):
    with pytest.raises(InvalidInputError, match="name those"):
        Reading(**wrong)
