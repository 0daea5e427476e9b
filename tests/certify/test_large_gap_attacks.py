"""Attacks on the checker of large gaps: 60 digits as an oracle, hostile files, mutated certificates."""

import hashlib
import io
import json
import os
import struct
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from sphereufm.certify.checker import CheckError
from sphereufm.certify.large_gap.check import check_large_gap, prove_large_gap
from sphereufm.certify.large_gap.rows import HashedRows
from sphereufm.cli import main
from sphereufm.problem.theory.gap import optimality_gap
from sphereufm.problem.theory.theorems import global_minimum
from sphereufm.problem.ufm import UFMProblem

NAMES = {"classifier": "w.npy", "features": "h.npy", "labels": "y.npy"}
TEMPERATURES = ["1/1000000", "1/10", "1", "5", "20", "149999/1000", "150"]


# --- the bound against 60 digits


def unit(row):
    row = [mpmath.mpf(float(x)) for x in row]
    length = mpmath.sqrt(mpmath.fdot(row, row))
    return [x / length for x in row]


def exact(tau, W, H, y, weights, V):
    """Return the cost and ``<G, A> + sum |V^T g_i|``: what the cost's tangent gains by moving to unit rows V."""
    t, total = mpmath.mpf(tau.numerator) / tau.denominator, mpmath.fsum(map(float, weights))
    W, V = [unit(w) for w in W], [unit(v) for v in V]
    cost = gain = mpmath.mpf(0)
    for h, label, weight in zip(map(unit, H), y, weights, strict=True):
        a = [mpmath.fdot(w, h) for w in W]
        E = [mpmath.exp(t * (x - a[label])) for x in a]
        E[label] = mpmath.mpf(0)
        wrong, omega = mpmath.fsum(E), mpmath.mpf(float(weight)) / total
        g = [t * omega * e / (1 + wrong) for e in E]
        g[label] = -mpmath.fsum(g)
        pull = [mpmath.fdot(g, column) for column in zip(*V, strict=True)]
        cost += omega * mpmath.log1p(wrong)
        gain += mpmath.fdot(g, a) + mpmath.sqrt(mpmath.fdot(pull, pull))
    return cost, gain


def instance(rng):
    """A small point, most often a nasty one."""
    K, d, N = int(rng.integers(2, 6)), int(rng.integers(1, 6)), int(rng.integers(1, 9))
    y = rng.integers(0, K, N)
    W, H = rng.standard_normal((K, d)), rng.standard_normal((N, d))
    kind = rng.integers(0, 7)
    if kind == 0:
        H = W[y] * rng.uniform(-3.0, 3.0, (N, 1))
    elif kind == 1:
        W = W[:1] + 10.0 ** -rng.integers(3, 17) * W
    elif kind == 2:
        W, H = W * 10.0 ** rng.uniform(-90, 90, (K, 1)), H * 10.0 ** rng.uniform(-90, 90, (N, 1))
    elif kind == 3:
        W, H = W.astype(np.float32), H.astype(np.float32)
    elif kind >= 4:
        W = np.eye(K) - 1.0 / K
        H = (-1.0 if kind == 5 else 1.0) * W[y] + 10.0 ** -rng.integers(1, 17) * rng.standard_normal((N, K))
    weights = [np.ones(N), 10.0 ** rng.uniform(-14, 14, N), 10.0 ** rng.uniform(-320, -301, N)]
    return W, H, y, weights[rng.integers(0, 3)], Fraction(TEMPERATURES[rng.integers(0, 7)])


def prove(folder, W, H, y, weights, tau, **options):
    for name, array in (("w", W), ("h", H), ("y", y), ("o", weights)):
        np.save(folder / f"{name}.npy", array)
    return prove_large_gap(folder / "gap.json", tau=tau, weights="o.npy", **NAMES, **options)


def never_below(folder, seeds):
    for seed in seeds:
        rng = np.random.default_rng(seed)
        W, H, y, weights, tau = instance(rng)
        bound = prove(folder, W, H, y, weights, tau, refinements=int(rng.choice([0, 6, 40]))).bound
        dual = np.load(folder / "gap.dual.npy")
        assert check_large_gap(folder / "gap.json").bound == bound
        with mpmath.workdps(60):
            for V in (W, dual if np.abs(dual).max(axis=1).all() else W, rng.standard_normal((len(W), 3))):
                assert bound >= exact(tau, W, H, y, weights, V)[1], f"seed={seed}"


