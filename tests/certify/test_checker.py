"""The independent checker: what it accepts is true, and nothing makes it crash or hang."""

import ast
import io
import json
import random
import re
import subprocess
import sys
import time
import tokenize
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from checker_cases import DATA, as_json, instance_of, is_false, mutated, valid_certificates

from sphereufm import UFMProblem, collapsed_point, find_critical_points, hessian_spectrum
from sphereufm.certify import prove_gap, prove_point
from sphereufm.certify.alone import alone
from sphereufm.certify.checker import CheckError, check_bytes, check_file
from sphereufm.certify.checker.reading import CLAIMS
from sphereufm.certify.convert import convert
from sphereufm.certify.exact import exact_text
from sphereufm.certify.json_format import certificate_to_json
from sphereufm.errors import InvalidInputError

# of any size but the right one
WITNESS = [0, 1, [0], "AQ=="]


# claims of which plain cross-entropy has none
ELSEWHERE = {"least_loss", "shared_loss", "equal_features", "frame"}


def converted(data):
    return certificate_to_json(convert(json.dumps(data).encode()))


def check(data, backend="flint"):
    return check_bytes((data if isinstance(data, str) else json.dumps(data)).encode(), backend)


@pytest.fixture(scope="module")
def certificates():
    return valid_certificates()


def by_claim(certificates, *kinds):
    return next(c for c in certificates if set(kinds) <= {claim["type"] for claim in c["claims"]})


# --- what is true


def test_every_type_of_claim_is_met(certificates):
    # no matter of plain cross-entropy: see test_least_loss.py, test_bias_proofs.py
    assert {claim["type"] for c in certificates for claim in c["claims"]} | ELSEWHERE == set(CLAIMS)


def test_valid_certificates_are_accepted(certificates):
    for certificate in certificates:
        result = check(certificate)
        assert result.status == "PROVED", (result, certificate["claims"])
        assert "internal error" not in str(result)
        assert not is_false(certificate)


def test_a_second_arithmetic_agrees(certificates):
    small = [
        c for c in certificates if c["point"] is None or len(c["point"]["columns"]) * c["point"]["rank"] <= 14
    ]
    assert len(small) > 5
    for certificate in small:
        assert check(certificate, "integers").status == "PROVED"


@pytest.mark.parametrize("name", ["sharpness-balanced.json", "sharpness-weighted.json"])
def test_theorem_s_is_sharp_in_the_dimension(name):
    result = check_file(DATA / name)
    assert (result.status, result.row) == ("PROVED", "spurious local minimiser")


def test_the_example_of_the_format_holds():
    page = Path(__file__).resolve().parents[2] / "docs" / "certificates.md"
    text = page.read_text(encoding="utf-8").split("```json")[1].split("```")[0]
    assert check(text).row == "global minimiser"


# --- what is false


@pytest.mark.parametrize("change", [-1, 1])
def test_another_index_is_refuted(certificates, change):
    for certificate in certificates:
        claims = [dict(claim) for claim in certificate["claims"]]
        index = [claim for claim in claims if claim["type"] == "index"]
        if index and index[0]["index"] + change >= 0:
            index[0]["index"] += change
            assert check({**certificate, "claims": claims}).status == "REFUTED"


def test_a_point_that_is_not_critical_is_refuted():
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=2)
    certificate = as_json(prove_point(instance_of(problem), collapsed_point(problem)))
    X = problem.spheres.random_point(0)
    certificate["point"]["columns"] = [[exact_text(Fraction(x)) for x in column] for column in X.T.tolist()]
    assert check(certificate).status == "REFUTED"


