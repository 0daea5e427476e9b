"""Who may import whom, read from the source; and what `import sphereufm` must not load."""

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "sphereufm"

# Which rooms a room may import from besides itself.  A module lies in the longest entry that its name starts with.
GROUND = {"errors", "files", "version", "notebook", "parallel", "progress", "tolerances"}
MATHEMATICS = {"errors", "tolerances", "geometry"}
CERTIFICATE = {
    "errors",
    "files",
    "certify.exact",
    "certify.checker",
    "certify.instances",
    "certify.witness",
    "certify.certificate",
}
PROVE = CERTIFICATE | {"version"}
CERTIFY = PROVE | {"certify", "certify.prove", "certify.checker", "certify.large_gap"}
SEARCH = GROUND | MATHEMATICS | {"problem", "solvers", "spectra", "landscape.points"}
LANDSCAPE = (
    SEARCH
    | CERTIFY
    | {"complete"}
    | {f"landscape.{room}" for room in ("starts", "search", "orbits", "report")}
)
STUDIES = LANDSCAPE | {"landscape", "branches", "descents", "placement", "features", "sweeps", "comparison"}
ALLOWED = {
    "errors": set(),
    "version": set(),
    "notebook": set(),
    "progress": {"errors", "notebook"},
    "tolerances": set(),
    "files": {"errors"},
    "parallel": {"errors"},
    "geometry": {"errors", "tolerances"},
    # an exact instance is data: what a problem hands to the prover
    "problem": {"errors", "files", "tolerances", "geometry", "certify.instances"},
    "solvers": MATHEMATICS | {"problem", "notebook"},
    "spectra": MATHEMATICS | {"problem", "notebook"},
    "features": GROUND,
    "certify.exact": {"errors"},
    "certify.witness": {"errors"},
    "certify.instances": {"errors", "certify.exact", "certify.checker"},
    "certify.certificate": CERTIFICATE,
    # floats enter a proof as candidates only: no import of `problem`
    "certify.prove": PROVE,
    "certify": PROVE | {"certify.prove", "certify.checker"},
    "certify.large_gap": {"certify.checker"},
    # self-contained: standard library and python-flint only, with NumPy for complete lists
    "certify.checker": set(),
    "certify.complete": {"certify.checker"},
    # borrows the checker's equations, and hands it a certificate
    "complete": MATHEMATICS | CERTIFY | {"certify.complete", "problem", "progress", "notebook"},
    "landscape.points": MATHEMATICS | {"spectra", "notebook"},
    "landscape.starts": SEARCH - {"solvers"},
    "landscape.search": SEARCH,
    "landscape.orbits": SEARCH | {"landscape.search"},
    "landscape.report": SEARCH | {"landscape.search"},
    "landscape": LANDSCAPE,
    "branches": LANDSCAPE | {"landscape"},
    "descents": LANDSCAPE,
    # the only place where features and the optimisation side meet
    "placement": SEARCH | {"features"},
    "comparison": SEARCH,
    "sweeps": LANDSCAPE | {"landscape"},
    "plots": STUDIES,
    "report": STUDIES | {"plots"},
    "testing": MATHEMATICS | {"problem"},
}
# the top: the command line, and the package's own file, which names everything but loads nothing
FREE = {"__init__", "__main__", "cli"}
ROOMS = ALLOWED.keys() | FREE

# Heavy packages and the rooms that own them; torch belongs to nobody.
OWNERS = {
    "pymanopt": {"problem"},
    "autograd": {"problem"},
    "flint": {
        "certify",
        "certify.prove",
        "certify.checker",
        "certify.complete",
    },
    "mpmath": set(),
    "matplotlib": {"plots"},
    "dask": {"parallel"},
    "distributed": {"parallel"},
    "hypothesis": {"testing"},
    "click": {"cli"},
    "rich": {"cli", "progress"},
    "torch": set(),
    "sklearn": set(),
    "tensorflow": set(),
    "jax": set(),
}


def module_name(path):
    """Dotted name inside the package, without `sphereufm.` and `.__init__`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imports(tree):
    """All absolute names that a module imports anywhere, those for type checkers only left out.

    `from a import b` counts as `a.b` too, since `b` may be a module; a relative import is refused outright.
    """
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(name):
    """The longest entry of the drawing that a dotted name lies in, None outside of it."""
    parts = name.split(".")
    prefixes = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((prefix for prefix in prefixes if prefix in ROOMS), None)


def is_allowed(room, target):
    """Whether a module of a room may import a dotted name."""
    top, _, rest = target.partition(".")
    if top != "sphereufm":
        return room in OWNERS.get(top, {room})
    # the package's own file loads a public name when it is asked for: a report asks for its picture and its page
    if room in FREE or (room, target) == ("landscape.report", "sphereufm"):
        return True
    there = room_of(rest)
    return there == room or there in ALLOWED[room]


def breaches(name, source):
    """Imports of a module that the drawing of the rooms does not allow."""
    room = room_of(name)
    if room is None:
        return [f"{name} lies in no room"]
    return [
        f"{name} imports {target}" for target in imports(ast.parse(source)) if not is_allowed(room, target)
    ]


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.mark.parametrize("name", MODULES)
def test_imports_follow_the_drawing_of_the_rooms(name):
    assert breaches(name, MODULES[name].read_text()) == []


def module_of(name):
    """The module that a dotted name `sphereufm...` stands for: itself, or the one that holds it."""
    parts = name.split(".")[1:]
    return next((m for n in range(len(parts), 0, -1) if (m := ".".join(parts[:n])) in MODULES), None)


def circle(edges):
    """Modules that import each other round in a ring, if any do."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return error.args[1]
    return None