def test_never_below_sixty_digits(tmp_path):
    never_below(tmp_path, range(60))


@pytest.mark.slow
def test_never_below_sixty_digits_many(tmp_path):
    never_below(tmp_path, range(1000, 4000))


@pytest.mark.parametrize("scale", [5e-324, 1e-310, 1e-200, 1e300, 1.7e308])
def test_weights_are_relative_at_every_scale(tmp_path, scale):
    # far from the minimum: weights whose sum was taken for 1e-300 once made the gap as small as that
    H = np.random.default_rng(0).standard_normal((4, 3))
    y = np.array([0, 1, 2, 0])
    equal = prove(tmp_path, np.eye(3), H, y, np.ones(4), 3).bound
    assert prove(tmp_path, np.eye(3), H, y, np.full(4, scale), 3).bound == pytest.approx(equal, rel=1e-9)


@pytest.mark.parametrize("tau", [1, 20, 150])
def test_a_sample_turned_round_costs_what_it_costs(tmp_path, tau):
    problem = UFMProblem(class_sizes=(2, 2, 2), dim=3, tau=tau)
    W, y = np.eye(3) - 1.0 / 3.0, np.asarray(problem.labels)
    H = W[y].copy()
    H[0] *= -1.0
    bound = prove(tmp_path, W, H, y, np.ones(6), tau).bound
    with mpmath.workdps(60):
        assert bound >= exact(Fraction(tau), W, H, y, np.ones(6), W)[0] - global_minimum(problem)


def test_collapsed_classifiers_have_a_finite_bound(tmp_path):
    # V = W has no pull at all there
    proved = prove(tmp_path, np.ones((3, 2)), np.ones((3, 2)), np.arange(3), np.ones(3), 5, refinements=0)
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=2, tau=5)
    X = np.full((2, 6), np.sqrt(0.5))
    assert proved.bound == pytest.approx(optimality_gap(problem, X).bounds["multiplier-bound"], rel=1e-9)


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1.0, 1e99])
def test_any_multipliers_are_sound(tmp_path, size):
    rng = np.random.default_rng(3)
    W, y, weights = np.eye(4) - 0.25, np.arange(8) % 4, np.ones(8)
    H = W[y] + 0.01 * rng.standard_normal((8, 4))
    prove(tmp_path, W, H, y, weights, 150)
    for V in (
        size * rng.standard_normal((4, 2)),
        size * W,
        np.full((4, 1), size),
        np.diag([size, 1, 1e-9, 0]),
    ):
        replace(tmp_path, "dual", npy(V))
        bound = check_large_gap(tmp_path / "gap.json").bound
        with mpmath.workdps(60):
            assert exact(Fraction(150), W, H, y, weights, W)[1] <= bound < np.inf


# --- hostile files


def npy(array):
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array))
    return file.getvalue()


def header(text, version=1, size=None):
    length = struct.pack("<H" if version == 1 else "<I", len(text) if size is None else size)
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode("latin-1")


def replace(folder, key, data):
    """Write the bytes of one array, and their true hash."""
    path = folder / "gap.json"
    certificate = json.loads(path.read_text())
    certificate[key] = {"file": f"{key}.evil.npy", "sha256": hashlib.sha256(data).hexdigest()}
    (folder / f"{key}.evil.npy").write_bytes(data)
    path.write_text(json.dumps(certificate))


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(1)
    H = np.eye(3)[[0, 1, 2, 0]] + 0.1 * rng.standard_normal((4, 3))
    prove(tmp_path, np.eye(3), H, np.array([0, 1, 2, 0]), np.array([1.0, 2.0, 3.0, 4.0]), 3)
    return tmp_path


@pytest.fixture
def refused(folder, capsys):
    """The command line says one sentence, and that the input is bad."""

    def check():
        with pytest.raises(SystemExit) as stop:
            main(["check", str(folder / "gap.json")])
        written = "".join(capsys.readouterr())
        assert stop.value.code == 2, written
        assert "UNREADABLE" in written
        assert len(written) < 1000
        return written

    return check


DICT = "{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3), }\n"