@pytest.mark.parametrize("tau", [20, 50])
def test_tiny_gradients_are_no_critical_points(tau):
    # near the minimum the gradient is below 1e-12 (tau = 20) and 1e-32 (tau = 50) wherever one looks
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=tau)
    angles = np.array([0.0, 2.0, 4.3, 0.05, 2.1, 4.2])
    X = np.array([np.cos(angles), np.sin(angles)])
    assert np.abs(problem.gradient(X)).max() < 1e-9
    columns = [[exact_text(Fraction(x)) for x in c] for c in X.T.tolist()]
    claims = [
        {
            "type": "critical",
            "radius": "1@-30",
            "unique_radius": "1@-20",
            "witness": [WITNESS],
        },
        {"type": "index", "index": 0, "witness": []},
        {"type": "global_minimum", "witness": [WITNESS]},
    ]
    certificate = {
        "format": "sphereufm-certificate/2",
        "producer": {"name": "by hand", "version": "0"},
        "instance": {
            "kind": "ufm",
            "classes": 3,
            "dim": 2,
            "class_sizes": [1, 1, 1],
            "tau": str(tau),
            "weights": None,
            "loss": "cross-entropy",
        },
        "point": {"rank": 2, "columns": columns, "groups": None, "scales": [0] * 6},
        "claims": claims,
    }
    assert check(certificate).status == "REFUTED"


def test_a_strict_saddle_alone_proves_no_row(certificates):
    certificate = by_claim(certificates, "critical", "strict_saddle")
    claims = [claim for claim in certificate["claims"] if claim["type"] == "strict_saddle"]
    result = check({**certificate, "claims": claims})
    assert [claim.status for claim in result.claims] == ["PROVED"]
    assert result.status == "UNDECIDED"


def test_a_larger_curvature_is_not_proved(certificates):
    certificate = by_claim(certificates, "critical", "strict_saddle")
    claims = [dict(claim) for claim in certificate["claims"]]
    saddle = next(claim for claim in claims if claim["type"] == "strict_saddle")
    saddle["curvature"] = "-1024"
    assert check({**certificate, "claims": claims}).status == "UNDECIDED"


def test_benign_below_the_theorem_is_undecided(certificates):
    certificate = by_claim(certificates, "benign")
    assert check({**certificate, "instance": {**certificate["instance"], "dim": 2}}).status == "UNDECIDED"


def test_a_smaller_gap_is_not_proved():
    problem = UFMProblem(class_sizes=(1, 1), dim=3, tau=1)
    certificate = as_json(prove_gap(instance_of(problem), problem.spheres.random_point(0)))
    certificate["claims"][0]["gap"] = "1@-10"
    assert check(certificate).status == "UNDECIDED"


def test_an_empty_list_of_claims_is_undecided(certificates):
    assert check({**certificates[0], "claims": []}).status == "UNDECIDED"


# --- near degenerate


@pytest.mark.parametrize("size", [1e-6, 1e-9, 1e-12])
def test_small_eigenvalues_are_proved_or_undecided(size):
    expression = {
        "kind": "expression",
        "dim": 2,
        "columns": 1,
        # x^4 + size y^2 on the circle, at (0, 1): eigenvalue -2 size along x
        "program": [
            ["x", 0, 0],
            ["pow", 0, 4],
            ["x", 1, 0],
            ["pow", 2, 2],
            ["const", _exact(size)],
            ["mul", 4, 3],
            ["add", 1, 5],
        ],
    }
    certificate = {
        "format": "sphereufm-certificate/1",
        "producer": {"name": "by hand", "version": "0"},
        "instance": expression,
        "point": {"rank": 2, "columns": [["0x0p+0", "0x1p+0"]], "groups": None},
        "claims": [
            {"type": "critical", "radius": "0x1p-60", "unique_radius": "0x1p-40"},
            {"type": "index", "index": 1},
        ],
    }
    assert check(converted(certificate)).status == "PROVED"
    certificate["claims"][1]["index"] = 0
    assert check(converted(certificate)).status == "REFUTED"


def test_a_degenerate_point_is_never_proved():
    certificate = {
        "format": "sphereufm-certificate/1",
        "producer": {"name": "by hand", "version": "0"},
        "instance": {
            "kind": "expression",
            "dim": 2,
            "columns": 1,
            "program": [["x", 0, 0], ["pow", 0, 4]],
        },
        "point": {"rank": 2, "columns": [["0x0p+0", "0x1p+0"]], "groups": None},
        "claims": [
            {"type": "critical", "radius": "0x1p-60", "unique_radius": "0x1p-40"},
            {"type": "index", "index": 0},
        ],
    }
    with pytest.raises(InvalidInputError, match="no witness"):
        converted(certificate)


