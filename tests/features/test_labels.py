"""Labels and shapes as people save them, each against the plain numbers."""

import numpy as np
import pytest

from sphereufm.errors import InvalidInputError
from sphereufm.features import LabelRules, Reading, collapse_metrics, feature_set_from_arrays, load_features
from sphereufm.features.feature_set import assemble, in_memory

RNG = np.random.default_rng(1)
Y = np.array([2, 0, 1, 1, 0, 2, 2, 1, 0, 0])
H = RNG.standard_normal((10, 4))
NAMES = np.array(["cat", "dog", "owl"])

FORMS = {
    "numbers": Y,
    "floats": Y.astype(np.float32),
    "one column": Y[:, None],
    "one row": Y[None],
    "bytes": Y.astype(np.uint8),
    "one-hot": np.eye(3, dtype=int)[Y],
    "one-hot floats": np.eye(3)[Y],
    "one-hot booleans": np.eye(3, dtype=bool)[Y],
    "names": NAMES[Y],
    "bytes of names": NAMES[Y].astype("S"),
    "objects": np.array(NAMES[Y].tolist(), dtype=object),
    "digits": Y.astype(str),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_of_labels(form):
    found = feature_set_from_arrays(H, form)
    assert np.array_equal(found.labels, Y)
    assert found.class_names in (None, ("cat", "dog", "owl"))


def test_booleans_are_two_classes():
    assert np.array_equal(feature_set_from_arrays(H, Y > 1).labels, Y > 1)


@pytest.mark.parametrize("suffix", ["txt", "csv"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("values", [Y, NAMES[Y]], ids=["numbers", "names"])
def test_labels_in_a_text(tmp_path, suffix, header, values):
    np.save(tmp_path / "h.npy", H)
    lines = [*(["label"] if header else []), *map(str, values)]
    (tmp_path / f"y.{suffix}").write_text("\n".join(lines) + "\n")
    assert np.array_equal(load_features(tmp_path / "h.npy", tmp_path / f"y.{suffix}").labels, Y)


def test_labels_in_a_column_of_a_table_of_text(tmp_path):
    np.save(tmp_path / "h.npy", H)
    rows = ["path;class;label"] + [f"img_{i}.png;{NAMES[k]};{k}" for i, k in enumerate(Y)]
    (tmp_path / "y.csv").write_text("\r\n".join(rows))
    assert np.array_equal(load_features(tmp_path / "h.npy", tmp_path / "y.csv").labels, Y)
    found = load_features(tmp_path / "h.npy", f"{tmp_path}/y.csv:class")
    assert found.class_names == ("cat", "dog", "owl")


def test_names_in_npz(tmp_path):
    np.savez(tmp_path / "f.npz", features=H, labels=NAMES[Y])
    assert np.array_equal(load_features(tmp_path / "f.npz").labels, Y)


@pytest.mark.parametrize("missing", [-1, 255])
def test_ignored_labels_leave_their_samples_out(missing):
    odd = Y.copy()
    odd[[1, 7]] = missing
    keep = odd != missing
    found = feature_set_from_arrays(H, odd, reading=Reading(labels=LabelRules(ignore=(missing,))))
    wanted = feature_set_from_arrays(H[keep], Y[keep])
    assert np.array_equal(found.labels, Y[keep])
    assert np.array_equal(found.features.read(), H[keep])
    assert any("2 samples are left out" in note for note in found.notes)
    assert collapse_metrics(found).to_json() == collapse_metrics(wanted).to_json()


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.int64])
@pytest.mark.parametrize("given", [255, 255.0, np.float32(255), "255", "255.0"])
def test_a_whole_number_is_ignored_in_whatever_form(kind, given):
    odd = np.where(Y == 1, 255, Y // 2).astype(kind)
    found = feature_set_from_arrays(H, odd, reading=Reading(labels=LabelRules(ignore=(given,))))
    assert np.array_equal(found.labels, Y[Y != 1] // 2)


@pytest.mark.parametrize("names", [True, False])
def test_samples_without_a_label_are_left_out_where_that_is_said(tmp_path, names):
    labels = (NAMES[Y] if names else Y.astype(str)).tolist()
    labels[3] = ""
    rows = [f"{label},{','.join(map(str, row))}" for label, row in zip(labels, H, strict=True)]
    path = tmp_path / "f.csv"
    path.write_text("\n".join(["label," + ",".join(f"f{i}" for i in range(H.shape[1])), *rows]))
    with pytest.raises(InvalidInputError, match="without a label; leave them out with --ignore-label ''"):
        load_features(path)
    found = load_features(path, reading=Reading(labels=LabelRules(ignore=("",))))
    assert np.array_equal(found.labels, np.delete(Y, 3))
    assert np.array_equal(found.features.read(), np.delete(H, 3, axis=0))


def test_remapped_labels_are_numbered_in_order():
    found = feature_set_from_arrays(H, 10 * Y + 5, reading=Reading(labels=LabelRules(remap=True)))
    assert np.array_equal(found.labels, Y)
    assert found.class_names == ("5", "15", "25")
    assert "0 is 5" in found.notes[0]


def test_without_labels_the_classifier_chooses(tmp_path):
    W = RNG.standard_normal((3, 4))
    np.savez(tmp_path / "f.npz", features=H, labels=Y, classifier=W)
    found = load_features(tmp_path / "f.npz", labels="none")
    assert np.array_equal(found.labels, (H @ W.T).argmax(axis=1))
    assert "there are no labels" in found.notes[0]
    with pytest.raises(InvalidInputError, match="give --classifier or --labels"):
        load_features(tmp_path / "f.npz", labels="none", classifier="none")


def test_maps_are_pooled_where_they_have_places():
    maps = RNG.standard_normal((10, 4, 3, 2)).astype(np.float32)
    found = feature_set_from_arrays(maps, Y, reading=Reading(pool="mean"))
    assert np.array_equal(found.features.read(), maps.mean(axis=(2, 3), dtype=np.float64))
    with pytest.raises(InvalidInputError, match="--pool mean"):
        feature_set_from_arrays(maps, Y)


@pytest.mark.parametrize("shape", [(10, 4, 1, 1), (10, 1, 4), (10, 4, 1)])
def test_axes_of_length_one_are_dropped(tmp_path, shape):
    np.savez(tmp_path / "f.npz", features=H.reshape(shape), labels=Y)
    found = load_features(tmp_path / "f.npz")
    assert np.array_equal(found.features.read(), H)
    assert np.array_equal(np.concatenate([b.copy() for b in found.features.blocks(3)]), H)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_columns_are_transposed_where_that_is_said(tmp_path, save):
    W = RNG.standard_normal((3, 4))
    save(tmp_path / "f.npz", features=H.T, labels=Y, classifier=W.T)
    found = load_features(tmp_path / "f.npz", reading=Reading(transpose=("features", "classifier")))
    assert np.array_equal(found.features.read(), H)
    assert np.array_equal(np.concatenate([b.copy() for b in found.features.blocks(3)]), H)
    assert np.array_equal(found.classifier, W)
    with pytest.raises(InvalidInputError, match="--transpose features"):
        load_features(tmp_path / "f.npz")


def test_a_wrong_length_is_no_sign_of_columns(tmp_path):
    np.savez(tmp_path / "f.npz", features=H, labels=Y[:-1], one=3.0)
    with pytest.raises(InvalidInputError, match=r"must be \(10,\).*name others with --labels"):
        load_features(tmp_path / "f.npz")
    with pytest.raises(InvalidInputError, match=r"shape \(\), but features must be"):
        load_features(f"{tmp_path}/f.npz:one")


def test_a_convolution_of_one_place_is_a_classifier():
    W = RNG.standard_normal((3, 4))
    assert np.array_equal(feature_set_from_arrays(H, Y, W.reshape(3, 4, 1, 1)).classifier, W)


def test_names_of_a_file_do_not_reach_the_terminal_as_they_are():
    H = np.arange(8.0).reshape(4, 2)
    found = feature_set_from_arrays(H, np.array(["\x1b[2J", "b\ud800", "\x1b[2J", "b\ud800"]))
    assert all(text.isprintable() for text in (*found.class_names, *found.notes))


TEXTS = {
    "plain": lambda texts: np.array([t.decode("latin-1") for t in texts]),
    "bytes": np.array,
    "objects": lambda texts: np.array([t.decode("latin-1") for t in texts], dtype=object),
    "numpy's new texts": lambda texts: np.array(
        [t.decode("latin-1") for t in texts], np.dtypes.StringDType()
    ),
}


@pytest.mark.parametrize("form", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("seed", range(5))
def test_different_names_are_different_classes_and_any_can_be_ignored(form, seed):
    """Whatever the letters, signs and digits, and in whatever type they lie."""
    rng = np.random.default_rng(seed)
    names = {bytes(rng.choice(list(b"-19_ab\xe9\xe8"), rng.integers(1, 4))) for _ in range(6)} | {
        b"--5",
        b"dog",
    }
    order = rng.permutation([*range(len(names))] * 3)
    texts = [sorted(names)[k] for k in order]
    found = feature_set_from_arrays(H[[0] * len(order)], form(texts)).labels
    pairs = [*zip(found, texts, strict=True)]
    assert all((a == b) == (s == t) for a, s in pairs for b, t in pairs)
    rest = feature_set_from_arrays(
        H[[0] * len(order)], form(texts), reading=Reading(labels=LabelRules(ignore=("dog",)))
    )
    assert len(rest.labels) == len(order) - 3


def test_rows_of_labels_left_out_are_not_counted_as_those_of_the_file():
    bad = H.copy()
    bad[4] = np.nan
    kept = feature_set_from_arrays(bad, Y, reading=Reading(labels=LabelRules(ignore=(2,))))
    with pytest.raises(InvalidInputError, match=r"features \(kept rows\) row 3 holds nan"):
        collapse_metrics(kept)


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_the_classifiers_choices_do_not_change_with_its_scale(scale):
    W, b = np.random.default_rng(3).standard_normal((3, 4)), np.array([0.5, -0.5, 0.0])
    found = load_features_of(H, W * scale, b * scale)
    assert np.array_equal(found.labels, (H @ W.T + b).argmax(axis=1))


def load_features_of(features, W, b, **more):
    arrays = {"features": in_memory("features", features), "classifier": in_memory("classifier", W)}
    others = {"labels": None, "classifier": arrays["classifier"], "bias": in_memory("bias", b)}
    return assemble(arrays["features"], others, None, Reading(**more))


def test_rules_for_labels_without_labels_are_refused():
    with pytest.raises(
        InvalidInputError, match="leave out --ignore-label and --remap-labels, or give --labels"
    ):
        load_features_of(H, np.eye(4), np.zeros(4), labels=LabelRules(remap=True))


@pytest.mark.parametrize("entries", [np.full((10, 4, 2, 2), 1 + 1j), np.full((10, 4, 2, 2), "1")])
def test_maps_that_are_no_real_numbers_are_not_averaged(entries):
    with pytest.raises(InvalidInputError, match="features must be real numbers"):
        feature_set_from_arrays(entries, Y, reading=Reading(pool="mean"))


@pytest.mark.parametrize(
    "entries",
    [np.full((10, 4, 1, 2), [np.inf, -np.inf]), np.full((10, 4), np.longdouble("1e400"))],
    ids=["places", "long"],
)
@pytest.mark.filterwarnings("error")
def test_what_becomes_infinite_or_nan_is_refused_without_warnings(entries):
    with pytest.raises(InvalidInputError, match=r"row 0 holds (nan|inf)"):
        collapse_metrics(feature_set_from_arrays(entries, Y, reading=Reading(pool="mean")))
