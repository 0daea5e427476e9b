"""The checker broken on purpose, one inequality or multiplicity at a time: each break lets a false certificate through.

A break is a change of one line of the one-file checker; its probe is a certificate of which the right checker does not
accept the claim named, and the broken one does.
"""

import base64
import copy
import json
import sys
import types
from fractions import Fraction

import numpy as np
import pytest
from checker_cases import as_json, critical_points, exact_value, instance_of, valid_certificates

from sphereufm import UFMProblem, collapsed_point, solve
from sphereufm.certify import prove_benign, prove_gap, prove_point
from sphereufm.certify.alone import alone
from sphereufm.certify.checker import check_bytes
from sphereufm.certify.exact import exact_text, round_dyadic
from sphereufm.certify.expressions import Cost
from sphereufm.problem.theory.known_points import orthogonal_collapsed_point


def broken(old, new):
    """The checker with one line changed."""
    source = alone()
    assert source.count(old) == 1, f"{source.count(old)} places have {old!r}"
    module = types.ModuleType("broken_checker")
    sys.modules["broken_checker"] = module
    exec(compile(source.replace(old, new), "broken_checker.py", "exec"), module.__dict__)
    return module.check_bytes


@pytest.fixture(scope="module")
def true():
    return valid_certificates()


def having(certificates, *kinds, where=lambda c: True):
    return copy.deepcopy(
        next(c for c in certificates if set(kinds) <= {claim["type"] for claim in c["claims"]} and where(c))
    )


def claim_of(data, kind):
    return next(claim for claim in data["claims"] if claim["type"] == kind)


# --- probes: each takes the true certificates and returns false data, and the claim that must not be accepted


def no_contraction(true):
    data = having(true, "critical")
    claim = claim_of(data, "critical")
    n = len(claim["witness"][0][2])
    # Y = 0 moves nothing: eta = 0 and q = 1
    claim["witness"][0] = [0, 1, [0] * n, base64.b64encode(bytes(n * n)).decode()]
    claim["unique_radius"] = "1@-4"
    return data, "critical"


def too_small_radius(true):
    # below what the test proves, not below the distance at which the gradient excludes zero
    data = having(true, "critical", where=lambda c: "@" in c["point"]["columns"][0][0])
    claim = claim_of(data, "critical")
    for factor in (Fraction(1, 2), Fraction(127, 128)):
        proved = claim["radius"]
        while status_of(check_bytes, data, "critical") == "PROVED":
            proved = claim["radius"]
            claim["radius"] = exact_text(round_dyadic(exact_value(proved) * factor, 40))
        last, claim["radius"] = claim["radius"], proved
    claim["radius"] = last
    return data, "critical"


def wrong_inertia(true):
    data = having(true, "critical", "index", where=lambda c: c["instance"]["dim"] - c["point"]["rank"] == 1)
    claim = claim_of(data, "index")
    claim["index"] += 1
    claim["witness"][-1][0] += 1
    return data, "index"


def index_of(more):
    """An index that is off by some number, at a point where several multiplicities matter."""

    def probe(true):
        problem = UFMProblem(class_sizes=(4, 1, 1), dim=4, tau=3)
        for X in critical_points(problem, 2, 60):
            data = as_json(prove_point(instance_of(problem), X))
            kinds = {claim["type"] for claim in data["claims"]}
            groups = data["point"]["groups"]
            if {"critical", "index"} <= kinds and groups and more(data) is not None:
                claim_of(data, "index")["index"] = more(data)
                return data, "index"
        raise AssertionError("no such point")

    return probe


def negative_parts(data):
    """Of a true index: it, what groups of several samples contribute once each, and ``n_-(S)``."""
    claim, r = claim_of(data, "index"), data["point"]["rank"]
    sizes = [m for m in (sum(b - a for a, b in group) for group in data["point"]["groups"]) if m > 1]
    splits, codimension = [w[0] for w in claim["witness"][:-1]], data["instance"]["dim"] - r
    inside = claim_of(data, "critical")["witness"][0][0]
    inside += sum(s * (m - 1) for s, m in zip(splits, sizes, strict=True))
    normal = (claim["index"] - inside) // codimension
    return claim["index"], splits, normal