def test_two_classes_that_almost_merge_are_distinguished():
    # the fold of K = 3, d = 2 lies at tau = 9.0724: just above it the minimum and its saddle are close
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau="9.08")
    search = find_critical_points(problem, problem.spheres.random_point(0, (400,)))
    costs = problem.cost(search.X)
    near = [
        X
        for X, c, good in zip(search.X, costs, search.converged, strict=True)
        if good and abs(c - 0.46225) < 3e-5
    ]
    found = set()
    for X in near:
        certificate = as_json(prove_point(instance_of(problem), X))
        result = check(certificate)
        if result.status == "PROVED":
            index = next(c["index"] for c in certificate["claims"] if c["type"] == "index")
            assert index == hessian_spectrum(problem, X).morse_index
            found.add(index)
    assert found <= {0, 1}


# --- mutations


def survive(certificates, count, seed):
    """Mutate; every accepted certificate must still be true."""
    rng = random.Random(seed)
    statuses = {}
    for _ in range(count):
        original = rng.choice(certificates)
        text = mutated(original, rng)
        start = time.process_time()
        try:
            status = check(text).status
        except CheckError as error:
            status = "UNREADABLE" if str(error) else "a refusal without a reason"
        assert time.process_time() - start < 20.0
        statuses[status] = statuses.get(status, 0) + 1
        if status == "PROVED" and text != json.dumps(original):
            assert not is_false(json.loads(text)), text
    return statuses


def test_mutations_are_never_accepted_falsely(certificates):
    statuses = survive(certificates, 400, seed=0)
    assert set(statuses) == {"PROVED", "REFUTED", "UNDECIDED", "UNREADABLE"}


@pytest.mark.slow
def test_ten_thousand_mutations_are_never_accepted_falsely(certificates):
    assert sum(survive(certificates, 10_000, seed=1).values()) == 10_000


# --- files that are no certificates

