"""Which array is what: labels of the same split, the classifier that fits, columns that are features."""

import numpy as np
import pytest

from sphereufm.errors import InvalidInputError, UnreadableFileError
from sphereufm.features import collapse_metrics, load_features
from sphereufm.features.readers.keys import role_and_stem

RNG = np.random.default_rng(0)
Y = np.arange(12) % 3
H = RNG.standard_normal((12, 4)) + 3 * np.eye(3, 4)[Y]
OTHER = (Y + 1) % 3


def saved(path, **arrays):
    np.savez(path, **arrays)
    return str(path)


# every way of writing two splits that was met: prefix, suffix, folder, capitals, no separator
NAMES = [
    ("train_features", "train_labels", "test_features", "test_labels"),
    ("features_train", "labels_train", "features_val", "labels_val"),
    ("trainfeat", "trainlabels", "testfeat", "testlabels"),
    ("X_train", "y_train", "X_test", "y_test"),
    ("train/features", "train/labels", "test/features", "test/labels"),
    ("trainFeatures", "trainTargets", "validationFeatures", "validationTargets"),
    ("feat.train.list", "label.train.list", "feat.ood.list", "label.ood.list"),
    ("cifar10_feats", "cifar10_labels", "svhn_feats", "svhn_labels"),
    ("feats_source", "labels_source", "feats_target", "labels_target"),
    ("layer4_train_embeddings", "y_train", "layer4_test_embeddings", "y_test"),
]


@pytest.mark.parametrize("names", NAMES, ids=[n[0] for n in NAMES])
@pytest.mark.parametrize("which", [0, 1])
def test_labels_are_those_of_the_same_split(tmp_path, names, which):
    arrays = dict(zip(names, (H, Y, H, OTHER), strict=True))
    path = saved(tmp_path / "s.npz", **arrays)
    found = load_features(f"{path}:{names[2 * which]}")
    assert np.array_equal(found.labels, (Y, OTHER)[which])
    assert f"labels: s.npz:{names[2 * which + 1]}" in found.chosen[1]
    assert found.unused


def test_labels_in_another_file_are_paired_too(tmp_path):
    np.save(tmp_path / "test_feats.npy", H)
    path = saved(tmp_path / "l.npz", train_labels=Y, test_labels=OTHER)
    assert np.array_equal(load_features(tmp_path / "test_feats.npy", path).labels, OTHER)


def test_labels_of_another_split_are_asked_about(tmp_path):
    path = saved(tmp_path / "s.npz", test_features=H, train_labels=Y)
    with pytest.raises(InvalidInputError, match="different splits"):
        load_features(path)
    assert np.array_equal(load_features(path, "train_labels").labels, Y)


def test_two_that_fit_are_asked_about(tmp_path):
    both = saved(tmp_path / "a.npz", features=H, train_labels=Y, test_labels=OTHER)
    with pytest.raises(InvalidInputError, match="'train_labels', 'test_labels' fit equally well"):
        load_features(both)
    lengths = saved(tmp_path / "b.npz", features=H, train_labels=Y, test_labels=Y[:5])
    assert np.array_equal(load_features(lengths).labels, Y)
    features = saved(tmp_path / "c.npz", train_features=H, test_features=H, labels=Y)
    with pytest.raises(InvalidInputError, match="'train_features', 'test_features' fit"):
        load_features(features)


def test_the_words_of_a_key():
    assert role_and_stem("ids").role is None
    assert role_and_stem("width").role is None
    assert role_and_stem("labels").stem == frozenset()
    assert role_and_stem("test_y").distance(role_and_stem("valFeats")) is None