def with_one_copy_more(data):
    index, splits, _ = negative_parts(data)
    return index + sum(splits) if sum(splits) else None


def with_one_dimension_more(data):
    index, _, normal = negative_parts(data)
    return index + normal if normal else None


def a_group_counted_once(true):
    # the four samples of a class turned away from its classifier: each has a positive multiplier
    problem = UFMProblem(class_sizes=(4, 1, 1), dim=4, tau=3)
    data = as_json(prove_point(instance_of(problem), np.array([[-1.0, 1, 1, 1, 1, 1, 1, 1, 1]])))
    assert data["point"]["groups"][0] == [[0, 4]]
    claim_of(data, "index")["index"] -= 3 * (data["instance"]["dim"] - 1)
    return data, "index"


def steeper(true):
    data = having(true, "strict_saddle")
    claim = claim_of(data, "strict_saddle")
    claim["curvature"] = exact_text(16 * exact_value(claim["curvature"]))
    return data, "strict_saddle"


def without_multiplicities(true):
    problem = UFMProblem(class_sizes=(40, 1), dim=3, tau=1)
    signs = np.ones((1, 43))
    signs[0, 0] = -1.0
    data = as_json(prove_point(instance_of(problem), signs))
    claim = claim_of(data, "strict_saddle")
    assert data["point"]["groups"] is not None
    claim["curvature"] = exact_text(exact_value(claim["curvature"]) * 101 / 100)
    return data, "strict_saddle"


def half_a_gap(true):
    data = having(true, "gap")
    claim = claim_of(data, "gap")
    claim["gap"] = exact_text(exact_value(claim["gap"]) * 3 / 4)
    return data, "gap"


def gap_of_merged_samples(true):
    problem = UFMProblem(class_sizes=(4, 4), dim=2, tau=1)
    X = problem.spheres.random_point(1)[:, [0, 1, 2, 2, 2, 2, 3, 3, 3, 3]]
    data = as_json(prove_gap(instance_of(problem), X))
    claim = claim_of(data, "gap")
    assert data["point"]["groups"] is not None
    claim["gap"] = exact_text(sum(map(exact_value, claim["shifts"])) / 2)
    return data, "gap"


def a_gap_of_the_focal_loss(true):
    data = having(true, "gap")
    data["instance"]["loss"] = {"name": "focal", "focusing": "0"}
    return data, "gap"


def overlapping_groups(true):
    data = having(true, "rank_one", where=lambda c: c["point"]["groups"] is None)
    point, K = data["point"], data["instance"]["classes"]
    N = sum(data["instance"]["class_sizes"])
    # the first sample twice, the last one never
    point["groups"] = [[[0, 1]], [[0, 1]], *([[i, i + 1]] for i in range(1, N - 1))]
    point["columns"], point["scales"] = [["1"]] * (K + N), [0] * (K + N)
    data["claims"] = [{"type": "rank_one"}]
    return data, "rank_one"


def an_index_without_a_point(true):
    data = having(true, "critical", "index", where=lambda c: c["instance"]["dim"] > c["point"]["rank"])
    claim = claim_of(data, "critical")
    claim["unique_radius"] = "1@-2"
    return data, "index"


def theorem_of_another(true):
    data = as_json(prove_benign(instance_of(UFMProblem(class_sizes=(1, 1, 1), dim=3, tau=9))))
    data["instance"]["loss"] = {"name": "focal", "focusing": "2"}
    return data, "benign"


def negative_shifts(true):
    # the features' diagonal entries are about -3, and the Schur complement is near the unit matrix all the same
    problem = UFMProblem(class_sizes=(1, 1), dim=2, tau=1)
    data = as_json(prove_gap(instance_of(problem), problem.spheres.random_point(1)))
    claim = claim_of(data, "gap")
    claim["shifts"], claim["gap"], data["point"]["scales"] = ["1", "1", "-3", "-3"], "0", [0] * 4
    claim["witness"] = [[0, 1, [0, 0], "AQAAAQ=="]]
    return data, "gap"


