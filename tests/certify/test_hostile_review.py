"""What a hostile reader found, each as a kind: printed bounds, skipped files, crashes, hangs, mixed-up instances."""

import hashlib
import json
import os
import random
import subprocess
import sys
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from checker_cases import as_json, exact_value, instance_of
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_checker_review import ONE, certificate, point, ufm, unit

from sphereufm import UFMProblem, collapsed_point
from sphereufm.certify import prove_gap, prove_point
from sphereufm.certify.checker import CheckError, check_bytes, face
from sphereufm.certify.checker.claims import sentence
from sphereufm.certify.checker.integers import Integers
from sphereufm.certify.checker.reading import CLAIMS, Problem
from sphereufm.certify.checker.words import canonical, fingerprint, printed
from sphereufm.certify.instances import ExactInstance, ExpressionInstance
from sphereufm.certify.large_gap.check import LargeGapResult, check_large_gap
from sphereufm.landscape.points import LandscapeVerdict
from sphereufm.landscape.proofs import prove_landscape
from sphereufm.landscape.verify import verify_landscape
from sphereufm.problem.theory.known_points import orthogonal_collapsed_point


def run(*words):
    return subprocess.run(
        [sys.executable, "-m", "sphereufm", "check", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )


# --- printed bounds


@given(st.integers(-(2**200), 2**200), st.integers(-900, 900), st.booleans())
@example(12345649, -53, True)
@example(-1, 0, False)
def test_printed_numbers_are_bounds(mantissa, exponent, up):
    exact = Fraction(mantissa) * Fraction(2) ** exponent
    shown = Fraction(printed((mantissa, exponent), up))
    assert (shown >= exact) if up else (shown <= exact)
    assert abs(shown - exact) <= abs(exact) * Fraction(1, 10**5)


@given(st.floats(0.0, 1e300))
@example(1.2345649e-9)
def test_gaps_at_scale_are_printed_rounded_up(gap):
    said = str(LargeGapResult(status="PROVED", gap=gap, bound=gap, classes=2, dim=2, samples=2)).split()
    assert Fraction(said[said.index("most") + 1]) >= Fraction(gap)


def test_the_gap_in_the_sentence_is_not_below_the_gap_proved():
    problem = UFMProblem(class_sizes=(1, 2), dim=3, tau=2)
    for seed in range(5):
        data = as_json(prove_gap(instance_of(problem), problem.spheres.random_point(seed)))
        said = check_bytes(json.dumps(data).encode()).claims[0].text.split()
        assert Fraction(said[said.index("most") + 1]) >= exact_value(data["claims"][0]["gap"])


# --- the second arithmetic


def ends(x):
    return [mpmath.mpf(end) * mpmath.mpf(2) ** x.exponent for end in (x.low, x.high)]


@pytest.mark.parametrize("bits", [53, 128])
def test_functions_of_the_second_arithmetic_contain_the_value(bits):
    rng, B = random.Random(bits), Integers(bits)
    # there the interval exponential of mpmath 1.3.0 misses the value by 8e-21
    cases = [
        ("exp", 3893924827815215, -50),
        ("exp", 0, 0),
        ("log", 1, 0),
        ("sqrt", 4, 0),
        ("log1p", -1, -900),
    ]
    for _ in range(1500):
        size = rng.choice([3, 20, 53])
        mantissa, name = rng.getrandbits(size) + 1, rng.choice(["exp", "log", "sqrt", "log1p"])
        exponent = rng.randrange(-150, 8) - size
        sign = rng.choice([1, -1]) if name == "exp" or (name == "log1p" and exponent < -size - 1) else 1
        cases.append((name, sign * mantissa, exponent))
    with mpmath.workprec(700):
        for name, mantissa, exponent in cases:
            low, high = ends(B.function(name, B.dyadic(mantissa, exponent)))
            value = getattr(mpmath, name)(mpmath.mpf(mantissa) * mpmath.mpf(2) ** exponent)
            assert low <= value <= high
            assert high - low <= abs(value) * mpmath.mpf(2) ** (6 - bits)


@given(st.lists(st.fractions(-100, 100), min_size=2, max_size=6), st.integers(8, 60))
def test_sums_and_products_of_the_second_arithmetic_contain_the_value(values, bits):
    B = Integers(bits)
    x, exact = B.number(1), Fraction(1)
    for q in values:
        y = B.number(q)
        x, exact = x * y - y + q.numerator, exact * q - q + q.numerator
        low, high = (Fraction(end) * Fraction(2) ** x.exponent for end in (x.low, x.high))
        assert low <= exact <= high
        assert not B.less(x, y) or exact < q


# --- files in folders


@pytest.fixture
def folder(tmp_path):
    problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=1)
    prove_landscape(verify_landscape(problem, starts=5), tmp_path).save(tmp_path / "landscape.json")
    return tmp_path


