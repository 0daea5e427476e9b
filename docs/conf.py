"""Sphinx configuration: `python -m sphinx -W -b html docs docs/_build/html`."""

import importlib
import re
import shutil
import sys
from importlib.resources import files
from pathlib import Path

from sphinx.errors import ExtensionError

import sphereufm

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for gallery_figures
import record  # noqa: E402 (its folder was not on the path)
from cited import linked, unknown  # noqa: E402

project = "sphereufm"
author = "the sphereufm developers"
copyright = "2026, the sphereufm developers"  # Sphinx reads this name
release = sphereufm.__version__
version = release

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "_templates", "gallery", "reference/generated/public-names.rst"]
templates_path = ["_templates"]
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples",  # written at build time, never committed
    "filename_pattern": r"\.py",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("gallery_figures.named_figure",),
    "reset_modules": (),
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 1_000,
}

# MathJax comes with the pages (2.3 MB, Apache licence beside it): they are read without a network
MATHJAX = "tex-svg-full.js"
mathjax_path = f"mathjax/{MATHJAX}"

html_theme = "furo"
html_title = f"sphereufm {release}"
html_theme_options = {"navigation_with_keys": True}


def _write_public_names() -> None:
    """Write the table of the names that ``import sphereufm`` offers, each linked to the module that defines it."""
    names = []
    for name in getattr(sphereufm, "__all__", []):
        thing = getattr(sphereufm, name)
        module = getattr(thing, "__module__", None)
        if module and module.startswith("sphereufm.") and hasattr(importlib.import_module(module), name):
            names.append(f"   ~{module}.{name}")
    table = [".. autosummary::", "", *names] if names else []
    folder = Path(__file__).parent / "reference" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "public-names.rst").write_text("\n".join(table) + "\n", encoding="utf-8")


def _show_as_meant(app, what, name, obj, options, lines):
    """Show indented blocks of a docstring's leading text as they stand (formulas), and initials as no list."""
    end = next((i for i, line in enumerate(lines) if i and re.fullmatch(r"-{3,}", line)), len(lines))
    marked = []
    text = ""  # the last line of unindented text; "::" when the block needs no mark
    for i, line in enumerate(lines):
        starts_block = i < end and line.startswith("    ") and marked and not marked[-1].strip()
        if starts_block and text and not text.endswith("::") and not text.startswith((".. ", "* ", "- ")):
            marked += ["::", ""]
            text = "::"
        elif line.strip() and not line.startswith(" "):
            text = line
        marked.append(re.sub(r"^(\s*[A-Z])\. ", r"\1\. ", line))
    lines[:] = marked


def _outputs_hold(app, name, source):
    """Run the commands of a page that is read anew: what stands below them must be what they print."""
    try:
        holds = record.recorded(source[0]) == source[0]
    except SystemExit as error:  # another exit code
        raise ExtensionError(f"{name}: {error}") from error
    if not holds:
        raise ExtensionError(f"{name}: its commands print something else; python docs/record.py records it")


def _readme_holds(app, env, docnames):
    """The same for the README, when the start page is read."""
    if "index" in docnames:
        _outputs_hold(app, "README.md", [(record.ROOT / "README.md").read_text(encoding="utf-8")])


def _links_in_page(app, name, source):
    """Cited works of a page as links."""
    if titles := unknown(source[0]):
        raise ExtensionError(f"{name} cites {titles}, which docs/references.toml does not have")
    source[0] = linked(source[0], "*[{title}]({address})*")


def _links_in_docstring(app, what, name, obj, options, lines):
    """Cited works of a docstring as links; the tests see that all of ours are known."""
    lines[:] = linked("\n".join(lines), "`{title} <{address}>`__").split("\n")


def _bring_mathjax(app, error):
    """Put MathJax and its licence beside the pages, and see that they load nothing from elsewhere."""
    if error is not None or app.builder.name != "html":
        return
    place, source = Path(app.outdir) / "_static" / "mathjax", files("mathjax") / "static" / "mathjax"
    place.mkdir(parents=True, exist_ok=True)
    for path in (source / "es5" / MATHJAX, source / "LICENSE"):
        shutil.copy(str(path), place)
    loads = re.compile(r"""<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^>]*>""")
    for page in Path(app.outdir).rglob("*.html"):
        if found := loads.search(page.read_text(encoding="utf-8")):
            raise ExtensionError(f"{page} loads from elsewhere: {found[0][:200]}")


_write_public_names()


def setup(app):
    """Draw the figures, and connect the hooks: those for docstrings ahead of numpydoc's."""
    import figures

    figures.draw(HERE / "images" / "drawn")
    app.connect("env-before-read-docs", _readme_holds)
    app.connect("source-read", _outputs_hold, priority=100)
    app.connect("source-read", _links_in_page)
    app.connect("autodoc-process-docstring", _links_in_docstring, priority=90)
    app.connect("autodoc-process-docstring", _show_as_meant, priority=100)
    app.connect("build-finished", _bring_mathjax)