def a_saddle_as_minimum(true):
    data = having(
        true,
        "critical",
        "index",
        where=lambda c: c["instance"]["dim"] > c["point"]["rank"] and claim_of(c, "index")["witness"][-1][0],
    )
    witness = claim_of(data, "index")["witness"][-1]
    data["claims"] = [claim_of(data, "critical"), {"type": "global_minimum", "witness": [witness]}]
    return data, "global_minimum"


def of_a_concave_cost(true):
    # -g^2 - g / 2 has a strict minimum at g = -1, where S is positive off the row space, and a lower one at g = 1
    g = Cost(dim=2, columns=2).gram(0, 1)
    instance = g.cost.instance(-(g * g) - g / 2)
    pair = as_json(prove_point(g.cost.instance(g), [[1, -1], [0, 0]]))
    data = as_json(prove_point(instance, [[1, -1], [0, 0]]))
    data["point"]["scales"] = pair["point"]["scales"]
    data["claims"] = [claim_of(data, "critical"), claim_of(pair, "global_minimum")]
    return data, "global_minimum"


def not_of_rank_one(true):
    data = having(true, "rank_one")
    data["point"]["columns"][0] = ["3@-2"]
    return data, "rank_one"


def far_from_the_family(true):
    data = having(
        true,
        "collapsed",
        where=lambda c: "@" in json.dumps(c["point"]["columns"]),
    )
    claim = claim_of(data, "collapsed")
    claim["target"] = [exact_text(exact_value(t) + exact_value("1@-20")) for t in claim["target"]]
    claim["radius"] = "1@-40"
    return data, "collapsed"


def misclassified(true):
    data = having(true, "well_classified")
    for column in data["point"]["columns"][data["instance"]["classes"] :]:
        column[:] = [x[1:] if x[0] == "-" else f"-{x}" for x in column]
    return data, "well_classified"


def out_of_reach(true):
    loss = {"name": "label-smoothing", "smoothing": "1/10"}
    problem = UFMProblem(class_sizes=(1, 1, 1), dim=4, tau=3, loss=loss)
    data = as_json(prove_point(instance_of(problem), solve(problem, rng=0).X))
    data["instance"]["tau"], claim_of(data, "least_loss")["radius"] = "1", "1@30"
    return data, "least_loss"


def flat(true):
    pairs = UFMProblem(class_sizes=(2, 2), dim=2, tau=5)
    return as_json(
        prove_point(instance_of(pairs), orthogonal_collapsed_point(pairs), lower=collapsed_point(pairs))
    )


def unequal_signs(true):
    data = flat(true)
    data["point"]["columns"][-1] = ["0", "-1"]
    return data, "degenerate"


def too_large_margin(true):
    data = flat(true)
    claim_of(data, "degenerate")["margin"] = "64"
    return data, "degenerate"


def spurious_saddle(true):
    data = having(true, "critical", "spurious")
    lower = claim_of(data, "spurious")
    data["claims"] = [claim_of(data, "critical"), lower]
    return data, "spurious"


def theorem_below(true):
    data = as_json(prove_benign(instance_of(UFMProblem(class_sizes=(1, 1, 1, 1), dim=4, tau=9))))
    data["instance"]["dim"] = 3
    return data, "benign"


def edge_too_hot(true):
    data = as_json(prove_benign(instance_of(UFMProblem(class_sizes=(1, 1, 1, 1), dim=3, tau=1))))
    data["instance"]["tau"] = "11/10"
    return data, "benign"


def mixed_group(true):
    data = having(
        true, "rank_one", where=lambda c: c["point"]["groups"] is None and c["instance"]["classes"] == 3
    )
    point = data["point"]
    # the last two samples have different labels
    point["groups"] = [[[0, 1]], [[1, 2]], [[2, 4]]]
    point["columns"], point["scales"] = point["columns"][:6], [0] * 6
    data["claims"] = [{"type": "rank_one"}]
    return data, "rank_one"


