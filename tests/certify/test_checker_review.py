"""What a sceptical reading of the checker found: inputs that hung, took all memory, or crashed it."""

import json
import time
from fractions import Fraction

import pytest

from sphereufm.certify.checker import CheckError, check_bytes, face
from sphereufm.certify.checker.place import Place
from sphereufm.certify.checker.reading import FORMAT, read_certificate

ONE, ZERO = "1", "0"


def certificate(instance, point, *claims):
    producer = {"name": "review", "version": "1"}
    return {
        "format": FORMAT,
        "producer": producer,
        "instance": instance,
        "point": point,
        "claims": list(claims),
    }


def ufm(sizes, dim, tau="1", **more):
    data = {"kind": "ufm", "classes": len(sizes), "dim": dim, "tau": tau, "loss": "cross-entropy"}
    return {**data, "weights": None, "class_sizes": sizes, **more}


def point(rank, columns, groups=None):
    return {"rank": rank, "columns": columns, "groups": groups, "scales": [0] * len(columns)}


# of any size but the right one
WITNESS = [0, 1, [0], "AQ=="]


def critical():
    return {"type": "critical", "radius": "1@-40", "unique_radius": "1@-20", "witness": [WITNESS]}


def saddle(direction):
    return {"type": "strict_saddle", "radius": ZERO, "curvature": "-1@-9", "direction": direction}


def status(data, backend="flint"):
    start = time.process_time()
    result = check_bytes(json.dumps(data).encode(), backend)
    assert time.process_time() - start < 20
    return result.status


def test_overlapping_ranges_are_refused_before_they_are_walked():
    instance = ufm([1, 1], 2)
    del instance["class_sizes"]
    instance["labels"] = [0] * 100_000
    groups = [[[0, 100_000]] * 100_000]
    data = certificate(instance, point(1, [[ONE]] * 3, groups), {"type": "rank_one"})
    start = time.process_time()
    with pytest.raises(CheckError, match="exactly once"):
        check_bytes(json.dumps(data).encode())
    assert time.process_time() - start < 10


def test_many_columns_are_undecided_and_no_square_matrix_is_built():
    data = certificate(
        ufm([3_000, 3_000], 3),
        point(1, [[ONE]] * 6_002),
        {"type": "rank_one"},
        {"type": "global_minimum", "witness": [WITNESS]},
    )
    assert status(data) == "UNDECIDED"


def test_logits_of_many_classes_do_not_fill_the_memory():
    n = 2500
    data = certificate(
        ufm([1] * n, 2), point(1, [[ONE]] * (2 * n)), {"type": "rank_one"}, saddle([[ONE]] * (2 * n))
    )
    start = time.process_time()
    assert status(data) == "UNDECIDED"
    assert time.process_time() - start < 10


def test_a_frame_of_many_dimensions_is_undecided_before_its_pairs_are_listed():
    r = 20_000
    column = [ONE] + [ZERO] * (r - 1)
    instance = ufm([1, 1], r) | {"loss": {"name": "squared-error", "own_weight": "1", "target": "1"}}
    claim = {"type": "frame", "radius": "1", "mirror": ["1"] * r, "sides": ["1", "1"], "witness": []}
    start = time.process_time()
    assert status(certificate(instance, point(r, [column] * 4), claim)) == "UNDECIDED"
    assert time.process_time() - start < 10


def test_work_of_an_expression_is_bounded_before_it_is_done():
    d = 5000
    column = [ONE] + [ZERO] * (d - 1)
    instance = {
        "kind": "expression",
        "dim": d,
        "columns": 2,
        "program": [["gram", 0, 1], ["mul", 0, 0]],
    }
    claims = critical(), saddle([column] * 2)
    assert status(certificate(instance, point(d, [column] * 2), *claims)) == "UNDECIDED"
    instance["program"] = [["gram", 0, 1], ["add", *[0] * 100_000]]
    assert status(certificate(instance, point(d, [column] * 2), claims[1])) == "UNDECIDED"


def test_a_long_collapsed_point_is_undecided():
    r = 20_000
    columns = [[ONE] + [ZERO] * (r - 1)] * 3 + [[ZERO, ONE] + [ZERO] * (r - 2)]
    claim = {"type": "collapsed", "radius": "1@-9", "target": [ZERO] * (r - 1), "witness": [WITNESS] * 2}
    assert status(certificate(ufm([1, 1], r), point(r, columns), claim)) == "UNDECIDED"


def test_a_saddle_of_high_rank_is_undecided():
    r = 5000
    columns = [[ONE] + [ZERO] * (r - 1)] * 3
    claim = saddle(columns)
    assert status(certificate(ufm([2, 0], r), point(r, columns, [[[0, 2]]]), claim)) == "UNDECIDED"


@pytest.mark.parametrize("backend", ["flint", "integers"])
def test_towers_of_exponentials_are_undecided(backend):
    program = [["const", "9" * 60], ["gram", 0, 1], ["mul", 0, 1]] + [["exp", 2 + t] for t in range(6)]
    instance = {"kind": "expression", "dim": 2, "columns": 2, "program": program}
    data = certificate(instance, point(2, [[ONE, ZERO]] * 2), critical())
    assert status(data, backend) == "UNDECIDED"