@pytest.mark.parametrize("other", [(20, 4), (3, 5), (2, 4)])
def test_the_classifier_fits_and_whole_names_go_first(tmp_path, other):
    W = RNG.standard_normal((3, 4))
    arrays = {"features": H, "labels": Y, "backbone.fc.weight": np.ones(other), "head.weight": W}
    found = load_features(saved(tmp_path / "f.npz", **arrays))
    assert np.array_equal(found.classifier, W)
    turned = dict(reversed(arrays.items()))
    assert np.array_equal(load_features(saved(tmp_path / "g.npz", **turned)).classifier, W)


def test_two_classifiers_that_fit_are_asked_about(tmp_path):
    arrays = {"features": H, "labels": Y, "a.fc.weight": np.ones((3, 4)), "b.fc.weight": np.zeros((3, 4))}
    path = saved(tmp_path / "f.npz", **arrays)
    with pytest.raises(InvalidInputError, match=r"'a.fc.weight', 'b.fc.weight' fit .*--classifier none"):
        load_features(path)
    assert load_features(path, classifier="none").classifier is None
    assert load_features(path, classifier="b.fc.weight").classifier.sum() == 0


@pytest.mark.parametrize(
    "key", ["classifier.1.weight", "model.classifier.6.weight", "fc2.weight", "net/head.0.weight"]
)
def test_numbered_layers_are_classifiers_where_they_have_a_row_a_class(tmp_path, key):
    W, b = RNG.standard_normal((3, 4)), RNG.standard_normal(3)
    hidden = {"encoder.linear1.weight": np.ones((16, 4)), "classifier.0.weight": np.ones((4, 4))}
    arrays = {"features": H, "labels": Y, **hidden, key: W, key.replace("weight", "bias"): b}
    found = load_features(saved(tmp_path / "f.npz", **arrays))
    assert np.array_equal(found.classifier, W)
    assert np.array_equal(found.bias, b)
    assert load_features(saved(tmp_path / "g.npz", features=H, labels=Y, **hidden)).classifier is None
    with pytest.raises(InvalidInputError, match=r"'fc7.weight'.* fit these features"):
        load_features(saved(tmp_path / "h.npz", **arrays, **{"fc7.weight": W}))


def test_a_larger_head_is_taken_where_it_is_the_only_one(tmp_path):
    found = load_features(saved(tmp_path / "f.npz", features=H, labels=Y, **{"fc.weight": np.ones((9, 4))}))
    assert found.classes == 9


def test_sample_numbers_are_no_labels(tmp_path):
    path = saved(tmp_path / "f.npz", features=H, order=np.arange(12))
    with pytest.raises(InvalidInputError, match=r"looks like sample numbers.*name it with --labels"):
        load_features(path)
    assert load_features(path, "order").classes == 12
    with pytest.raises(InvalidInputError, match="no labels by name"):
        load_features(saved(tmp_path / "g.npz", features=H, ids=np.arange(12)))
    found = load_features(saved(tmp_path / "h.npz", features=H, ids=np.arange(12), cluster=Y))
    assert np.array_equal(found.labels, Y)


def table(folder, form, columns):
    if form == "csv":
        lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
        (folder / "t.csv").write_text("\n".join(lines))
        return folder / "t.csv"
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(columns), folder / "t.parquet")
    return folder / "t.parquet"


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_labels_indices_and_outputs_are_no_features(tmp_path, form):
    columns = {
        "__index_level_0__": np.arange(12) + 0.5,
        "sample_id": np.arange(12.0) / 7,
        **{name: H[:, i] for i, name in enumerate("abcd")},
        "label": Y.astype(float),
        "confidence": RNG.random(12),
    }
    found = load_features(table(tmp_path, form, columns))
    assert np.array_equal(found.features.read(), H)
    assert np.array_equal(found.labels, Y)
    assert "columns a, b, c, d" in found.chosen[0]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_column_named_as_labels_is_no_feature(tmp_path, form):
    columns = {**{name: H[:, i] for i, name in enumerate("abcd")}, "kind": Y.astype(float)}
    found = load_features(table(tmp_path, form, columns), labels="kind")
    assert np.array_equal(found.features.read(), H)
    assert np.array_equal(np.concatenate([b.copy() for b in found.features.blocks(5)]), H)
    assert np.array_equal(found.labels, Y)


