"""Costs in TOML files: what they say is what Python says; everything else gets one sentence, and no code runs."""

import pytest

from sphereufm.certify.cost_files import read_cost
from sphereufm.certify.expressions import fourth_powers, max_cut, thomson
from sphereufm.errors import InvalidInputError, UnreadableFileError
from sphereufm.problem.expressions.expression_problem import ExpressionProblem


def written(tmp_path, cost, dim=3, columns=4, rest=""):
    path = tmp_path / "mine.toml"
    path.write_text(f"dim = {dim}\ncolumns = {columns}\ncost = {cost!r}\n{rest}")
    return path


@pytest.mark.parametrize(
    ("cost", "expected", "rest"),
    [
        ("sum(1 / sqrt(2 - 2 * gram(i, j)) for i in range(4) for j in range(i))", thomson(4), ""),
        ("-sum(x(i, 0) ** 4 for i in range(3))", fourth_powers(3), ""),
        (
            "sum(w[i][j] * gram(i, j) for i in range(3) for j in range(i + 1, 3) if w[i][j] != 0)",
            max_cut([[0, 2, 0], [2, 0, "1/3"], [0, "1/3", 0]], dim=3),
            'constants = {w = [[0, 2, 0], [2, 0, "1/3"], [0, "1/3", 0]]}',
        ),
    ],
)
def test_files_say_what_python_says(tmp_path, cost, expected, rest):
    read = read_cost(written(tmp_path, cost, expected.dim, expected.columns, rest))
    ours, theirs = ExpressionProblem(instance=read.instance), ExpressionProblem(instance=expected)
    X = ours.spheres.random_point(0, (3,))
    assert ours.at(X).cost == pytest.approx(theirs.at(X).cost, rel=1e-13)
    assert read.name == "mine"


def test_decimal_numbers_are_exact(tmp_path):
    program = read_cost(written(tmp_path, "0.1 * gram(0, 1)")).instance.program
    assert ("const", "1/10") in program


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        ("__import__('os').system('true')", "not of the language"),
        ("gram(0, 1).cost", "not of the language"),
        ("sum(gram(i, i) for i in (0, 1))", "not of the language"),
        ("gram(0, 1) ** -1", "a power must be an integer"),
        ("((9 ** 64) ** 64) ** 64 * gram(0, 1)", "more than 10000 binary digits"),
        ("sum(gram(0, 1) for i in range(10 ** 9))", "more than 100000 turns"),
        ("gram(0, 9)", "docs/certificates.md"),
        ("gram(0, 1) +", "cannot be read"),
        ("1 / 0 + gram(0, 1)", "cannot be read"),
        ("3", "is constant"),
        ("[gram(0, 1)]", "not of the language"),
        ("tau * gram(0, 1)", "not of the language"),
        ("gram(0.5, 1)", "must be a whole number"),
    ],
)
def test_what_is_no_cost_is_refused(tmp_path, cost, message):
    with pytest.raises(InvalidInputError, match=message):
        read_cost(written(tmp_path, cost))


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ('symmetry = "all"', "must be one of none, columns, rotations, rotations and columns"),
        ("colour = 3", "are allowed"),
        ('constants = {w = "one"}', "must be a number or text"),
    ],
)
def test_other_keys_are_refused(tmp_path, rest, message):
    with pytest.raises(InvalidInputError, match=message):
        read_cost(written(tmp_path, "gram(0, 1)", rest=rest))


def test_files_that_are_no_toml_are_refused(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("dim = ")
    with pytest.raises(UnreadableFileError, match="cannot be read as TOML"):
        read_cost(path)
