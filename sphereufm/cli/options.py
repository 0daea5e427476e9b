"""Options that several commands share: the problem, and where results go."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import click

from sphereufm.errors import InvalidInputError, OutputError, UnreadableFileError

# a weight on the command line; a slash makes a fraction of it, not a path
_NUMBER = re.compile(r"[-+0-9.eE]+(/[0-9]+)?")
LOSS_PARAMETERS = ("margin", "smoothing", "focusing", "target", "own_weight", "offsets")
"""Options of a loss that are its parameters."""

_Command = TypeVar("_Command", bound=Callable[..., Any])

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object to standard output and nothing else."
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed."
)
starts_option = click.option(
    "--starts", type=click.IntRange(min=1), metavar="B", help="Exactly so many starts in each stratum."
)
time_limit_option = click.option(
    "--time-limit",
    type=click.FloatRange(0.0, min_open=True),
    metavar="SECONDS",
    help="End about then, with all that was found: half for the search, what remains for proofs and descents.",
)
no_proofs_option = click.option(
    "--no-proofs", is_flag=True, help="Skip the certificates; rows are numerical then."
)
tolerance_option = click.option(
    "--tolerance",
    type=float,
    default=1e-9,
    show_default=True,
    metavar="g",
    help="Relative gradient norm to reach.",
)


def effort_option(default: str, minimisers: bool = True) -> Callable[[_Command], _Command]:
    """Make the option ``--effort``: how hard to search for critical points, or for minimisers alone."""
    text = (
        "When to stop adding starts: unseen mass below 5 % (standard) or 1 % (thorough), or one batch (quick)"
    )
    return click.option(
        "--effort",
        type=click.Choice([*(["minimisers"] if minimisers else []), "quick", "standard", "thorough"]),
        default=default,
        show_default=True,
        help=f"{text}; or descents to minimisers alone, no saddles (minimisers)."
        if minimisers
        else f"{text}.",
    )


def one_of(names: Callable[[], list[str]]) -> Callable[[click.Context, click.Parameter, str], str]:
    """Make the check of an option whose values are names; a mistyped one is answered with the nearest."""

    def check(context: click.Context, option: click.Parameter, value: str) -> str:
        if value in (known := names()):
            return value
        near = get_close_matches(value, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise click.BadParameter(f"{value!r} must be one of {', '.join(known)}{hint}", context, option)

    return check


cost_file_argument: Callable[[_Command], _Command] = click.argument(
    "cost_file",
    required=False,
    metavar="[COST.toml]",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)


def cost_or_problem_options(command: _Command) -> _Command:
    """Add the options that describe a problem, or a file with a cost in their place."""
    return cost_file_argument(problem_options(command, needed=False))


def cost_or_size_options(command: _Command) -> _Command:
    """The same without a temperature."""
    return cost_file_argument(size_options(command, needed=False))


def problem_options(command: _Command, needed: bool = True) -> _Command:
    """Add the options that describe a problem; see :func:`problem_from_options`."""
    tau = click.option(
        "--tau",
        required=needed,
        metavar="t|t1,t2,...",
        help="Inverse temperature, one or one a class; 0.1 and 1/3 are taken exactly.",
    )
    decorated: _Command = size_options(tau(command), needed)
    return decorated


def size_options(command: _Command, needed: bool) -> _Command:
    """Add the options that describe a problem but for its temperature."""
    options = (
        click.option("--classes", type=int, metavar="K", help="Number of classes."),
        click.option("--per-class", type=int, metavar="n", help="Samples of each class."),
        click.option("--class-sizes", metavar="n1,n2,...", help="Samples of each class, where they differ."),
        click.option(
            "--weights",
            metavar="FILE|w1,w2,...",
            help="Positive sample weights, in the order of the classes.",
        ),
        click.option("--dim", type=int, required=needed, metavar="d", help="Feature dimension."),
        click.option(
            "--bias", is_flag=True, default=None, help="Add a free bias to the logits, and minimise over it."
        ),
    )
    return _decorated(loss_options(command), options)


def _decorated(command: _Command, options: Sequence[Callable[[_Command], _Command]]) -> _Command:
    """The command with some options, in their order."""
    for option in reversed(options):
        command = option(command)
    return command


def loss_options(command: _Command) -> _Command:
    """Add the options that describe a loss; see :func:`loss_from_options`."""
    options = (
        click.option(
            "--loss",
            default="cross-entropy",
            show_default=True,
            help="Loss of the logits.",
            callback=one_of(_loss_names),
            shell_complete=lambda context, option, begun: [n for n in _loss_names() if n.startswith(begun)],
        ),
        click.option(
            "--margin", metavar="m", help="Margin of cross-entropy (of cosines) or arcface (radians)."
        ),
        click.option("--smoothing", metavar="e", help="Part of label smoothing that all classes share."),
        click.option("--focusing", metavar="g", help="Exponent of the focal loss."),
        click.option("--target", metavar="M", help="Own logit that squared error asks for."),
        click.option("--own-weight", metavar="k", help="Weight of the own logit in squared error."),
        click.option(
            "--offsets", metavar="FILE", help="K or K x K numbers that cross-entropy adds to the logits."
        ),
    )
    return _decorated(command, options)


def _loss_names() -> list[str]:
    """Names of the losses, loaded when they are needed."""
    from sphereufm.problem.losses.registry import LOSSES

    return list(LOSSES)


def problem_from_options(
    *,
    classes: int | None,
    per_class: int | None,
    class_sizes: str | None,
    weights: str | None,
    dim: int | None,
    tau: str | None,
    loss: str,
    bias: bool | None = None,
    cost_file: Path | None = None,
    **parameters: str | None,
) -> Any:
    """The :class:`~sphereufm.problem.ufm.UFMProblem` that the options describe, or the cost of a file.

    Raises InvalidInputError if the options contradict each other or describe no problem.
    """
    from sphereufm.problem.ufm import UFMProblem

    options = (classes, per_class, class_sizes, weights, dim, tau, bias, *parameters.values())
    if cost_file is not None:
        if any(value is not None for value in options):
            raise InvalidInputError(f"{cost_file} says all of the problem; leave the options of a loss out")
        return problem_from_file(cost_file)
    if dim is None or tau is None:
        missing = "--dim" if dim is None else "--tau"
        raise InvalidInputError(
            f"{missing} is missing; describe a problem by options, or give a file COST.toml"
        )
    sizes = _class_sizes(classes, per_class, class_sizes)
    given = None if weights is None else _weights(weights)
    return UFMProblem(
        class_sizes=sizes,
        dim=dim,
        tau=tau.split(",") if "," in tau else tau,
        weights=given,
        loss=loss_from_options(loss, parameters),
        bias=bool(bias),
    )


def problem_from_file(path: Path, constants: Mapping[str, float] | None = None) -> Any:
    """The cost that a file describes, some of its constants replaced."""
    from sphereufm.certify.cost_files import read_cost
    from sphereufm.geometry.symmetry.groups import ColumnPermutations, SymmetryGroup
    from sphereufm.problem.expressions.expression_problem import ExpressionProblem

    read = read_cost(path, constants)
    declared = read.symmetry.split()
    permuted = ColumnPermutations.all_columns if "columns" in declared else ColumnPermutations.trivial
    permutations = permuted(read.instance.columns)
    return ExpressionProblem(
        instance=read.instance,
        symmetry=SymmetryGroup(
            read.instance.is_orthogonally_invariant,
            permutations,
            special_orthogonal="rotations" in declared,
        ),
        name=read.name,
        unit=read.unit,
    )


def loss_from_options(name: str, options: Mapping[str, str | None]) -> dict[str, Any]:
    """The loss with those of its parameters that were given; others are refused by their option's name."""
    from sphereufm.problem.losses.registry import LOSSES

    given = {key: value for key, value in options.items() if value is not None}
    known = [field.name for field in fields(LOSSES[name])]  # type: ignore[arg-type]
    for key in given:
        if key not in known:
            has = ", ".join(_option(own) for own in known if own in options)
            raise InvalidInputError(
                f"{_option(key)} is no option of --loss {name}, {'which has ' + has if has else 'which has none'}"
            )
    if (path := given.get("offsets")) is not None:
        return {"name": name, **given, "offsets": _numbers_from_file("offsets", path)}
    return {"name": name, **given}