@pytest.mark.parametrize(
    "text",
    [
        "(" * 4000,
        "-" * 4000 + "1",
        DICT.replace("<f8", "|O"),
        DICT.replace("<f8", "<f16"),
        DICT.replace("<f8", "<c8"),
        DICT.replace("False", "True"),
        DICT.replace("(4, 3)", "(4, -3)"),
        DICT.replace("(4, 3)", "(True, 3)"),
        DICT.replace("(4, 3)", "()"),
        DICT.replace("(4, 3)", "(4, 3, 1)"),
        DICT.replace("(4, 3)", f"({'9' * 3000}, 3)"),
        DICT.replace("(4, 3)", "(0, 3)"),
        DICT.replace("(4, 3)", "(999999999999999, 3)"),
        DICT.replace("(4, 3)", "(1, 99999)"),
        DICT.replace("'<f8'", "[('a', '<f8')]"),
        DICT.replace("'<f8'", "('<f8', (2,))"),
        DICT.replace(", }", ""),
        DICT + " " * 9000,
        "{'descr': (",
        "",
    ],
)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_hostile_headers_are_refused(folder, refused, text, version):
    replace(folder, "features", header(text, version) + bytes(96))
    refused()


def test_a_header_of_gigabytes_is_not_read(folder, refused):
    path = folder / "features.evil.npy"
    replace(folder, "features", header("", 2, size=2**32 - 1))
    os.truncate(path, 2**32)
    assert "header" in refused()


@pytest.mark.parametrize(
    ("key", "array"),
    [
        ("features", np.zeros((4, 3))),
        ("features", np.full((4, 3), 1e-170)),
        ("features", np.full((4, 3), 1e200)),
        ("features", np.full((4, 3), np.nan, dtype=np.float32)),
        ("features", np.ones((4, 3), dtype=np.int64)),
        ("features", np.ones((5, 3))),
        ("features", np.ones((4, 2))),
        ("classifier", np.ones((1, 3))),
        ("classifier", np.ones((20000, 3))),
        ("labels", np.array([0, 1, 2, 3])),
        ("labels", np.array([0, 1, 2, -1], dtype=np.int8)),
        ("labels", np.array([0, 1, 2, 2**63], dtype=np.uint64)),
        ("labels", np.array([0.0, 1.0, 2.0, 0.0])),
        ("labels", np.array([False, True, True, False])),
        ("weights", np.zeros(4)),
        ("weights", np.array([1.0, 1.0, 1.0, -1.0])),
        ("weights", np.array([1.0, 1.0, 1.0, np.inf])),
        ("weights", np.array([1.0, 1.0, 1.0, 5e-324])),
        ("weights", np.ones((4, 1))),
        ("dual", np.zeros((3, 0))),
        ("dual", np.full((3, 3), 1e300)),
        ("dual", np.full((3, 3), -np.inf)),
    ],
)
def test_hostile_arrays_are_refused(folder, refused, key, array):
    replace(folder, key, npy(array))
    refused()


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../h.npy", "a\x00b", "\ud800", "", ".", "..", ".h.npy", "x" * 999, "\x1b[2J"]
)
def test_hostile_names_are_refused(folder, refused, name):
    path = folder / "gap.json"
    certificate = json.loads(path.read_text())
    certificate["features"]["file"] = name
    path.write_text(json.dumps(certificate))
    assert "\x1b" not in refused()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize(
    "make", [os.mkdir, getattr(os, "mkfifo", None), lambda path: os.symlink("/dev/zero", path)]
)
def test_what_is_no_regular_file_is_refused_at_once(folder, refused, make):
    (folder / "h.npy").unlink()
    make(folder / "h.npy")
    assert "cannot be read" in refused()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"name": "sphereufm"', '"name": ' + "9" * 5000),
        ('"name": "sphereufm"', '"name": ' + "[" * 30000),
        ('"name": "sphereufm"', '"name": 1, "name": 1'),
        ('"tau": "3"', '"tau": "3", "tau": "1"'),
        ('"tau": "3"', '"tau": true'),
        ('"tau": "3"', '"tau": "\\u0663"'),
        ('"tau": "3"', '"tau": "3\\n"'),
        ('"gap": "0x', '"gap": "-0x'),
        ('"file": "w.npy"', '"file": true'),
        ('"file": "w.npy"', '"file": "w.npy", "shape": [3, 3]'),
    ],
)
def test_hostile_json_is_refused(folder, refused, old, new):
    path = folder / "gap.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    refused()


