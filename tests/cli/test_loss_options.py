"""Losses and their parameters on the command line."""

import json
from fractions import Fraction

import numpy as np
import pytest
from running import run

SMALL = ["solve", "--classes", "3", "--per-class", "1", "--dim", "4", "--tau", "2"]


@pytest.mark.parametrize(
    ("words", "loss"),
    [
        (["--margin", "0.35"], {"name": "cross-entropy", "margin": "7/20", "offsets": None}),
        (
            ["--loss", "label-smoothing", "--smoothing", "1/5"],
            {"name": "label-smoothing", "smoothing": "1/5"},
        ),
        (["--loss", "focal"], {"name": "focal", "focusing": "2"}),
        (["--loss", "logistic"], {"name": "logistic"}),
        (
            ["--loss", "squared-error", "--target", "5/2", "--own-weight", "3"],
            {"name": "squared-error", "own_weight": "3", "target": "5/2"},
        ),
    ],
)
def test_a_loss_and_its_parameters_stand_exactly_in_the_result(words, loss, capsys):
    code, out, _ = run(capsys, *SMALL, *words, "--json")
    assert (code, json.loads(out)["problem"]["loss"]) == (0, loss)


@pytest.mark.parametrize("matrix", [False, True])
@pytest.mark.parametrize("suffix", ["npy", "txt"])
def test_offsets_come_from_files(tmp_path, suffix, matrix, capsys):
    numbers = np.arange(9.0).reshape(3, 3) / 4 if matrix else np.arange(3.0)
    path = tmp_path / f"offsets.{suffix}"
    np.save(path, numbers) if suffix == "npy" else np.savetxt(path, numbers)
    code, out, _ = run(capsys, *SMALL, "--offsets", str(path), "--json")
    read = json.loads(out)["problem"]["loss"]["offsets"]
    found = np.array([float(Fraction(v)) for v in np.ravel(read)]).reshape(np.shape(read))
    assert code == 0
    np.testing.assert_array_equal(found, numbers)


def test_a_free_bias_is_printed_and_kept(capsys):
    code, out, _ = run(capsys, *SMALL[:-6], "--class-sizes", "3,2,1", *SMALL[-4:], "--bias", "--json")
    data = json.loads(out)
    assert (code, data["problem"]["bias"]) == (0, True)
    assert np.argsort(data["bias"]).tolist() == [2, 1, 0]


def test_each_class_may_have_its_own_tau(capsys):
    words = [word if word != "2" else "1,2,1/2" for word in SMALL]
    code, out, _ = run(capsys, *words, "--json")
    problem = json.loads(out)["problem"]
    assert (code, problem["exact_tau"], problem["rates"]) == (0, "2", ["1/2", "1", "1/4"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--loss", "focal", "--margin", "1"], "--margin is no option of --loss focal, which has --focusing"),
        (["--loss", "logistic", "--margin", "1"], "which has none"),
        (["--loss", "label-smoothing", "--smoothing", "1"], "must be at least 0 and below 1"),
        (["--loss", "focal", "--focusing", "-1"], "must be at least 0"),
        (["--loss", "focal", "--bias"], "focal is not convex in the logits, so a free bias"),
        (["--loss", "focal", "--own-weight", "1"], "--own-weight is no option of --loss focal"),
        (["--loss", "vocal"], "did you mean focal?"),
        (["--offsets", "missing.txt"], "there is no such file"),
        (["--margin", "wide"], "must be a number"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(words, message, capsys):
    code, _, err = run(capsys, *SMALL, *words)
    assert code == 2
    assert message in " ".join(err.split())
