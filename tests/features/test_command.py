"""The command ``sphereufm features``: keys that scripts rely on, exit codes, files."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from sphereufm.cli import main
from sphereufm.placement.trajectory import Measured, Training, epoch_number

DATA = Path(__file__).resolve().parents[1] / "data"
KEYS = {"nc1", "nc2", "nc3", "nc4", "class_counts", "cost", "gradient_norm", "optimality_gap"}


def run(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        main(["features", *map(str, words)])
    out, err = capsys.readouterr()
    return stop.value.code, out, err


def saved(path, **arrays):
    np.savez(path, **arrays)
    return path


def small(path, **changes):
    rng = np.random.default_rng(0)
    arrays = {"features": rng.standard_normal((12, 4)), "labels": np.arange(12) % 3} | changes
    return saved(path, **{name: value for name, value in arrays.items() if value is not None})


def test_json_is_one_object_with_the_promised_keys(capsys):
    code, out, _ = run(capsys, DATA / "digits_normalised.npz", "--tau", "5", "--json")
    data = json.loads(out)
    assert code == 0
    assert data.keys() >= KEYS
    assert all(data[key] is not None for key in KEYS)
    assert data["class_counts"] == [140] * 10
    assert 0 < data["nc1"] < 0.1
    assert data["cost"] > data["optimality_gap"] > 0


def test_unknown_numbers_are_null_with_a_reason(capsys, tmp_path):
    code, out, _ = run(capsys, small(tmp_path / "f.npz"), "--json")
    data = json.loads(out)
    assert code == 0
    assert (data["nc3"], data["cost"], data["gradient_norm"], data["optimality_gap"]) == (None,) * 4
    assert data["undefined"]["nc3"] == "no classifier was given"
    assert "classifier" in data["position_reason"]


def test_text_says_what_was_read_and_by_which_convention(capsys):
    code, out, _ = run(capsys, DATA / "digits_plain.npz", "--all")
    assert code == 0
    assert "features: digits_plain.npz:features (1400, 32) float32" in out
    assert "tr(Sigma_W pinv(Sigma_B)) / K" in out
    assert "with its bias" in out
    assert "over all of these norms and this bias" in out


def test_weight_decay_and_an_unbounded_fit_are_reported(capsys):
    code, out, _ = run(capsys, DATA / "digits_plain.npz", "--weight-decay", "1e-3", "1e-6", "--json")
    data = json.loads(out)
    assert code == 0
    assert data["regularised_gap"] > data["optimality_gap"] > 0
    code, out, _ = run(capsys, DATA / "digits_normalised.npz", "--tau", "fit")
    assert code == 0
    assert "the fitted tau is unbounded" in out
    assert "least margin" in out


def test_files_and_keys_can_be_named(capsys, tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "h.npy", rng.standard_normal((12, 4)))
    np.save(tmp_path / "y.npy", np.arange(12) % 3)
    saved(tmp_path / "w.npz", head=np.eye(3, 4), other=np.zeros((3, 4)))
    words = ("--labels", tmp_path / "y.npy", "--classifier", f"{tmp_path / 'w.npz'}:head", "--json")
    code, out, _ = run(capsys, tmp_path / "h.npy", *words)
    assert code == 0
    assert json.loads(out)["nc3"] is not None


BAD = {
    "nan": {"features": np.full((12, 4), np.nan)},
    "infinite": {"features": np.full((12, 4), np.inf)},
    "labels too long": {"labels": np.arange(13) % 3},
    "negative labels": {"labels": np.arange(12) - 1},
    "single class": {"labels": np.zeros(12, dtype=int)},
    "fractional labels": {"labels": np.arange(12) / 2},
    "no labels": {"labels": None},
    "one axis": {"features": np.zeros(12)},
    "complex": {"features": np.zeros((12, 4), dtype=complex)},
    "classifier of another width": {"classifier": np.zeros((3, 5))},
    "label beyond the classifier": {"classifier": np.zeros((2, 4))},
    "text": {"features": np.full((12, 4), "a")},
    "objects": {"features": np.full((12, 4), None)},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence_and_exit_code_two(capsys, tmp_path, changes):
    code, out, err = run(capsys, small(tmp_path / "f.npz", **changes), "--json")
    assert code == 2
    assert out == ""
    assert err.startswith("Error: ")
    assert "Traceback" not in err
    # it ends with what repairs it: an option, or what to do where none can
    assert re.match(r".*(--[a-z]|FILE:KEY)|(save|remove) ", err.rpartition("; ")[2])


@pytest.mark.parametrize(
    "words",
    [
        ("no-such-file.npz",),
        (DATA / "digits_normalised.npz", "--tau", "0"),
        (DATA / "digits_normalised.npz", "--tau", "warm"),
        (DATA / "digits_plain.npz", "--tau", "-1"),
        (DATA / "digits_normalised.npz", "--classifier", "nothing"),
        (DATA / "digits_plain.npz", "--weight-decay", "0", "1"),
        (DATA / "digits_plain.npz", "--weight-decay", "1", "much"),
        (DATA / "digits_normalised.npz", "--tau", "5", "--weight-decay", "1", "1"),
        (DATA / "digits_normalised.npz", "--workers", "0"),
        (DATA / "digits_normalised.npz", DATA / "digits_plain.npz", "--checkpoint", "c.npz"),
        (DATA / "digits_normalised.npz", "--checkpoint", DATA / "digits_plain.npz"),
        (),
    ],
)
def test_bad_words_exit_with_two(capsys, words):
    code, out, err = run(capsys, *words)
    assert code == 2
    assert "Traceback" not in err
    assert out == ""


def test_results_are_written_once_and_replaced_only_by_force(capsys, tmp_path):
    out = tmp_path / "results"
    words = (small(tmp_path / "f.npz", classifier=np.eye(3, 4)), "--tau", "5", "--out", out)
    assert run(capsys, *words)[0] == 0
    assert sorted(p.name for p in out.iterdir()) == ["features.json", "features.png", "report.html"]
    assert json.loads((out / "features.json").read_text()).keys() >= KEYS
    assert run(capsys, *words)[0] == 2
    assert run(capsys, *words, "--force")[0] == 0


def test_a_reading_comes_first(capsys):
    code, out, err = run(capsys, DATA / "digits_normalised.npz", "--tau", "5")
    assert code == 0
    lines = out.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("NC1"))
    assert lines[first].startswith("NC1 0.03097 (0 at collapse): spread of the samples")
    assert [line[:3] for line in lines[first : first + 4]] == ["NC1", "NC2", "NC3", "NC4"]
    assert lines[first + 3].endswith(
        "(1 at collapse): share of samples whose nearest class mean is the classifier's choice"
    )
    assert "cdnv" not in out
    assert "--all" in err


def test_what_was_not_used_is_reported(capsys, tmp_path):
    path = small(tmp_path / "f.npz", logits=np.zeros((12, 3)), validation_labels=np.arange(12) % 3)
    code, out, _ = run(capsys, path)
    assert code == 0
    assert "not used: 'logits' (12, 3), 'validation_labels' (12,)" in out


def test_options_for_arrays_of_other_shapes(capsys, tmp_path):
    rng = np.random.default_rng(0)
    maps, y = rng.standard_normal((12, 4, 2, 2)), np.array([1, 2, 3, -1] * 3)
    path = saved(tmp_path / "f.npz", features=maps, labels=y)
    assert run(capsys, path)[0] == 2
    code, out, _ = run(capsys, path, "--pool", "mean", "--ignore-label", "-1", "--remap-labels", "--json")
    data = json.loads(out)
    assert code == 0
    assert data["class_counts"] == [3, 3, 3]
    assert any("3 samples are left out" in line for line in data["read"])
    turned = saved(tmp_path / "t.npz", features=rng.standard_normal((4, 12)), labels=y)
    assert run(capsys, turned, "--transpose", "features", "--remap-labels", "--classes", "9")[0] == 0


def epochs_in(folder, noises, **changes):
    folder.mkdir()
    rng = np.random.default_rng(0)
    y = np.arange(30) % 3
    for epoch, noise in noises:
        H = np.eye(3, 4)[y] + noise * rng.standard_normal((30, 4))
        saved(folder / f"epoch_{epoch}.npz", features=H, labels=y, classifier=np.eye(3, 4))
    return folder


def test_epochs_are_those_of_the_names(capsys, tmp_path):
    runs = epochs_in(tmp_path / "run", ((1, 1.0), (2, 0.3), (10, 0.1)))
    code, out, _ = run(capsys, runs, "--epochs", "--json", "--out", tmp_path / "out")
    found = json.loads(out)["epochs"]
    assert code == 0
    assert [Path(e["path"]).name for e in found] == ["epoch_1.npz", "epoch_2.npz", "epoch_10.npz"]
    assert [e["epoch"] for e in found] == [1, 2, 10]
    assert found[0]["nc1"] > found[1]["nc1"] > found[2]["nc1"]
    assert (tmp_path / "out" / "trajectory.png").read_bytes().startswith(b"\x89PNG")
    code, out, _ = run(capsys, runs, "--epochs")
    assert [line.split()[0] for line in out.splitlines()] == ["epoch_1.npz", "epoch_2.npz", "epoch_10.npz"]
    assert "accuracy" in out


@pytest.mark.parametrize(
    ("names", "places"),
    [(("a", "b"), [1, 2]), (("e10", "e20", "best", "final"), [10, 20, 21, 22]), (("best", "e20"), [1, 20])],
)
def test_an_epoch_without_number_stands_behind_the_one_before(names, places):
    assert Training(name="run", epochs=tuple(Measured(path=name) for name in names)).places == places


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("epoch=04-val_loss=0.32", 4),
        ("epoch=4-step=1000", 4),
        ("checkpoint_epoch_5_of_100", 5),
        ("resnet18_Epoch3_0.5", 3),
        ("lr1e-3_step100", 100),
        ("deep3_ckpt-0001", 1),
        ("vit16_e12", 12),
        ("run2_10", 10),
        ("e2e_model_7", 7),
        ("final", None),
    ],
)
def test_the_number_behind_a_word_for_an_epoch_goes_before_others(name, number):
    assert epoch_number(f"runs/7/{name}.npz") == number


def test_files_of_a_training_stand_in_the_order_of_their_epochs(capsys, tmp_path):
    names = ["loss0.9_epoch1", "loss0.5_epoch2", "loss0.1_epoch10"]
    for name in names:
        small(tmp_path / f"{name}.npz")
    for given in ([tmp_path], sorted(tmp_path.iterdir())):
        found = json.loads(run(capsys, *given, "--epochs", "--json")[1])["epochs"]
        assert [Path(e["path"]).stem for e in found] == names


def test_a_bad_epoch_is_a_marked_row_and_a_stray_file_none(capsys, tmp_path):
    runs = epochs_in(tmp_path / "run", ((1, 1.0), (3, 0.1)))
    saved(runs / "epoch_2.npz", features=np.full((30, 4), np.nan), labels=np.arange(30) % 3)
    (runs / "log.txt").write_text("loss 0.5\nlr 0.1\n")
    (runs / "notes 2.md").write_text("# nothing")
    code, out, err = run(capsys, runs, "--epochs", "--json", "--out", tmp_path / "out")
    found = json.loads(out)["epochs"]
    assert code == 2
    assert [e["epoch"] for e in found] == [1, 2, 3]
    assert "nan" in found[1]["error"]
    assert found[2]["nc1"] < found[0]["nc1"]
    assert "log.txt" in err
    assert "not measured" not in (tmp_path / "out" / "features.json").read_text()
    (runs / "epoch_2.npz").unlink()
    assert run(capsys, runs, "--epochs")[0] == 0


def test_several_trainings_are_overlaid(capsys, tmp_path):
    one = epochs_in(tmp_path / "one", ((1, 1.0), (2, 0.3)))
    two = epochs_in(tmp_path / "two", ((1, 0.5), (5, 0.1)))
    code, out, _ = run(capsys, one, two, "--epochs", "--json", "--out", tmp_path / "out")
    found = json.loads(out)["runs"]
    assert code == 0
    assert [(Path(r["path"]).name, len(r["epochs"])) for r in found] == [("one", 2), ("two", 2)]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "NC4" in page
    assert str(two) in page


def test_several_files_make_a_list(capsys, tmp_path):
    names = [small(tmp_path / "f.npz"), DATA / "digits_plain.npz"]
    code, out, _ = run(capsys, *names, "--normalize", "--tau", "5", "--json")
    found = json.loads(out)["files"]
    assert code == 0
    assert [f["path"] for f in found] == [str(name) for name in names]
    assert found[1]["position_normalized"] is True
    assert found[1]["nonnegative_gap"] < found[1]["optimality_gap"]


def test_a_bad_file_among_several_loses_no_other(capsys, tmp_path):
    names = [small(tmp_path / "f.npz"), tmp_path / "none.npz", small(tmp_path / "g.npz", features=np.eye(3))]
    code, out, _ = run(capsys, *names, "--json")
    found = json.loads(out)["files"]
    assert code == 2
    assert [file.get("nc1") is not None for file in found] == [True, False, False]
    assert "none.npz" in found[1]["error"]
    code, out, _ = run(capsys, *reversed(names))
    assert code == 2
    assert out.count("not measured: ") == 2
    assert "NC1" in out
    code, out, err = run(capsys, names[1])
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")


def test_workers_and_checkpoint_change_nothing(capsys, tmp_path):
    plain = run(capsys, DATA / "digits_plain.npz", "--json")[1]
    words = ("--workers", "2", "--checkpoint", tmp_path / "state.npz", "--json")
    assert run(capsys, DATA / "digits_plain.npz", *words)[1] == plain
    assert not (tmp_path / "state.npz").exists()


def test_a_missing_extra_is_named(capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    code, _, err = run(capsys, DATA / "digits_plain.npz", "--scheduler", "tcp://127.0.0.1:1")
    assert code == 2
    assert "sphereufm[distributed]" in err