BREAKS = {
    "contraction not tested": ("require(B.less(eta + q, 1),", "require(True,", no_contraction),
    "reach not compared": (
        'B.less(B.number(rho) * eta / (1 - q), B.number(claim["radius"]))',
        "True",
        too_small_radius,
    ),
    "inertia not proved": (
        'require(B.less(q, 1), f"the inertia',
        'require(True, f"the inertia',
        wrong_inertia,
    ),
    "a copy of split blocks more": (
        "total += (m - 1) * inertia(",
        "total += m * inertia(",
        index_of(with_one_copy_more),
    ),
    "a dimension more": (
        "total += (d - r) * multiplier_index",
        "total += (d - r + 1) * multiplier_index",
        index_of(with_one_dimension_more),
    ),
    "a group counted once": (
        "return sum(m for m, b in zip(sizes[K:]",
        "return sum(1 for m, b in zip(sizes[K:]",
        a_group_counted_once,
    ),
    "curvature not compared": (
        'at.B.less(form - at.B.number(claim["curvature"]) * length, 0)',
        "at.B.less(form, 0)",
        steeper,
    ),
    "metric without multiplicities": (
        "dot(at.point.sizes, [dot(v, v) for v in V])",
        "sum(dot(v, v) for v in V)",
        without_multiplicities,
    ),
    "gap twice too small": ('<= 2 * claim["gap"]', '<= 4 * claim["gap"]', half_a_gap),
    "shifts without multiplicities": (
        "sum(m * x for m, x in zip(at.point.sizes",
        "sum(x for m, x in zip(at.point.sizes",
        gap_of_merged_samples,
    ),
    "negative diagonal": ("return below + inertia(", "return inertia(", negative_shifts),
    "any inertia is a minimum": (
        "require(below == 0,",
        "require(True,",
        a_saddle_as_minimum,
    ),
    "a loss that is not convex": (
        "require(is_convex(at.p),",
        "require(True,",
        a_gap_of_the_focal_loss,
    ),
    "any expression is convex": ('return "+" in known[-1]', "return True", of_a_concave_cost),
    "entries not compared": (
        "abs(x) == 1 for column in at.point.columns for x in column",
        "[True]",
        not_of_rank_one,
    ),
    "features may be anywhere": (
        'at.B.less(cap(at.B, moves), at.B.number(claim["radius"]))',
        "True",
        far_from_the_family,
    ),
    "samples may be misclassified": (
        "2 * p.taus[first] <= K - 2 or all(B.less(0, x) for x in leads)",
        "True",
        misclassified,
    ),
    "conditions that nothing meets": (
        "F = [x + w * y for x, y in zip(F, turned, strict=True)]",
        "F = [x - x for x in F]",
        out_of_reach,
    ),
    "sums not compared": ("if high != low:", "if False:", unequal_signs),
    "margin forgotten": (
        'B.less(there, here - B.number(claim["margin"]))',
        "B.less(there, here)",
        too_large_margin,
    ),
    "spurious without an index": (
        "require(minimiser,",
        "require(True,",
        spurious_saddle,
    ),
    "a dimension too low for Theorem S": (
        "return p.loss in SOFTMAX and p.dim >= max(p.classes, 3)",
        "return p.dim >= max(p.classes - 1, 3)",
        theorem_below,
    ),
    "any temperature at the edge": ("3 and 2 * max(p.taus) <= p.classes - 2", "3", edge_too_hot),
    "groups of different labels": (
        'refuse_if(not same, "samples of a group',
        'refuse_if(False, "samples of a group',
        mixed_group,
    ),
    "groups that overlap": ("(tiled and all(ranges))", "all(ranges)", overlapping_groups),
    "a radius of nothing": (
        "if at.status.get(kind) == PROVED]",
        "if kind in at.claims]",
        an_index_without_a_point,
    ),
    "a theorem for any loss": (
        "return p.loss in SOFTMAX and p.dim >=",
        "return p.dim >=",
        theorem_of_another,
    ),
}


def status_of(check, data, kind):
    try:
        result = check(json.dumps(data).encode())
    except ValueError:  # a CheckError, of either
        return "UNREADABLE"
    return next(claim.status for claim in result.claims if claim.type == kind)


@pytest.mark.parametrize("name", BREAKS)
def test_every_break_lets_a_false_certificate_through(true, name):
    old, new, probe = BREAKS[name]
    data, kind = probe(true)
    assert status_of(check_bytes, data, kind) != "PROVED"
    assert status_of(broken(old, new), data, kind) == "PROVED"
