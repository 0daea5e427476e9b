"""``sphereufm doctor``: what is installed, and the line that installs what is missing."""

from __future__ import annotations

import os
import platform
import re
import sys
from typing import Any, TypeAlias

import click

import sphereufm.cli.options as options
from sphereufm.cli.printing import give
from sphereufm.version import __version__

_Versions: TypeAlias = dict[str, str | None]

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@click.command(
    short_help="Print what is installed, and what is missing.",
    epilog="Example: sphereufm doctor",
)
@options.as_json
def doctor(as_json: bool) -> int:
    """Print versions, the linear algebra library, and which optional extras are present.

    Exit code 0: every core dependency is installed, 1: one is missing.
    """
    core, extras = _packages()
    data: dict[str, Any] = {
        "sphereufm": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "blas": _blas(),
        "threads": {name: os.environ.get(name) for name in _THREADS},
        "core": core,
        "extras": extras,
    }
    give(as_json, data, [_text(data)])
    return int(None in core.values())


def _packages() -> tuple[_Versions, dict[str, _Versions]]:
    """Version of each declared dependency, None where it is missing: the core's, and by extra."""
    from importlib.metadata import PackageNotFoundError, requires, version

    core: _Versions = {}
    extras: dict[str, _Versions] = {}
    for line in requires("sphereufm") or []:
        requirement, _, marker = line.partition(";")
        name = re.split(r"[\s<=>\[]", requirement)[0]
        extra = re.search(r"extra == .(\w+)", marker)
        found = extras.setdefault(extra[1], {}) if extra else core
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return core, extras


def _blas() -> str:
    """The linear algebra library that numpy was built with, and its threads where they are known."""
    from importlib.util import find_spec

    import numpy as np

    build = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    name = f"{build.get('name', 'unknown')} {build.get('version', '')}".strip()
    if find_spec("threadpoolctl") is None:
        return f"{name} (threads: install threadpoolctl to see them)"
    from threadpoolctl import threadpool_info

    threads = [str(entry["num_threads"]) for entry in threadpool_info() if entry["user_api"] == "blas"]
    return f"{name} (threads: {', '.join(threads) or 'unknown'})"


def _text(data: dict[str, Any]) -> str:
    """The same for people."""
    lines = [
        f"sphereufm {data['sphereufm']}, Python {data['python']}, {data['platform']}",
        f"executable   {sys.executable}",
        f"processors   {data['processors']}",
        f"BLAS         {data['blas']}",
        *(f"{name}={value}" for name, value in data["threads"].items() if value is not None),
        "core         " + _list(data["core"]),
    ]
    for extra, packages in data["extras"].items():
        missing = None in packages.values()
        remedy = f"   pip install 'sphereufm[{extra}]'" if missing else ""
        lines.append(f"extra {extra + ':':<12} {_list(packages)}{remedy}")
    return "\n".join(lines)


def _list(packages: _Versions) -> str:
    """Names with versions."""
    return ", ".join(f"{name} {found or 'MISSING'}" for name, found in packages.items())
