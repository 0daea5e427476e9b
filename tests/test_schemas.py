"""The JSON Schema of a landscape accepts what the format promises and refuses what it forbids."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sphereufm import UFMProblem, verify_landscape

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = json.loads((ROOT / "docs" / "schemas" / "landscape.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.fixture(scope="module")
def landscape() -> Any:
    """A real report, whose second row is a family."""
    problem = UFMProblem(class_sizes=(1, 1), dim=3, tau=1)
    data = json.loads(json.dumps(verify_landscape(problem, starts=6).to_json()))
    assert data["critical"][1]["family"]
    return data


def changed(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """Copy ``document`` with the entry at ``path`` replaced, or removed where ``value`` is ``...``."""
    result = copy.deepcopy(document)
    place = result
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return result


def test_schema_is_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_report_is_accepted(landscape: Any) -> None:
    VALIDATOR.validate(landscape)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), "0.1.0"),
        (("seed",), 7),
        (("notes",), ["what was searched"]),
        (("finished",), False),
        (("critical", 0, "min_eigenvalue"), None),
        (("critical", 0, "optimality_gap"), 0.0),
        (("critical", 0, "gap_method"), "closed form"),
        (("critical", 0, "point"), [[1.0, -1.0], [0.0, 0.0]]),
        (("critical", 0, "log_cost"), -2.06),
        (("critical", 0, "copies"), 3),
        (("critical", 0, "isotropy_order"), 4),
        (("critical", 1, "orbit_dimension"), 3),
        (("basis",), "completeness"),
        (("critical", 1, "min_eigenvalue"), None),
        (("critical", 0, "eigenvalues"), []),
        (("coverage", "strata"), []),
    ],
)
def test_what_the_format_allows(landscape: Any, path: tuple[str | int, ...], value: Any) -> None:
    VALIDATOR.validate(changed(landscape, path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), "sphereufm-landscape/2"),
        (("verdict",), "PROVED"),
        (("verdict",), "UNDECIDED"),
        (("verdict",), "NOT_BENIGN"),
        (("basis",), None),
        (("basis",), "counterexample"),
        (("basis",), "search"),
        (("theorem", "applies"), False),
        (("theorem", "name"), ...),
        (("coverage",), ...),
        (("surprise",), 1),
        (("seed",), "7"),
        (("notes",), "one text"),
        (("finished",), "yes"),
        (("problem", "tau"), 0),
        (("problem", "dim"), 0),
        (("critical", 0, "rank"), [1, 1]),
        (("critical", 0, "morse_index"), -1),
        (("critical", 0, "nullity"), 0.5),
        (("critical", 0, "orbit_dimension"), [2, 2]),
        (("critical", 0, "kind"), "SADDLE"),
        (("critical", 0, "status"), "REFUTED"),
        (("critical", 0, "hits"), -1),
        (("critical", 0, "surprise"), 1),
        (("critical", 0, "point"), [1.0, 2.0]),
        (("critical", 1, "rank"), 2),
        (("critical", 1, "rank"), [1, 2, 3]),
        (("critical", 1, "min_eigenvalue"), -0.5),
        (("critical", 1, "members"), [{"cost": 0.693147}]),
        (("coverage", "strata", 0, "starts"), ...),
        *[(("critical", 0, key), ...) for key in SCHEMA["$defs"]["critical"]["required"]],
    ],
)
def test_what_the_format_forbids(landscape: Any, path: tuple[str | int, ...], value: Any) -> None:
    assert not VALIDATOR.is_valid(changed(landscape, path, value))


def test_contract_keys_are_required() -> None:
    assert SCHEMA["$defs"]["critical"]["required"] == [
        "cost",
        "rank",
        "morse_index",
        "nullity",
        "orbit_dimension",
        "min_eigenvalue",
        "kind",
        "status",
        "family",
        "hits",
        "certificate",
    ]