def wrong_index(folder):
    path = next(p for p in sorted(folder.rglob("*.json")) if '"index": 0' in p.read_text())
    return path.read_text().replace('"index": 0', '"index": 1')


@pytest.mark.parametrize(
    "disguise",
    [
        lambda text: " " * 2000 + text,
        lambda text: text.replace("sphereufm-cert", "sphereuf\\u006d-cert"),
        lambda text: text.replace('"format": "sphereufm-certificate/2", ', ""),
    ],
    ids=["padded", "escaped", "without a format"],
)
def test_no_false_certificate_is_skipped(folder, disguise):
    (folder / "more").mkdir()
    (folder / "more" / "wrong.json").write_text(disguise(wrong_index(folder)))
    assert run(folder).returncode in (1, 2)


def test_what_is_no_certificate_is_counted_and_named(folder):
    (folder / "mine.json").write_text('{"a": 1}')
    done = run(folder)
    assert done.returncode == 0, done.stdout
    assert "no certificates: 2 files" in done.stdout
    assert "mine.json (no format named)" in done.stdout


def test_one_bad_file_stops_no_other(folder):
    os.mkfifo(folder / "pipe.json")
    (folder / "deep.json").write_text("[" * 100_000)
    (folder / "wrong.json").write_text(wrong_index(folder))
    degenerate = {"type": "degenerate", "lower_point": point(1, [[ONE]] * 4), "margin": ONE}
    bad = certificate(ufm([1, 1], 2), point(1, [[ONE]] * 4), degenerate)
    (folder / "rank.json").write_text(json.dumps(bad))
    reports = json.loads(run(folder, "--json").stdout)
    by_name = {os.path.basename(r["file"]): r["status"] for r in reports}
    assert [by_name[f"{name}.json"] for name in ("pipe", "deep", "wrong", "rank")] == [
        "UNREADABLE",
        "UNREADABLE",
        "REFUTED",
        "UNDECIDED",
    ]
    assert list(by_name.values()).count("PROVED") == len(by_name) - 4


def test_a_defect_of_the_checker_is_no_refutation(monkeypatch, tmp_path):
    path = tmp_path / "any.json"
    path.write_text("{}")
    monkeypatch.setattr(face, "check_file", lambda *_: 1 / 0)
    assert face.main([str(path)]) == 70
    for words in ([], ["a", "b"], ["--backend"], [str(path), "--backend"], ["--backend", "flint"]):
        assert face.main(words) == 2


# --- budgets


@pytest.mark.parametrize(("K", "columns"), [(6000, 1), (2000, 12_000)])
def test_a_gap_of_many_classes_or_multipliers_is_too_large_before_any_work(tmp_path, K, columns):
    arrays = {"classifier": np.ones((K, 1), np.float16), "features": np.ones((2, 1), np.float16)}
    arrays |= {"labels": np.zeros(2, np.int8), "dual": np.ones((K, columns), np.float16)}
    data = {"format": "sphereufm-large-gap/1", "producer": {}, "tau": "1", "gap": "0x1.8p+0"}
    data["weights"] = None
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
        digest = __import__("hashlib").sha256((tmp_path / f"{name}.npy").read_bytes()).hexdigest()
        data[name] = {"file": f"{name}.npy", "sha256": digest}
    (tmp_path / "gap.json").write_text(json.dumps(data))
    result = check_large_gap(tmp_path / "gap.json")
    assert result.status == "UNDECIDED"
    assert "too large" in result.instance


