"""Costs in TOML files: what they say is what Python says; everything else gets one sentence, and no code runs."""

import os
from fractions import Fraction

import pytest

from sphereufm.certify.cost_files import read_cost
from sphereufm.certify.exact import rational_text
from sphereufm.certify.expressions import fourth_powers, max_cut, thomson
from sphereufm.cli.options import problem_from_options
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


@pytest.mark.parametrize("number", ["0.1", "12.345678901234567891", "1_0.5e-3", "1e50", "3e-50"])
@pytest.mark.parametrize("as_constant", [False, True])
def test_decimal_numbers_are_exact(tmp_path, number, as_constant):
    rest = f"constants = {{w = {number}}}" if as_constant else ""
    cost = f"{'w' if as_constant else number} * gram(0, 1)"
    constants = [
        step[1]
        for step in read_cost(written(tmp_path, cost, rest=rest)).instance.program
        if step[0] == "const"
    ]
    assert constants == [rational_text(Fraction(number))]


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        ("__import__('os').system('true')", "not of the language"),
        ("gram(0, 1).cost", "not of the language"),
        ("sum(gram(i, i) for i in (0, 1))", "not of the language"),
        ("gram(0, 1) ** -1", "a power must be an integer"),
        ("((9 ** 64) ** 64) ** 64 * gram(0, 1)", "more than 10000 binary digits"),
        ("sum(gram(0, 1) for i in range(10 ** 9))", "more than 100000 turns"),
        ("gram(0, 9)", r"docs/certificates.md: gram's entry must be an integer, 0 \.\. 3"),
        ("w[2] * gram(0, 1)", r"w\[2\]: w is a list of 2"),
        ("w[0][0] * gram(0, 1)", r"w\[0\]\[0\]: w\[0\] is no list"),
        ("(w - w) * gram(0, 1)", "w - w has a list where a number must be"),
        ("gram(0, 1) +", "cannot be read"),
        ("1 / 0 + gram(0, 1)", "cannot be read"),
        ("3", "is constant"),
        ("1e999999999 * gram(0, 1)", "decimal exponent within 3000"),
        ("1e400 * gram(0, 1)", "more digits than a certificate may hold"),
        ("\0", "cannot be read"),
        ("-" * 90000 + "gram(0, 1)", "cannot be read"),
        ("[gram(0, 1)]", "not of the language"),
        ("tau * gram(0, 1)", "not of the language"),
        ("gram(0.5, 1)", "must be a whole number"),
    ],
)
def test_what_is_no_cost_is_refused(tmp_path, cost, message):
    with pytest.raises(InvalidInputError, match=message):
        read_cost(written(tmp_path, cost, rest="constants = {w = [1, 2]}"))


@pytest.mark.parametrize(
    "cost", ["gram(0, 1) / 0", "gram(0, 1) * log(-2)", "sqrt(gram(0, 1) - 3)", "1 / x(0, 0) / 0"]
)
def test_costs_that_are_defined_nowhere_are_refused_before_a_search(tmp_path, cost):
    with pytest.raises(InvalidInputError, match="no finite number at any of 64 random points"):
        problem_from_options(cost_file=written(tmp_path, cost))
    assert problem_from_options(cost_file=written(tmp_path, "log(gram(0, 1)) / gram(0, 2)"))


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ('symmetry = "all"', "must be one of none, columns, rotations, rotations and columns"),
        ("colour = 3", "are allowed"),
        ('constants = {w = "one"}', "must be a number or text"),
        ("constants = [1, 2]", "must be a table"),
        ("constants = {w = inf}", "must be a number or text"),
        ("constants = {w = 1e999999999}", "must be a number or text"),
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


def test_a_name_from_a_file_can_be_written_whatever_its_bytes(tmp_path):
    path = tmp_path / os.fsdecode(b"a\xff.toml")
    try:
        path.write_text('dim = 2\ncolumns = 2\ncost = "gram(0, 1)"\n')
    except OSError:
        pytest.skip("names of files are Unicode here")
    assert read_cost(path).name.encode() == b"a?"