def test_rows_are_read_by_the_header_that_was_hashed(tmp_path):
    # the file is exchanged after its header was read, for one of the same size that the certificate names
    first, second = npy(np.ones((8, 3), dtype=np.float32)), npy(np.ones((4, 3)))
    assert len(first) == len(second)
    (tmp_path / "h.npy").write_bytes(first)
    rows = HashedRows(tmp_path, "features", "h.npy", hashlib.sha256(second).hexdigest())
    (tmp_path / "h.npy").write_bytes(second)
    with pytest.raises(CheckError, match="was changed while"):
        rows.whole()


def test_big_endian_rows_and_fortran_vectors_are_read(folder):
    bound = check_large_gap(folder / "gap.json").bound
    replace(folder, "features", npy(np.load(folder / "h.npy").astype(">f8")))
    replace(
        folder,
        "labels",
        header("{'descr': '>i2', 'fortran_order': True, 'shape': (4,), }") + bytes([0, 0, 0, 1, 0, 2, 0, 0]),
    )
    assert check_large_gap(folder / "gap.json").bound == bound


def test_a_bound_by_another_order_of_summation_is_accepted(folder):
    result = check_large_gap(folder / "gap.json")
    assert result.gap == 1.01 * result.bound


# --- mutated certificates


def mutate(rng, data):
    """Flip, write, drop, repeat or insert bytes."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        if not data:
            break
        i, kind = int(rng.integers(len(data))), rng.integers(0, 5)
        if kind == 0:
            data[i] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[i] = int(rng.choice(list(b"0123456789.-/aefnxp\"'{}[](), \x00\xff")))
        elif kind == 2:
            del data[i : i + int(rng.integers(1, 9))]
        elif kind == 3:
            data[i:i] = data[i : i + int(rng.integers(1, 9))]
        else:
            data[i : i + 8] = struct.pack(
                "<d", rng.choice([0.0, np.nan, np.inf, 5e-324, 1e300, -1.0, 1e-300])
            )
    return bytes(data)


def overwrite(rng, data):
    """Flip bits, or write extreme or plain numbers, so that the size stays."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        i = int(rng.integers(len(data)))
        if rng.random() < 0.5:
            data[i] ^= 1 << int(rng.integers(8))
        else:
            value = rng.choice([0.0, -1.0, 1.0, 5e-324, 1e-300, 1e-99, 1e-20, 1e20, 1e99])
            data[i // 8 * 8 : i // 8 * 8 + 8] = struct.pack("<d", value)
    return bytes(data)


def survive(folder, seeds):
    """Mutate the certificate or an array with its hash; a bound that is found is true of what numpy reads."""
    original = {path.name: path.read_bytes() for path in folder.iterdir()}
    bounded = 0
    for seed in seeds:
        rng = np.random.default_rng(seed)
        (folder / "gap.json").write_bytes(original["gap.json"])
        key = rng.choice(["json", "classifier", "features", "labels", "weights", "dual"])
        if key == "json":
            (folder / "gap.json").write_bytes(mutate(rng, original["gap.json"]))
        else:
            file = json.loads(original["gap.json"])[key]["file"]
            start = 0 if rng.random() < 0.3 else 128
            data = original[file]
            changed = (mutate if start == 0 else overwrite)(rng, data[start:])
            replace(folder, key, data[:start] + changed)
        try:
            result = check_large_gap(folder / "gap.json")
        except CheckError:
            continue
        bounded += 1
        data = json.loads((folder / "gap.json").read_bytes())
        W, H, y = (np.load(folder / data[key]["file"]) for key in NAMES)
        weights = np.load(folder / data["weights"]["file"]) if data["weights"] else np.ones(len(y))
        assert result.status == ("PROVED" if result.bound <= float.fromhex(data["gap"]) else "UNDECIDED")
        with mpmath.workdps(60):
            assert result.bound >= exact(Fraction(data["tau"]), W, H, y, weights, W)[1], f"seed={seed}"
    return bounded


def test_mutated_certificates_are_never_wrongly_accepted(folder):
    assert survive(folder, range(400)) > 50


@pytest.mark.slow
def test_mutated_certificates_are_never_wrongly_accepted_many(folder):
    assert survive(folder, range(10_000, 20_000)) > 500
