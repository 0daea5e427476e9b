"""Directories and patterns of shards."""

import os

import numpy as np
import pytest

from sphereufm.errors import UnreadableFileError
from sphereufm.features import load_features, open_array, open_arrays


@pytest.fixture
def parts():
    """Twelve pieces of features and labels, of different lengths."""
    rng = np.random.default_rng(4)
    return [(rng.standard_normal((n, 3)), rng.integers(0, 4, n)) for n in range(1, 13)]


def whole(parts, which):
    return np.concatenate([part[which] for part in parts])


def test_bare_arrays_go_by_their_files_names(tmp_path, parts):
    for i, (features, labels) in enumerate(parts):
        np.save(tmp_path / f"feats_{i}.npy", features)
        np.save(tmp_path / f"labels_{i}.npy", labels)
    (tmp_path / "README.txt").write_text("not data")
    found = load_features(tmp_path)
    assert np.array_equal(found.features.read(), whole(parts, 0))
    assert np.array_equal(found.labels, whole(parts, 1))
    assert found.chosen[0] == f"features: {tmp_path.name}:feats (12 files) (78, 3) float64"


def test_natural_order_and_mixed_formats(tmp_path, parts):
    """Part 10 follows part 9; formats may differ."""
    for i, (features, labels) in enumerate(parts):
        save = np.savez_compressed if i % 2 else np.savez
        save(tmp_path / f"part-{i + 1}-of-12.npz", features=features, labels=labels)
    found = open_arrays(tmp_path)
    assert np.array_equal(found["features"].read(), whole(parts, 0))
    blocks = [block.copy() for block in found["features"].blocks(5)]
    assert [len(block) for block in blocks] == [5] * 15 + [3]
    assert np.array_equal(np.concatenate(blocks), whole(parts, 0))


def test_patterns_and_keys(tmp_path, parts):
    for i, (features, labels) in enumerate(parts):
        for split in ("train", "test"):
            np.savez(tmp_path / f"{split}_{i}.npz", a=features, b=features + 1, labels=labels)
    with pytest.raises(UnreadableFileError, match="different names"):
        open_arrays(tmp_path)
    source = open_array(f"{tmp_path}/train_*.npz:b")
    assert np.array_equal(source.read(), whole(parts, 0) + 1)
    assert open_array(f"{tmp_path}/train_[01].npz:a").shape == (3, 3)


def test_one_file_in_a_folder(tmp_path, parts):
    np.savez(tmp_path / "all.npz", features=parts[3][0], labels=parts[3][1])
    assert open_arrays(tmp_path)["features"].shape == (4, 3)


def test_roles_in_separate_files(tmp_path):
    np.save(tmp_path / "features.npy", np.eye(4))
    np.save(tmp_path / "labels.npy", np.array([0, 1, 0, 1]))
    np.save(tmp_path / "weight.npy", np.ones((2, 4)))
    found = load_features(tmp_path)
    assert found.classes == 2
    assert found.classifier.shape == (2, 4)


def test_numbers_of_shards_must_be_complete(tmp_path, parts):
    for i in (0, 1, 3):
        np.save(tmp_path / f"x_{i}.npy", parts[0][0])
    with pytest.raises(UnreadableFileError, match=r"some are missing: \[2\]"):
        open_arrays(tmp_path)


def test_types_are_joined_without_loss(tmp_path):
    np.save(tmp_path / "x_0.npy", np.ones((2, 2), np.float32))
    np.save(tmp_path / "x_1.npy", np.full((2, 2), 1e-30))
    source = open_arrays(tmp_path)["x"]
    assert source.dtype == np.float64
    assert source.read()[3, 1] == 1e-30


def test_links_inside_the_folder_are_followed(tmp_path):
    np.save(tmp_path / "store.npy", np.ones((2, 2)))
    os.rename(tmp_path / "store.npy", tmp_path / "store")
    os.symlink("store", tmp_path / "x_0.npy")
    assert open_arrays(tmp_path)["x"].shape == (2, 2)


def test_a_pattern_without_files(tmp_path):
    with pytest.raises(UnreadableFileError, match="holds 0 data files"):
        open_arrays(f"{tmp_path}/*.npy")


def test_names_in_one_part_and_numbers_in_another_are_names(tmp_path):
    for number, labels in enumerate(("ab", "12", "a2")):
        rows = [f"0.5,{i}.5,{label}" for i, label in enumerate(labels)]
        (tmp_path / f"s_{number}.csv").write_text("\n".join(["u,v,label", *rows]))
    found = load_features(f"{tmp_path}/s_*.csv", "label")
    assert found.class_names == ("1", "2", "a", "b")
    assert found.labels.tolist() == [2, 3, 0, 1, 2, 1]


def test_hidden_files_are_none_of_the_data(tmp_path, parts):
    np.save(tmp_path / "f.npy", parts[0][0])
    (tmp_path / "._f.npy").write_bytes(b"\0\5\26\7")
    assert list(open_arrays(tmp_path)) == ["f"]


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    def closed(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", closed)
    with pytest.raises(UnreadableFileError, match="cannot be opened: Permission denied"):
        open_arrays(tmp_path)
