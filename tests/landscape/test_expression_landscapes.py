"""One definition for search and proof: known counts, every row proved, the same report from Python and from a file."""

import json
from math import comb, factorial

import numpy as np
import pymanopt
import pytest

from sphereufm import (
    check_gradient,
    check_hessian,
    hessian_extreme,
    hessian_spectrum,
    load_report,
    solve,
    verify_landscape,
)
from sphereufm.certify.expressions import Cost, fourth_powers, max_cut, thomson
from sphereufm.cli import main
from sphereufm.errors import InvalidInputError
from sphereufm.geometry.symmetry.groups import SymmetryGroup
from sphereufm.landscape.points import Status
from sphereufm.landscape.proofs import prove_landscape
from sphereufm.problem.expressions.expression_problem import ExpressionProblem
from sphereufm.solvers import solve_batch

# Wikipedia's and Wales' tables agree to these digits
ENERGIES = {
    4: 3.674234614,
    5: 6.474691495,
    6: 9.985281374,
    7: 14.452977414,
    8: 19.675287861,
    9: 25.759986531,
    10: 32.716949460,
    11: 40.596450510,
    12: 49.165253058,
}


def code_of(words):
    with pytest.raises(SystemExit) as end:
        main(words)
    return end.value.code


def all_proved(report):
    proved = prove_landscape(report)
    assert all(entry.status is Status.PROVED for entry in proved.critical)
    return proved


@pytest.mark.parametrize("n", [3, 4])
def test_fourth_powers_all_proved(n):
    report = all_proved(verify_landscape(fourth_powers(n)))
    assert len(report.critical) == 3**n - 1
    for k in range(1, n + 1):
        level = [entry for entry in report.critical if abs(entry.cost + 1.0 / k) < 1e-9]
        assert len(level) == comb(n, k) * 2**k
        assert {entry.morse_index for entry in level} == {k - 1}


def test_quadratic_form_all_proved():
    cost = Cost(dim=5, columns=1)
    form = cost.instance(sum((3 * i - 1) * cost.x(i, 0) ** 2 for i in range(5)))
    report = all_proved(verify_landscape(form, effort="quick"))
    assert [entry.morse_index for entry in report.critical] == [i for i in range(5) for _ in range(2)]


@pytest.mark.parametrize("n", [3, 4])
def test_cubes_all_proved(n):
    """``sum x_i^3``: the nonzero entries of a critical point are equal, so there are ``2 (2^n - 1)``."""
    cost = Cost(dim=n, columns=1)
    report = all_proved(verify_landscape(cost.instance(sum(cost.x(i, 0) ** 3 for i in range(n)))))
    found = sorted((round(entry.cost**-2), entry.morse_index) for entry in report.critical)
    # along the support a maximum has k - 1 directions down, off it n - k up; a minimum the other way round
    assert found == sorted((k, i) for k in range(1, n + 1) for i in (k - 1, n - k) for _ in range(comb(n, k)))


def test_max_cut_all_proved_in_every_rank():
    weights = np.random.default_rng(1).integers(1, 5, (4, 4))
    report = all_proved(verify_landscape(max_cut((weights + weights.T).tolist(), dim=3), starts=64))
    assert {entry.rank for entry in report.critical} >= {1, 2}
    assert report.rank_one.listed == 2**3


@pytest.mark.parametrize("n", ENERGIES)
def test_thomson_energies(n):
    problem = ExpressionProblem(instance=thomson(n), symmetry=SymmetryGroup.full(n))
    ends = solve_batch(problem, 6, solver="trust-region")
    assert min(end.cost for end in ends) == pytest.approx(ENERGIES[n], abs=1e-8)