def _option(parameter: str) -> str:
    """As it is written on the command line."""
    return f"--{parameter.replace('_', '-')}"


def _class_sizes(classes: int | None, per_class: int | None, class_sizes: str | None) -> list[int]:
    """Combine --classes, --per-class and --class-sizes."""
    if class_sizes is not None:
        if per_class is not None:
            raise InvalidInputError("--per-class and --class-sizes contradict each other; give one of them")
        sizes = [_whole("--class-sizes", word) for word in class_sizes.split(",")]
        if classes is not None and classes != len(sizes):
            raise InvalidInputError(f"--classes={classes} contradicts --class-sizes of {len(sizes)} entries")
        return sizes
    if classes is None or per_class is None:
        raise InvalidInputError("give --classes K with --per-class n, or --class-sizes n1,n2,...")
    if classes < 2:
        raise InvalidInputError(
            f"--classes={classes} must be at least 2; with a single class the cost is constant"
        )
    return [per_class] * classes


def _whole(name: str, word: str) -> int:
    """Read one whole number."""
    try:
        return int(word)
    except ValueError:
        raise InvalidInputError(
            f"{name} has {word.strip()!r}, but whole numbers joined by commas are needed"
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
    return [number for row in rows for number in row] if rows and isinstance(rows[0], list) else rows


def _numbers_from_file(option: str, path: str) -> list[Any]:
    """A list of numbers, or of rows of them, from .npy, .npz, or text with one row a line."""
    if not os.path.exists(path):
        raise UnreadableFileError(f"--{option}={path!r}: there is no such file")
    if path.endswith((".npy", ".npz")):
        from sphereufm.features.readers import open_array

        return list(open_array(path, "labels").read().tolist())
    try:
        lines = Path(path).read_text(encoding="utf-8").replace(",", " ").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"--{option}={path!r} cannot be read as text: {error}") from error
    rows = [line.split() for line in lines if line.split()]
    # one number a line, or all of them in one
    if len(rows) == 1 or all(len(row) == 1 for row in rows):
        return [number for row in rows for number in row]
    return rows


def output_options(command: _Command) -> _Command:
    """Add ``--out`` and ``--force``."""
    out = click.option(
        "--out",
        type=click.Path(file_okay=True, path_type=Path),
        metavar="DIR",
        help="Write results to this folder.",
    )
    force = click.option("--force", is_flag=True, help="Replace results that are already there.")
    decorated: _Command = out(force(command))
    return decorated


def prepare_output(folder: Path | None, names: tuple[str, ...], force: bool) -> None:
    """Create the folder and make sure, before any work, that the named files can be written.

    Raises OutputError if it cannot be made or written, or a file is there already and ``force`` is off.
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
    present = [name for name in names if (folder / name).exists()]
    if present and not force:
        raise OutputError(f"--out={folder} already holds {', '.join(present)}; use --force to replace them")