def test_no_files_import_each_other_in_a_circle():
    edges = {
        name: {
            module
            for target in imports(ast.parse(path.read_text()))
            if target.startswith("sphereufm.") and (module := module_of(target)) not in {None, name}
        }
        for name, path in MODULES.items()
    }
    assert circle(edges) is None


def test_circles_are_noticed():
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}


def test_no_floor_holds_more_than_a_dozen_modules():
    floors = Counter(path.parent for path in MODULES.values() if path.stem != "__init__")
    assert {floor.name: n for floor, n in floors.items() if n > 12} == {}


ROOM_FILES = {
    name: path for name, path in MODULES.items() if path.stem == "__init__" and path.parent != PACKAGE
}


@pytest.mark.parametrize("name", sorted(ROOM_FILES))
def test_rooms_say_what_comes_in_what_goes_out_and_who_calls_them(name):
    text = ast.get_docstring(ast.parse(ROOM_FILES[name].read_text()))
    assert text.rpartition("In: ")[2].count("Out: ") == 1
    assert re.search(r"^Calls .*\bcalls? (it|its)\b", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("geometry.spheres", "from sphereufm.problem.ufm import UFMProblem"),
        ("geometry.spheres", "def f():\n    import sphereufm.problem"),
        ("geometry.spheres", "from sphereufm import problem"),
        ("geometry.spheres", "from sphereufm import UFMProblem"),
        ("geometry.spheres", "import sphereufm"),
        ("certify.prove.point", "from sphereufm.problem import kernels"),
        ("certify.instances", "from sphereufm.certify import prove"),
        ("certify.checker", "from sphereufm.errors import InvalidInputError"),
        ("certify.checker", "from sphereufm.certify.exact import exact_text"),
        ("certify.checker", "from sphereufm.certify.prove import attempts"),
        ("features.readers.plain.npy", "from sphereufm import position"),
        ("landscape.verify", "from sphereufm.features import load_features"),
        ("solvers.loop", "import pymanopt.optimizers"),
        ("features.readers.pickle.torch_files", "import torch"),
        ("landscape.verify", "from matplotlib import pyplot"),
        ("problem.ufm", "import flint"),
        ("cli", "import torch"),
        ("a_new_room", "import os"),
    ],
)
def test_breaches_are_noticed(name, source):
    assert breaches(name, source)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("placement", "from sphereufm.features import load_features"),
        ("certify.prove.point", "from sphereufm.version import __version__"),
        ("problem.pymanopt.from_pymanopt", "import pymanopt"),
        (
            "solvers.loop",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sphereufm.landscape",
        ),
        ("cli.verify", "from sphereufm import verify_landscape"),
    ],
)
def test_what_the_drawing_allows_passes(name, source):
    assert breaches(name, source) == []


def loaded_by(statement):
    """Names of all modules that a fresh interpreter has after a statement."""
    code = f"import sys; {statement}; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


HEAVY = {
    "pymanopt",
    "matplotlib",
    "torch",
    "dask",
    "flint",
    "scipy",
    "autograd",
    "hypothesis",
    "mpmath",
    "rich",
}


def test_importing_the_package_loads_nothing_heavy():
    loaded = loaded_by("import sphereufm")
    assert "sphereufm" in loaded
    assert not loaded & HEAVY


def test_reading_features_loads_nothing_heavy():
    """A child that reads one file loads the same."""
    assert not loaded_by("import sphereufm.features") & HEAVY


def test_problems_and_geometry_need_neither_pymanopt_nor_autograd():
    loaded = loaded_by(
        "from sphereufm import UFMProblem, align; UFMProblem(class_sizes=(1, 1), dim=2, tau=1)"
    )
    assert not loaded & HEAVY


def test_public_names_are_found_where_they_are_said_to_be():
    import sphereufm

    for name in sphereufm.__all__:
        assert getattr(sphereufm, name).__doc__ or name == "__version__"
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = sphereufm.no_such_name


@pytest.mark.parametrize(
    ("words", "needed"),
    [("solve(problem, rng=0)", set()), ("verify_landscape(problem, starts=8)", {"flint"})],
)
def test_small_jobs_load_neither_scipy_nor_masked_arrays(words, needed):
    """It takes longer to load than they take; workers would load it each."""
    loaded = loaded_by(
        "import sphereufm; "
        f"problem = sphereufm.UFMProblem(class_sizes=(2, 2), dim=3, tau=1); sphereufm.{words}"
    )
    assert not loaded & ((HEAVY | {"numpy.ma"}) - needed)