HOSTILE = {
    "empty": b"",
    "not text": b"\xff\xfe\x00",
    "no object": b"[]",
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000,
    "unclosed string with quotes": b'"' + b'\\"' * 1_000_000,
    "digits": b"1" * 1_000_000,
    "a float": b'{"format": 1.5}',
    "infinity": b'{"format": Infinity}',
    "not a number": b'{"format": NaN}',
    "twice": b'{"format": "a", "format": "a"}',
    "too large": b" " * ((1 << 24) + 1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_with_a_reason(name):
    start = time.process_time()
    with pytest.raises(CheckError):
        check_bytes(HOSTILE[name])
    assert time.process_time() - start < 10.0


def test_a_hundred_megabytes_of_digits_are_not_read(tmp_path):
    path = tmp_path / "digits.json"
    with path.open("wb") as file:
        for _ in range(100):
            file.write(b"7" * 1_000_000)
    with pytest.raises(CheckError, match="larger than"):
        check_file(path)


@pytest.mark.parametrize("column", [["1@16000", "0"], ["1@-16000", "1@-16000"], ["0", "0"]])
def test_extreme_numbers_are_undecided(certificates, column):
    certificate = by_claim(certificates, "critical", "spurious")
    filled = [*column, *["0"] * (certificate["point"]["rank"] - 2)]
    columns = [filled, *certificate["point"]["columns"][1:]]
    result = check({**certificate, "point": {**certificate["point"], "columns": columns}})
    assert result.status in ("UNDECIDED", "REFUTED")


def test_what_is_too_large_is_undecided_quickly():
    program = [["gram", i, i + 1] for i in range(400)]
    program += [["add", *range(400)]]
    column = ["1"] + ["0"] * 19
    certificate = {
        "format": "sphereufm-certificate/2",
        "producer": {"name": "by hand", "version": "0"},
        "instance": {"kind": "expression", "dim": 20, "columns": 401, "program": program},
        "point": {"rank": 20, "columns": [column] * 401, "groups": None, "scales": [0] * 401},
        "claims": [
            {
                "type": "critical",
                "radius": "1@-60",
                "unique_radius": "1@-40",
                "witness": [WITNESS],
            }
        ],
    }
    start = time.process_time()
    assert check(certificate).status == "UNDECIDED"
    assert time.process_time() - start < 10.0


# --- a core that can be read in one sitting


def test_what_is_trusted_has_as_many_lines_as_the_page_says():
    folder = Path(__file__).resolve().parents[2] / "sphereufm" / "certify" / "checker"
    lines = {path.stem: code_lines(path.read_text(encoding="utf-8")) for path in folder.glob("*.py")}
    core = sum(lines.pop(name) for name in ("kernel", "calculus", "reading", "place", "claims"))
    beside = sum(lines.pop(name) for name in ("losses", "programs", "families"))
    page = (folder.parents[2] / "docs/proofs.md").read_text(encoding="utf-8")
    said = re.search(r"at\s+most\s+(\d+)\s+lines\s+of\s+code,\s+and\s+(\d+)\s+with\s+all\s+that", page)
    assert core <= int(said[1]) == 700
    assert core + beside <= int(said[2]) == 1105
    # and nothing else decides: what is left is arithmetic, a guess, words, and the way in
    assert lines.keys() == {"__init__", "integers", "newton", "words", "face"}


def code_lines(source):
    """Lines with anything but blanks, comments and docstrings."""
    space = (
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    )
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type not in space]
    lines = {n for t in tokens for n in range(t.start[0], t.end[0] + 1)}
    texts = [
        e
        for e in ast.walk(ast.parse(source))
        if isinstance(e, ast.Expr) and isinstance(e.value, ast.Constant)
    ]
    return len(lines - {n for e in texts for n in range(e.lineno, e.end_lineno + 1)})


# --- alone, and on the command line


def test_no_name_means_two_things_in_the_one_file():
    names = set()
    for node in ast.parse(alone()).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            source = getattr(node, "module", None)
            names |= {(alias.asname or alias.name, source) for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add((node.name, node.lineno))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {
                (t.id, t.lineno) for target in targets for t in ast.walk(target) if isinstance(t, ast.Name)
            }
    assert len(names) == len({name for name, _ in names}) > 100


def run(*words):
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=False)


def test_the_file_runs_alone(tmp_path):
    copy = tmp_path / "checker.py"
    copy.write_text(alone(), encoding="utf-8")
    good = run("-I", copy, DATA / "sharpness-weighted.json")
    assert good.returncode == 0, good.stderr
    assert "PROVED: spurious local minimiser" in good.stdout
    assert run("-I", copy, tmp_path / "missing.json").returncode == 2


def test_check_takes_the_worst_of_several(tmp_path, certificates):
    good = tmp_path / "good.json"
    good.write_text(json.dumps(certificates[0]))
    assert run("-m", "sphereufm", "check", good).returncode == 0
    claims = [
        {**c, "index": c["index"] + 1} if c["type"] == "index" else c for c in certificates[0]["claims"]
    ]
    (tmp_path / "wrong.json").write_text(json.dumps({**certificates[0], "claims": claims}))
    assert run("-m", "sphereufm", "check", tmp_path).returncode == 1
    (tmp_path / "open.json").write_text(json.dumps({**certificates[0], "claims": []}))
    assert run("-m", "sphereufm", "check", good, tmp_path / "open.json").returncode == 3
    (tmp_path / "broken.json").write_text('{"format": "sphereufm-certificate/1"')
    done = run("-m", "sphereufm", "check", tmp_path, "--json")
    assert done.returncode == 2
    assert {r["status"] for r in json.loads(done.stdout)} == {"PROVED", "REFUTED", "UNDECIDED", "UNREADABLE"}


def test_check_of_an_empty_folder_is_bad_input(tmp_path):
    done = run("-m", "sphereufm", "check", tmp_path)
    assert done.returncode == 2
    assert "holds no certificate" in done.stderr


def _exact(x):
    """A decimal power as the rational it is."""
    return f"1/{round(1 / x)}"