def test_long_words_are_not_echoed():
    long = "x" * 3_000_000
    for data in ({long: 1}, {"format": long}, certificate(ufm([1, 1], 2), None, {"type": long})):
        with pytest.raises(CheckError) as refused:
            check_bytes(json.dumps(data).encode())
        assert len(str(refused.value)) < 300


@pytest.mark.parametrize("at", ["@", "\\u0040"])
def test_exponents_do_not_fill_the_memory(at):
    columns = [[f"1{at}-{15_000 + i % 1000}"] for i in range(100_000)]
    data = certificate(ufm([99_998, 0], 2), point(1, columns), {"type": "rank_one"})
    text = json.dumps(data).replace("\\\\u0040", "\\u0040")
    assert ("\\\\" in text) is False
    with pytest.raises(CheckError, match=r"exponents|escaped"):
        check_bytes(text.encode())


def test_unequal_sums_are_refuted_in_few_words():
    weights = [f"1/{10**59 + 2 * i + 1}" for i in range(300)]
    claim = {"type": "degenerate", "lower_point": point(1, [[ONE]] * 302), "margin": ONE}
    columns = [unit(2)] * 2 + [unit(2, 1)] * 300
    result = check_bytes(
        json.dumps(certificate(ufm([299, 1], 2, weights=weights), point(2, columns), claim)).encode()
    )
    assert result.status == "REFUTED"
    assert len(result.claims[0].text) < 200


# --- which instance


def test_the_sentence_tells_two_instances_apart(folder):
    sentences = set()
    for more in ({}, {"tau": "2"}, {"dim": 4}, {"class_sizes": [2, 1]}, {"weights": ["1", "2"]}):
        result = check_bytes(json.dumps(certificate({**ufm([1, 1], 3), **more}, None)).encode())
        sentences.add((result.instance, result.sha256))
    assert len({words for words, _ in sentences}) == len({sha for _, sha in sentences}) == 5


def test_long_fractions_are_not_cut_into_other_numbers():
    tau, weight = f"{10**50 + 1}/{10**49}", f"{10**30 + 1}/{10**30}"
    data = certificate(ufm([1, 1], 3, tau, weights=["1", weight]), None)
    said = check_bytes(json.dumps(data).encode()).instance
    assert "tau = about 10.0001," in said
    assert "weights 1, about 1.00001" in said


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=6),
    st.fractions(Fraction(1, 9), 9),
    st.none() | st.lists(st.fractions(Fraction(1, 9), 9), min_size=6, max_size=6),
)
def test_both_sides_give_an_instance_one_hash(labels, tau, weights):
    weights = None if weights is None else tuple(weights[: len(labels)])
    instance = ExactInstance(classes=3, dim=2, labels=tuple(labels), tau=tau, weights=weights)
    scaled = None if weights is None else tuple(3 * w for w in weights)
    data = {**ufm([], 2, str(2 * tau.numerator) + f"/{2 * tau.denominator}"), "classes": 3, "labels": labels}
    del data["class_sizes"]
    data["weights"] = None if weights is None else [str(3 * w) for w in weights]
    assert scaled is None or ExactInstance(classes=3, dim=2, labels=tuple(labels), tau=tau, weights=scaled)
    assert check_bytes(json.dumps(certificate(data, None)).encode()).sha256 == instance.sha256


