"""Certificates of format 1: converted, and what comes out is checked; nothing false comes through."""

import json
from pathlib import Path

import numpy as np
import pytest
from checker_cases import critical_points, instance_of

from sphereufm import UFMProblem
from sphereufm.certify import StrictSaddleClaim, prove_point
from sphereufm.certify.checker import CheckError, check_bytes
from sphereufm.certify.convert import convert
from sphereufm.certify.json_format import certificate_to_json
from sphereufm.errors import InvalidInputError

OLD = sorted((Path(__file__).resolve().parents[1] / "data" / "format-1").glob("*.json"))


def checked(data):
    return check_bytes(certificate_to_json(convert(json.dumps(data).encode())).encode())


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_files_of_the_first_version_are_still_proved(path):
    data = json.loads(path.read_text())
    assert data["format"] == "sphereufm-certificate/1"
    result = checked(data)
    assert result.status == "PROVED"
    assert {claim.type for claim in result.claims} == {claim["type"] for claim in data["claims"]}
    with pytest.raises(CheckError, match="format"):
        check_bytes(path.read_bytes())


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_false_files_of_the_first_version_are_not(path):
    data = json.loads(path.read_text())
    for claim in data["claims"]:
        if claim["type"] == "index":
            claim["index"] += 1
        elif claim["type"] in ("gap", "strict_saddle"):
            for key, value in (("gap", "0x0p+0"), ("curvature", "-0x1p+40")):
                claim |= {key: value} if key in claim else {}
        elif claim["type"] in ("collapsed", "critical"):
            claim["radius"] = "0x1p-900"
        elif claim["type"] in ("spurious", "degenerate"):
            claim["margin"] = "0x1p+9"
        elif claim["type"] == "benign":
            data["instance"]["dim"] = 2
    assert checked(data).status != "PROVED"


@pytest.mark.parametrize("form", ["split_tangent", "split_normal"])
def test_samples_taken_apart_have_the_curvature_of_their_group(form):
    # one classifier turned around: the four samples of its class want to leave it
    problem = UFMProblem(class_sizes=(4, 1, 1), dim=4, tau=3)
    r = 1 if form == "split_normal" else 2
    signs = np.array([[-1.0, 1, 1, 1, 1, 1, 1, 1, 1]])
    for X in critical_points(problem, r, 40) if r > 1 else [signs]:
        certificate = prove_point(instance_of(problem), X)
        point = certificate.point
        if point is None or point.rank != r or point.groups is None:
            continue
        group = next((g for g, ranges in enumerate(point.groups) if ranges[0][1] - ranges[0][0] > 1), None)
        if group is None or certificate.find(StrictSaddleClaim) is None:
            continue
        apart = {"group": group, "radius": "0x0p+0", "curvature": "-0x1p-60", "form": form}
        if form == "split_tangent":
            h = [float(x) for x in point.columns[3 + group]]
            apart["direction"] = [float(-h[1]).hex(), float(h[0]).hex()]
        old = _in_format_1(certificate, {"type": "strict_saddle", **apart})
        found = convert(json.dumps(old).encode()).claims[0]
        assert {len(column) for column in found.direction} == {r + (form == "split_normal")}
        assert [j for j, column in enumerate(found.direction) if any(column)] == [3 + group]
        assert checked(old).claims[0].status in ("PROVED", "UNDECIDED")
        return
    pytest.fail("no point with equal samples")


def _in_format_1(certificate, claim):
    """A file of format 1 about the point of a certificate."""
    point = certificate.point
    return {
        "format": "sphereufm-certificate/1",
        "producer": {"name": "by hand", "version": "0"},
        "instance": json.loads(certificate_to_json(certificate))["instance"],
        "point": {
            "rank": point.rank,
            "columns": [[float(x).hex() for x in column] for column in point.columns],
            "groups": [[list(pair) for pair in group] for group in point.groups],
        },
        "claims": [claim],
    }


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b'{"format": "sphereufm-certificate/1"}', b"[" * 10_000, b'{"format": 1}', b"\xff"],
)
def test_other_files_are_refused_in_one_sentence(data):
    with pytest.raises(InvalidInputError, match="no certificate of format 1") as refused:
        convert(data)
    assert len(str(refused.value)) < 400


def test_a_point_that_would_take_long_is_refused():
    data = json.loads(OLD[-1].read_text())
    data["instance"] |= {"class_sizes": [5000, 0, 0, 0], "weights": None}
    data["point"] = {"rank": 1, "columns": [["0x1p+0"]] * 5004, "groups": None}
    data["claims"] = [{"type": "rank_one"}]
    with pytest.raises(InvalidInputError, match="too many"):
        convert(json.dumps(data).encode())
    # existence is a dense system
    data["instance"] |= {"class_sizes": [1000, 0, 0, 0]}
    data["point"]["columns"] = data["point"]["columns"][:1004]
    assert convert(json.dumps(data).encode()).claims
    data["claims"] += [{"type": "critical", "radius": "0x1p-20", "unique_radius": "0x1p-10"}]
    with pytest.raises(InvalidInputError, match="at most 900 "):
        convert(json.dumps(data).encode())


SADDLE = {
    "type": "strict_saddle",
    "form": "split_tangent",
    "group": 0,
    "radius": "0x0p+0",
    "curvature": "-0x1p-9",
}


@pytest.mark.parametrize(
    "changes",
    [
        {"instance": {"tau": "1e999999999"}},
        {"instance": {"classes": 0}},
        {"claims": [{"type": "collapsed", "radius": "0x1p-1", "target": ["1e999999999"]}]},
        {"claims": [{"type": "collapsed", "radius": "0x1p-1", "target": ["1@999999999"]}]},
        {"point": {"rank": 10**9}, "claims": [SADDLE | {"direction": ["0x0p+0", "0x1p+0"]}]},
        {"point": {"rank": 10**30}, "claims": [SADDLE | {"direction": ["0x0p+0", "0x1p+0"]}]},
    ],
)
def test_numbers_that_would_fill_the_memory_are_refused_unread(changes):
    instance = {"kind": "ufm", "classes": 2, "dim": 3, "class_sizes": [1, 1], "tau": "1", "weights": None}
    data = {
        "format": "sphereufm-certificate/1",
        "producer": {"name": "a", "version": "0"},
        "instance": instance | {"loss": "cross-entropy"} | changes.get("instance", {}),
        "point": {"rank": 2, "columns": [["0x1p+0", "0x0p+0"]] * 4, "groups": None}
        | changes.get("point", {}),
        "claims": changes.get("claims", [{"type": "collapsed", "radius": "0x1p-1", "target": ["0x0p+0"]}]),
    }
    with pytest.raises(InvalidInputError, match="no certificate of format 1"):
        convert(json.dumps(data).encode())