@pytest.mark.parametrize("backend", ["flint", "integers"])
def test_extreme_temperatures_crash_nothing(backend):
    gap = {"type": "gap", "gap": "2", "shifts": [ONE] * 4, "witness": [[0, 1, [0, 0], "AQAAAQ=="]]}
    columns = [[ONE, ZERO], [ZERO, ONE], [ZERO, ONE], [ONE, ZERO]]
    for tau in ("9" * 60, "1/" + "9" * 60):
        for claim in (gap, critical()):
            data = certificate(ufm([1, 1], 2, tau), point(2, columns), claim)
            assert status(data, backend) in ("UNDECIDED", "PROVED", "REFUTED")


@pytest.mark.parametrize("backend", ["flint", "integers"])
def test_radii_of_one_print_are_not_taken_for_each_other(backend):
    arithmetic = face.BACKENDS[backend](128)
    with arithmetic:
        data = certificate(ufm([1, 1], 2), point(1, [[ONE]] * 4))
        _, p, stored, claims = read_certificate(json.dumps(data).encode())
        at = Place(arithmetic, p, stored, claims)
        assert at.around(Fraction(1, 9)) is at.around(Fraction(1, 9))
        assert at.around(Fraction(1, 4)) is not at.around(Fraction(2**200 + 1, 2**202))


def unit(r, i=0):
    return [ZERO] * i + [ONE] + [ZERO] * (r - 1 - i)


def test_a_gap_below_its_shifts_by_less_than_a_rounding_is_not_proved():
    # at 128 bits the ball around the sum of the shifts holds twice the gap, though the sum is larger by 2^-203
    for third, expected in (("2", "PROVED"), (f"{2**204 + 1}@-203", "UNDECIDED")):
        witness = [0, 1, [-2, -2], "AwAAAw=="]
        claim = {"type": "gap", "gap": "3", "shifts": ["2", "2", third], "witness": [witness]}
        assert status(certificate(ufm([1, 0], 2), point(1, [[ONE]] * 3), claim)) == expected


def test_weights_of_many_denominators_are_added_in_balls():
    n = 2000
    weights = [f"1/{10**59 + 2 * i + 1}" for i in range(n)]
    claim = {"type": "gap", "gap": ONE, "shifts": [ONE] * (n + 2), "witness": [WITNESS]}
    data = certificate(ufm([n, 0], 2, weights=weights), point(1, [[ONE]] * (n + 2)), claim)
    assert status(data) == "UNDECIDED"
    lower = point(1, [[ONE]] * (n + 2))
    claim = {"type": "degenerate", "lower_point": lower, "margin": ONE}
    columns = [unit(2)] * 2 + [unit(2, 1)] * n
    assert status(certificate(ufm([n, 0], 2, weights=weights), point(2, columns), claim)) == "UNDECIDED"


def test_the_rotations_of_a_large_space_are_not_listed():
    d = 1000
    instance = {"kind": "expression", "dim": d, "columns": 2, "program": [["gram", 0, 1]]}
    assert status(certificate(instance, point(d, [unit(d)] * 2), critical())) == "UNDECIDED"


def test_long_programs_of_large_inner_products_end():
    d = 10_000
    instance = {"kind": "expression", "dim": d, "columns": 2, "program": [["gram", 0, 1]] * 300}
    assert status(certificate(instance, point(d, [unit(d), unit(d, 1)]), critical())) == "REFUTED"


def test_a_box_of_many_columns_is_refused_before_its_normals_are_listed():
    data = certificate(ufm([3000, 3000], 3), point(1, [[ONE]] * 6002), critical())
    assert status(data) == "UNDECIDED"


def test_all_levels_of_precision_share_one_budget(monkeypatch):
    spent = []

    def statuses(at, checks):
        spent.append(at.B.spent)
        at.B.charge(8)
        return {"rank_one": ("UNDECIDED", "")}

    monkeypatch.setattr(face, "statuses", statuses)
    assert status(certificate(ufm([1, 1], 2), point(1, [[ONE]] * 4), {"type": "rank_one"})) == "UNDECIDED"
    assert spent == [0, 8, 16]


@pytest.mark.parametrize("kind", ["gap", "shared_loss"])
def test_exact_sums_of_many_denominators_are_undecided_quickly(kind):
    many = [f"1/{10**59 + 2 * i + 1}" for i in range(12_000)]
    instance = ufm([len(many) - 1, 1], 3) | {"weights": many if kind == "shared_loss" else None}
    if kind == "shared_loss":
        instance["loss"] = {"name": "squared-error", "own_weight": "1", "target": "1"}
    claims = {
        "gap": {"type": "gap", "gap": "1", "shifts": [*many, "1", "1"], "witness": []},
        "shared_loss": {"type": "shared_loss", "radius": "1", "witness": []},
    }
    data = certificate(instance, point(1, [[ONE]] * (len(many) + 2)), claims[kind])
    assert status(data) == "UNDECIDED"


@pytest.mark.parametrize("kind", ["collapsed", "least_loss"])
def test_many_classes_are_told_apart_in_one_pass(kind):
    K, many = (8_000, 3) if kind == "collapsed" else (12_000, 0)
    instance = ufm([many] * (K - 1) + [1], 3) | {"loss": {"name": "label-smoothing", "smoothing": "1/10"}}
    W = [["1", "0" if kind == "collapsed" else str(k)] for k in range(K)]
    data = point(2, W + [["0", "1"]] * sum(instance["class_sizes"]))
    claim = {"type": kind, "radius": "1", "witness": []} | ({"target": ["0"]} if kind == "collapsed" else {})
    assert status(certificate(instance, data, claim)) == "UNDECIDED"
