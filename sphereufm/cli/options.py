"""Options that several commands share, by their names, and what is made of them: a problem, a loss, a folder."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from functools import reduce
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import click

from sphereufm.errors import InvalidInputError, OutputError, UnreadableFileError, one_of

# a weight on the command line; a slash makes a fraction of it, not a path
_NUMBER = re.compile(r"[-+0-9.eE]+(/[0-9]+)?")
# random points at which a cost may be undefined before it is taken to be so everywhere
_TRIED = 64
LOSS_PARAMETERS = ("margin", "smoothing", "focusing", "target", "own_weight", "offsets")
"""Options of a loss that are its parameters."""

Decorator: TypeAlias = Callable[[Any], Any]

# more processes or starts than any machine has or makes
COUNT = click.IntRange(min=1, max=10**6)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object to standard output and nothing else."
)
seed = click.option("--seed", type=click.IntRange(min=0), default=0, help="Random seed.")
starts = click.option("--starts", type=COUNT, metavar="B", help="Exactly so many starts in each stratum.")
workers = click.option("--workers", type=COUNT, metavar="P", help="Processes; by default one a processor.")
no_proofs = click.option("--no-proofs", is_flag=True, help="Skip the certificates; rows are numerical then.")
tolerance = click.option("--tolerance", default=1e-9, metavar="g", help="Relative gradient norm to reach.")


def together(*options: Decorator) -> Decorator:
    """Several options as one decorator, in their order."""
    return lambda command: reduce(lambda done, option: option(done), reversed(options), command)


output = together(
    click.option(
        "--out", type=click.Path(path_type=Path), metavar="DIR", help="Write results to this folder."
    ),
    click.option("--force", is_flag=True, help="Replace results that are already there."),
)


def effort(default: str, minimisers: bool = True) -> Decorator:
    """Make the option ``--effort``: how hard to search for critical points, or for minimisers alone."""
    alone = "; or descents to minimisers alone, no saddles (minimisers)" if minimisers else ""
    return click.option(
        "--effort",
        type=click.Choice([*["minimisers"] * minimisers, "quick", "standard", "thorough"]),
        default=default,
        help="When to stop adding starts: unseen mass below 5 % (standard) or 1 % (thorough), or one batch (quick)"
        f"{alone}.",
    )


def named(flag: str, names: Callable[[], Iterable[str]], **words: Any) -> Decorator:
    """An option whose value is a name, of those that are loaded when needed; the nearest answers a mistyped one."""

    def check(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
        if value is None or value in (known := list(names())):
            return value
        raise click.BadParameter(f"{value!r} must be {one_of(value, known)}", context, option)

    def complete(context: click.Context, option: click.Parameter, begun: str) -> list[str]:
        return [name for name in names() if name.startswith(begun)]

    return click.option(flag, callback=check, shell_complete=complete, **words)


def _loss_names() -> Iterable[str]:
    """Names of the losses."""
    from sphereufm.problem.losses.registry import LOSSES

    return LOSSES


loss = together(
    named("--loss", _loss_names, metavar="NAME", help="Loss of the logits.  [default: cross-entropy]"),
    click.option("--margin", metavar="m", help="Margin of cross-entropy (of cosines) or arcface (radians)."),
    click.option("--smoothing", metavar="e", help="Part of label smoothing that all classes share."),
    click.option("--focusing", metavar="g", help="Exponent of the focal loss."),
    click.option("--target", metavar="M", help="Own logit that squared error asks for."),
    click.option("--own-weight", metavar="k", help="Weight of the own logit in squared error."),
    click.option(
        "--offsets", metavar="FILE", help="K or K x K numbers that cross-entropy adds to the logits."
    ),
)
# of a problem, but for its temperature
_sizes = together(
    click.option("--classes", type=int, metavar="K", help="Number of classes."),
    click.option("--per-class", type=int, metavar="n", help="Samples of each class."),
    click.option("--class-sizes", metavar="n1,n2,...", help="Samples of each class, where they differ."),
    click.option(
        "--weights", metavar="FILE|w1,w2,...", help="Positive sample weights, in the order of the classes."
    ),
    click.option("--dim", type=int, metavar="d", help="Feature dimension."),
    click.option(
        "--bias", is_flag=True, default=None, help="Add a free bias to the logits, and minimise over it."
    ),
    loss,
)
problem = together(
    _sizes,
    click.option(
        "--tau",
        metavar="t|t1,t2,...",
        help="Inverse temperature, one or one a class; 0.1 and 1/3 are taken exactly.",
    ),
)
_cost_file = click.argument(
    "cost_file",
    required=False,
    metavar="[COST.toml]",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
cost_or_problem = together(_cost_file, problem)
cost_or_sizes = together(_cost_file, _sizes)


def problem_from_options(
    *,
    cost_file: Path | None = None,
    constants: Mapping[str, float] | None = None,
    instead: str = "give a file COST.toml",
    **words: Any,
) -> Any:
    """The :class:`~sphereufm.problem.ufm.UFMProblem` that the options describe, or the cost of a file.

    ``constants`` replace some of the file's.  Raises InvalidInputError if the options contradict each other or
    describe no problem; ``instead``: what else to do.
    """
    from sphereufm.problem.ufm import UFMProblem

    given = {name: value for name, value in words.items() if value is not None}
    if cost_file is not None:
        if given:
            raise InvalidInputError(f"{cost_file} says all of the problem; leave the options of a loss out")
        return _defined(problem_from_file(cost_file, constants), cost_file)
    for name in ("dim", "tau"):
        if name not in given:
            raise InvalidInputError(f"--{name} is missing; describe a problem by options, or {instead}")
    tau = given["tau"]
    return UFMProblem(
        class_sizes=_class_sizes(*map(given.get, ("classes", "per_class", "class_sizes"))),
        dim=given["dim"],
        tau=tau.split(",") if "," in tau else tau,
        weights=_weights(given["weights"]) if "weights" in given else None,
        loss=loss_from_options(given.get("loss"), {key: given.get(key) for key in LOSS_PARAMETERS}),
        bias=given.get("bias", False),
    )


def problem_from_file(path: Path, constants: Mapping[str, float] | None = None) -> Any:
    """The cost that a file describes, some of its constants replaced."""
    from sphereufm.certify.cost_files import read_cost
    from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup
    from sphereufm.problem.expressions.expression_problem import ExpressionProblem

    read = read_cost(path, constants)
    instance, declared = read.instance, read.symmetry.split()
    permuted = ColumnPermutations.all_columns if "columns" in declared else ColumnPermutations.trivial
    symmetry = SymmetryGroup(
        instance.is_orthogonally_invariant,
        permuted(instance.columns),
        special_orthogonal="rotations" in declared,
    )
    return ExpressionProblem(instance=instance, symmetry=symmetry, name=read.name, unit=read.unit)


def _defined(problem: Any, path: Path) -> Any:
    """The problem of a file, refused where its cost is no number at any of some random points."""
    points = (problem.spheres.random_point(seed) for seed in range(_TRIED))
    if not any(math.isfinite(problem.at(X).cost) for X in points):
        raise InvalidInputError(
            f"{path}: the cost is no finite number at any of {_TRIED} random points; it divides by zero, or takes "
            "log or sqrt of what is not positive"
        )
    return problem


def loss_from_options(name: str | None, options: Mapping[str, str | None]) -> dict[str, Any]:
    """The loss, or cross-entropy, with the parameters that were given; others are refused by their option's name."""
    from sphereufm.problem.losses.registry import LOSSES

    name = name or "cross-entropy"
    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    known = [field.name for field in fields(LOSSES[name])]  # type: ignore[arg-type]
    for key in given:
        if key not in known:
            has = ", ".join(flag(own) for own in known if own in LOSS_PARAMETERS) or "none"
            raise InvalidInputError(f"{flag(key)} is no option of --loss {name}, which has {has}")
    if "offsets" in given:
        given["offsets"] = _numbers_from_file("offsets", given["offsets"])
    return {"name": name, **given}