def test_numbers_of_very_many_digits_are_hashed_as_the_page_says():
    tau = hashlib.sha256(f"{3 << 16000:x}/7".encode()).hexdigest()
    form = {"kind": "ufm", "classes": 1, "dim": 2, "class_sizes": [1], "labels": None, "weights": None}
    form |= {"loss": "cross-entropy", "tau": f"sha256:{tau}"}
    expected = hashlib.sha256(json.dumps(form, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    p = Problem(dim=2, classes=1, labels=[0], weights=[Fraction(5)], taus=[Fraction(3 << 16000, 7)])
    assert fingerprint(canonical(p)) == expected


def test_both_sides_give_an_expression_one_hash():
    program = (("const", "2/4"), ("gram", 0, 1), ("mul", 0, 1))
    instance = ExpressionInstance(dim=2, columns=2, program=program)
    data = {"kind": "expression", "dim": 2, "columns": 2, "program": [list(step) for step in program]}
    columns = point(2, [unit(2)] * 2)
    assert check_bytes(json.dumps(certificate(data, columns)).encode()).sha256 == instance.sha256


def test_a_certificate_of_another_instance_is_named(folder):
    path = next((folder / "certificates").glob("0*.json"))
    data = json.loads(path.read_text())
    data["instance"]["tau"] = "2"
    path.write_text(json.dumps(data))
    done = run(folder)
    assert done.returncode == 2
    assert "is of another instance" in done.stdout
    path.unlink()
    done = run(folder)
    assert done.returncode == 2
    assert "MISSING" in done.stdout


# --- points in the plane, on the line, and at extreme temperatures


@pytest.mark.parametrize(("sizes", "weights"), [((3, 1, 1), None), ((4, 2), None), ((2, 1), [1, 2, 3])])
def test_signs_make_degenerate_points_of_unequal_classes(sizes, weights):
    problem = UFMProblem(class_sizes=sizes, dim=2, tau=2, weights=weights)
    X = orthogonal_collapsed_point(problem)
    assert np.abs(problem.gradient(X)).max() < 1e-15
    data = as_json(prove_point(instance_of(problem), X, lower=collapsed_point(problem)))
    result = check_bytes(json.dumps(data).encode())
    assert (result.status, result.claims[0].type) == ("PROVED", "degenerate")


def test_a_landscape_with_such_a_point_is_not_benign_and_says_what_is_proved():
    report = prove_landscape(verify_landscape(UFMProblem(class_sizes=(3, 1), dim=2, tau=2), starts=5))
    assert (report.verdict, report.proofs.basis_status) == (LandscapeVerdict.NOT_BENIGN, "PROVED")
    assert any("of nothing else of the family" in note for note in report.notes)


def test_on_a_line_nothing_is_spurious():
    report = prove_landscape(verify_landscape(UFMProblem(class_sizes=(1, 1), dim=1, tau=2)))
    assert report.verdict is LandscapeVerdict.FINITE
    assert {entry.kind.name for entry in report.critical} == {"GLOBAL_MINIMUM", "LOCAL_MINIMUM"}
    data = certificate(
        ufm([1, 1], 1),
        point(1, [[ONE]] * 4),
        {"type": "rank_one"},
        {"type": "index", "index": 0, "witness": []},
    )
    assert check_bytes(json.dumps(data).encode()).status == "UNDECIDED"


@pytest.mark.parametrize("tau", [8000, 1e12])
def test_extreme_temperatures_are_searched_to_the_end(tau):
    report = verify_landscape(UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=tau), starts=20)
    assert report.verdict is LandscapeVerdict.BENIGN


# --- numbers that Python does not print, and claims about two points


@pytest.mark.parametrize("name", ["tau", "weights", "margin", "offsets"])
def test_numbers_of_thousands_of_digits_have_words_and_hashes(name):
    shown = set()
    for text in ("1@15000", "1@15001", "1@-15000"):
        instance = ufm([1, 1, 1], 3)
        if name in ("tau", "weights"):
            instance[name] = text if name == "tau" else [ONE, text, ONE]
        else:
            loss = {"name": "logit-offsets", "margin": "0", "offsets": [["0"]] * 3}
            instance["loss"] = {**loss, name: text if name == "margin" else [["0"], [text], ["0"]]}
        data = certificate(instance, None, {"type": "benign", "theorem": "S", "formal": "benign_S"})
        result = check_bytes(json.dumps(data).encode())
        assert (result.status, "an extreme number" in result.instance) == ("PROVED", True)
        shown.add(result.sha256)
    assert len(shown) == 3


def test_a_claim_about_a_point_of_its_own_makes_no_sentence_beside_others():
    for kind in ("collapsed", "degenerate", "least_loss"):
        alone = sentence({kind: "PROVED"}, {kind: {}})
        assert alone[0] == "PROVED"
        for other in CLAIMS.keys() - {kind}:
            claims = {kind: {}, other: {"index": 1, "radius": Fraction(0)}}
            assert sentence(dict.fromkeys(claims, "PROVED"), claims) != alone