@pytest.mark.parametrize(("n", "orbits"), [(4, 2), (5, 3), (6, 4), (7, 7), (8, 12)])
def test_thomson_saddles_add_up(n, orbits):
    """Labelled points on the sphere, apart and modulo rotations: Euler's number is ``(-1)^(n - 3) (n - 3)!``.

    The energy grows at collisions, so by Morse theory the critical points count it, each with the sign of its index.
    """
    problem = ExpressionProblem(instance=thomson(n), symmetry=SymmetryGroup.full(n))
    critical = verify_landscape(problem).critical
    assert len(critical) == orbits
    assert {entry.nullity for entry in critical} == {0}
    mirrored = [entry.permutation_copies * (2 if entry.rank == 3 else 1) for entry in critical]
    signs = [(-1) ** entry.morse_index for entry in critical]
    assert sum(a * b for a, b in zip(mirrored, signs, strict=True)) == (-1) ** (n - 3) * factorial(n - 3)


def test_saved_reports_are_read_back_with_their_cost(tmp_path):
    problem = ExpressionProblem(
        instance=thomson(3), symmetry=SymmetryGroup.full(3), name="three charges", unit="hartree"
    )
    report = verify_landscape(problem, effort="quick", starts=8)
    report.save(tmp_path / "landscape.json")
    again = load_report(tmp_path / "landscape.json")
    assert again.problem.title() == problem.title()
    assert again.problem.instance == problem.instance
    assert again.problem.symmetry.permutations.order == 6
    more = verify_landscape(
        again.problem, starts=1, initial_points=[e.X for e in again.critical if e.rank > 1]
    )
    assert more.critical[0].cost == pytest.approx(3.0**0.5)


def test_the_command_line_takes_a_file(tmp_path, capsys):
    path = tmp_path / "pair.toml"
    path.write_text(
        'dim = 3\ncolumns = 3\nname = "three that repel"\nsymmetry = "columns"\n'
        'cost = "sum(exp(2 * gram(i, j)) for i in range(3) for j in range(i))"\n'
    )
    assert code_of(["verify", str(path), "--effort", "quick", "--starts", "8", "--json"]) == 3
    data = json.loads(capsys.readouterr().out)
    assert data["problem"]["name"] == "three that repel"
    assert {row["status"] for row in data["critical"]} == {"PROVED"}
    assert code_of(["solve", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cost"] == pytest.approx(3.0 * np.exp(-1.0))
    assert code_of(["verify", str(path), "--dim", "3"]) == 2
    assert code_of(["verify", "--classes", "3", "--per-class", "1", "--tau", "1"]) == 2


def test_large_temperatures_end_with_numbers(capsys):
    words = ["--classes", "3", "--per-class", "1", "--dim", "4", "--json"]
    assert code_of(["solve", *words, "--tau", "450"]) == 3
    assert json.loads(capsys.readouterr().out)["relative_gradient_norm"] is None
    assert code_of(["verify", *words, "--tau", "500", "--effort", "quick", "--starts", "8"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["critical"][0]["kind"] == "GLOBAL_MINIMUM"
    assert any("floats cannot resolve" in note for note in data["notes"])


def test_bare_pymanopt_problems_and_terms_are_wrapped():
    manifold = pymanopt.manifolds.Sphere(3)
    cost = pymanopt.function.autograd(manifold)(lambda x: x[0])
    bare, term = pymanopt.Problem(manifold, cost), Cost(dim=3, columns=1).x(0, 0)
    for given in (bare, term):
        assert solve(given).cost == pytest.approx(-1.0)
        assert verify_landscape(given, effort="quick", starts=6).critical[0].cost == pytest.approx(-1.0)
        assert check_gradient(given).passed
        assert check_hessian(given).passed
        lowest = np.array([[-1.0], [0.0], [0.0]])
        assert hessian_spectrum(given, lowest).eigenvalues == pytest.approx([1.0, 1.0])
        assert hessian_extreme(given, lowest, 1).eigenvalues == pytest.approx([1.0])
    with pytest.raises(InvalidInputError, match="is no problem; give a UFMProblem"):
        solve(lambda x: x[0])