def flag(parameter: str) -> str:
    """As it is written on the command line."""
    return f"--{parameter.replace('_', '-')}"


def _class_sizes(classes: int | None, per_class: int | None, class_sizes: str | None) -> list[int]:
    """Combine --classes, --per-class and --class-sizes."""
    from sphereufm.problem.arguments import check_samples

    if class_sizes is not None:
        if per_class is not None:
            raise InvalidInputError("--per-class and --class-sizes contradict each other; give one of them")
        sizes = [_class_size(word) for word in class_sizes.split(",")]
        if classes is not None and classes != len(sizes):
            raise InvalidInputError(f"--classes={classes} contradicts --class-sizes of {len(sizes)} entries")
        return sizes
    if classes is None or per_class is None:
        raise InvalidInputError("give --classes K with --per-class n, or --class-sizes n1,n2,...")
    if classes < 2:
        raise InvalidInputError(
            f"--classes={classes} must be at least 2; with a single class the cost is constant"
        )
    check_samples(classes * max(per_class, 1))  # before a list of them is made
    return [per_class] * classes


def _class_size(word: str) -> int:
    """Read one whole number."""
    try:
        return int(word)
    except ValueError:
        raise InvalidInputError(
            f"--class-sizes has {word.strip()[:40]!r}, but whole numbers joined by commas are needed"
        ) from None


