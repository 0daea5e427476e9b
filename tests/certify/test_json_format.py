"""Certificates as text: exact round trips, and refusals of everything that the format does not have."""

import copy
import json
from fractions import Fraction
from pathlib import Path

import jsonschema
import pytest

from sphereufm.certify import (
    BenignClaim,
    Certificate,
    CollapsedClaim,
    CriticalClaim,
    ExactInstance,
    ExactPoint,
    ExpressionInstance,
    GapClaim,
    GlobalMinimumClaim,
    IndexClaim,
    RankOneClaim,
    SpuriousClaim,
    StrictSaddleClaim,
    read_certificate,
    write_certificate,
)
from sphereufm.certify.json_format import certificate_from_json, certificate_to_json
from sphereufm.certify.witness import Witness
from sphereufm.errors import InvalidInputError, OutputError, UnreadableFileError

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs" / "schemas" / "certificate.schema.json").read_text(encoding="utf-8"))

TINY = Fraction(3, 2**130)
INSTANCE = ExactInstance(
    classes=2,
    dim=4,
    labels=(1, 0, 1),
    tau=Fraction(18, 5),
    weights=(Fraction(1, 3), Fraction(2), Fraction(1, 3)),
)
POINT = ExactPoint(
    columns=(
        (Fraction(1), TINY),
        (Fraction(-1), Fraction(0)),
        (Fraction(3, 4), Fraction(1, 2)),
        (Fraction(1), Fraction(0)),
    ),
    groups=(((0, 1), (2, 3)), ((1, 2),)),
    scales=(0, -1, 0, 3),
)
WITNESS = Witness.of([[1.0, 0.5], [0.0, 2.0]], 1, 3)
CRITICAL = CriticalClaim(radius=TINY, unique_radius=Fraction(1, 1024), witness=(WITNESS,))
CLAIMS = [
    (CRITICAL, IndexClaim(index=3, witness=(WITNESS,) * 2)),
    (RankOneClaim(), GlobalMinimumClaim(witness=(WITNESS,))),
    (StrictSaddleClaim(radius=Fraction(0), curvature=-TINY, direction=((TINY, -TINY),) * 4),),
    (GapClaim(gap=TINY, shifts=(TINY, -TINY, Fraction(0), TINY), witness=(WITNESS,)),),
    (CollapsedClaim(radius=TINY, target=(TINY,), witness=(None, WITNESS)),),
    (
        CRITICAL,
        IndexClaim(index=0, witness=(WITNESS,) * 2),
        SpuriousClaim(lower_point=POINT, margin=TINY),
    ),
]


@pytest.mark.parametrize("claims", CLAIMS, ids=lambda claims: type(claims[-1]).__name__)
def test_certificates_survive_the_round_trip(claims, tmp_path):
    certificate = Certificate(
        instance=INSTANCE, point=POINT, claims=claims, precision=256, cost=0.1, reason="why"
    )
    text = certificate_to_json(certificate)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(text))
    assert certificate_from_json(text) == certificate
    write_certificate(tmp_path / "c.json", certificate)
    assert read_certificate(tmp_path / "c.json") == certificate
    assert [path.name for path in tmp_path.iterdir()] == ["c.json"]


def test_expressions_and_instances_without_a_point_survive_the_round_trip():
    program = (("gram", 0, 1), ("const", "1/3"), ("mul", 0, 1), ("exp", 2))
    cost = ExpressionInstance(dim=2, columns=2, program=program)
    point = ExactPoint(columns=((Fraction(1), Fraction(0)),) * 2, scales=(0, 0))
    certificates = [
        Certificate(instance=cost, point=point, claims=()),
        Certificate(instance=INSTANCE, point=None, claims=(BenignClaim(),)),
        Certificate(instance=INSTANCE, point=None, claims=(), reason="nothing"),
    ]
    for certificate in certificates:
        assert certificate_from_json(certificate_to_json(certificate)) == certificate


@pytest.fixture
def document():
    certificate = Certificate(instance=INSTANCE, point=POINT, claims=CLAIMS[0], cost=0.5)
    return json.loads(certificate_to_json(certificate))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), "sphereufm-certificate/1"),
        (("surprise",), 1),
        (("claims",), ...),
        (("claims", 0, "radius"), 0.5),
        (("claims", 0, "radius"), "-1/2"),
        (("claims", 0, "witness", 0, 3), "AQ="),
        (("claims", 0, "witness", 0, 1), 2),
        (("claims", 0, "witness", 0, 0), 3),
        (("claims", 0, "radius"), ...),
        (("claims", 0, "type"), "global"),
        (("claims", 0, "type"), "index"),
        (("claims", 1, "index"), True),
        (("claims", 1, "index"), 1.0),
        (("claims", 1, "index"), "1"),
        (("claims", 1, "surprise"), 0),
        (("instance", "kind"), "rbf"),
        (("instance", "tau"), "3.6"),
        (("instance", "tau"), "0x1p+0"),
        (("instance", "tau"), "-1"),
        (("instance", "tau"), "0"),
        (("instance", "tau"), 1),
        (("instance", "class_sizes"), [1, 2]),
        (("instance", "labels"), [0, 1, 2]),
        (("instance", "labels"), []),
        (("instance", "weights"), ["1", "1"]),
        (("instance", "weights"), ["1", "1", "0"]),
        (("instance", "loss"), "focal"),
        (("instance", "classes"), 0),
        (("point", "rank"), 3),
        (("point", "rank"), 0),
        (("point", "columns", 0), ["1"]),
        (("point", "columns", 0, 0), "nan"),
        (("point", "groups", 0, 0), [1, 1]),
        (("point", "groups", 0, 0), [0, 1, 2]),
        (("producer", "name"), "x" * 201),
        (("hints", "precision"), "128"),
        (("hints", "surprise"), 1),
        (("reason",), "x" * 2001),
    ],
)
def test_changed_documents_are_refused(document, path, value):
    changed = copy.deepcopy(document)
    place = changed
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    with pytest.raises(InvalidInputError):
        certificate_from_json(json.dumps(changed))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"index": 3', '"index": 3, "index": 3'),
        lambda text: text.replace('"index": 3', '"index": NaN'),
        lambda text: text.replace('"index": 3', '"index": 3e0'),
        lambda text: text.replace('"index": 3', '"index": 1234567890'),
        lambda text: text.replace('"index": 3', '"index": ' + "9" * 100_000),
        lambda text: text.replace('"index": 3', '"index": ' + "[" * 5000 + "]" * 5000),
        lambda text: text[:-3],
        lambda text: "",
        lambda text: "[]",
        lambda text: "null",
    ],
    ids=["twice", "nan", "float", "long", "huge", "deep", "cut", "empty", "list", "null"],
)
def test_changed_text_is_refused(document, change):
    text = json.dumps(document)
    assert change(text) != text
    with pytest.raises(InvalidInputError):
        certificate_from_json(change(text))


def test_files_that_cannot_be_read_or_written(tmp_path):
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        read_certificate(tmp_path / "none.json")
    (tmp_path / "bad.json").write_bytes(b"\xff\xfe")
    with pytest.raises(UnreadableFileError, match="no certificate"):
        read_certificate(tmp_path / "bad.json")
    (tmp_path / "large.json").write_bytes(b" " * (16 * 1024 * 1024 + 1))
    with pytest.raises(UnreadableFileError, match="larger"):
        read_certificate(tmp_path / "large.json")
    with pytest.raises(OutputError, match="cannot be written"):
        write_certificate(tmp_path / "no" / "c.json", Certificate(instance=INSTANCE, point=None, claims=()))