def test_numbered_columns_are_taken_together(tmp_path):
    columns = {f"f{i}": H[:, i] for i in range(4)} | {"brightness": RNG.random(12), "label": Y}
    found = load_features(table(tmp_path, "csv", columns))
    assert np.array_equal(found.features.read(), H)
    assert collapse_metrics(found).nc1 > 0


def test_what_looks_useful_and_was_not_used_is_listed(tmp_path):
    W = np.ones((3, 4))
    more = {"logits": np.ones((12, 3)), "old_head": W, "conv.weight": np.ones((7, 2)), "epoch": np.array(3)}
    found = load_features(saved(tmp_path / "f.npz", features=H, labels=Y, classifier=W, **more))
    assert found.unused == ("'logits' (12, 3)", "'old_head' (3, 4)")


def test_a_path_with_a_colon_is_whole(tmp_path):
    folder = tmp_path / "run:1"
    folder.mkdir()
    (tmp_path / "run").mkdir()
    path = saved(folder / "f.npz", features=H, labels=Y)
    assert load_features(path).classes == 3
    assert load_features(f"{path}:features").classes == 3
    with pytest.raises(OSError, match=r"run:1/missing\.npz"):
        load_features(f"{folder}/missing.npz")


def test_a_bias_that_cannot_be_read_is_refused_for_its_reason(tmp_path):
    arrays = {"fc.weight": np.ones((3, 4)), "fc.bias": np.array([H, None], dtype=object)}
    with pytest.raises(UnreadableFileError, match=r"fc\.bias is refused: it holds pickled"):
        load_features(saved(tmp_path / "f.npz", features=H, labels=Y, **arrays))


def test_a_bias_without_a_classifier_is_refused(tmp_path):
    path = saved(tmp_path / "f.npz", features=H, labels=Y, offsets=np.ones(3))
    with pytest.raises(InvalidInputError, match="no classifier that it belongs to"):
        load_features(path, bias="offsets")


@pytest.mark.parametrize("key", ["preds", "pred_labels", "y_pred", "fold", "epoch", "predicted_targets"])
def test_what_a_network_predicts_or_keeps_beside_is_no_truth(tmp_path, key):
    arrays = {"features": H, key: Y}
    with pytest.raises(InvalidInputError, match=f"'{key}'.*give --labels"):
        load_features(saved(tmp_path / "f.npz", **arrays))
    assert np.array_equal(load_features(tmp_path / "f.npz", labels=key).labels, Y)
    assert np.array_equal(load_features(saved(tmp_path / "g.npz", **arrays, y_true=Y[::-1])).labels, Y[::-1])


@pytest.mark.parametrize(
    "keys",
    [
        ("{}features", "{}2features", "labels"),
        ("features", "{}labels", "2{}labels"),
        ("features", "labels", "{}bias"),
    ],
)
def test_keys_reach_the_terminal_escaped_and_short(tmp_path, keys):
    odd = "\x1b[31m\n" + "z" * 5000 + "_"
    arrays = {key.format(odd): H if "features" in key else Y for key in keys}
    try:
        found = load_features(saved(tmp_path / "f.npz", **arrays))
        told = " ".join([*found.chosen, *found.unused])
    except InvalidInputError as error:
        told = str(error)
    assert "x1b" in told
    assert told.isprintable()
    assert len(told) < 1000


def test_names_of_columns_reach_the_terminal_escaped_and_short(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"\x1b[31m" + "z" * 5000: H[:, 0], "b\nc": H[:, 1], "label": Y}
    parquet.write_table(pyarrow.table(columns), tmp_path / "f.parquet")
    (told, _) = load_features(tmp_path / "f.parquet").chosen
    assert told.isprintable()
    assert len(told) < 1000