def _weights(text: str) -> Any:
    """Weights as a list on the command line, or from a file."""
    if not os.path.exists(text):
        numbers = [number.strip() for number in text.split(",")]
        if not all(_NUMBER.fullmatch(number) for number in numbers):
            raise UnreadableFileError(
                f"--weights={text!r}: there is no such file, and this is no list of numbers such as 1,0.5,2/3"
            )
        return numbers
    rows = _numbers_from_file("weights", text)
    return list(chain(*rows)) if rows and isinstance(rows[0], list) else rows


def _numbers_from_file(option: str, path: str) -> list[Any]:
    """A list of numbers, or of rows of them, from .npy, .npz, or text with one row a line."""
    if not os.path.exists(path):
        raise UnreadableFileError(f"--{option}={path!r}: there is no such file")
    if path.endswith((".npy", ".npz")):
        from sphereufm.features.readers import open_arrays

        arrays = open_arrays(path)
        if len(arrays) > 1 and option not in arrays:
            raise InvalidInputError(
                f"--{option}={path!r} holds {', '.join(arrays)}; save one array, or call it {option}"
            )
        found = arrays.get(option, next(iter(arrays.values()))).read().tolist()
        return found if isinstance(found, list) else [found]
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").replace(",", " ").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"--{option}={path!r} cannot be read as text: {error}") from error
    rows = [line.split() for line in lines if line.split()]
    # one number a line, or all of them in one
    return list(chain(*rows)) if len(rows) == 1 or all(len(row) == 1 for row in rows) else rows


def prepare_output(folder: Path | None, names: tuple[str, ...], force: bool | None) -> None:
    """Create the folder and make sure, before any work, that the named files can be written.

    A name without an ending is that of a folder.  Raises OutputError if it cannot be made or written, if a file is
    there already and ``force`` is off (None: there is no such option), or a folder where a file goes.
    """
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".sphereufm-{os.getpid()}.tmp"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"--out={folder} cannot be written: {error.strerror}; choose another folder"
        ) from error
    present = [name for name in names if os.path.lexists(folder / name)]
    if present and not force:
        remedy = "choose another folder" if force is None else "use --force to replace them"
        raise OutputError(f"--out={folder} already holds {', '.join(present)}; {remedy}")
    for name in present:
        is_file = Path(name).suffix != ""
        if (folder / name).is_dir() == is_file:
            goes = "a file" if is_file else "a folder"
            raise OutputError(f"--out={folder} holds {name}, where {goes} goes; choose another folder")
