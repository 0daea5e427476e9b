"""How the gallery finds its pictures: an example names a matplotlib figure ``figure``, and here it is saved."""

from pathlib import Path

from sphinx_gallery.scrapers import figure_rst


def named_figure(block, block_vars, gallery_conf):
    """Save the figure of the block that was just run, if there is one, and return what shows it."""
    figure = block_vars["example_globals"].pop("figure", None)
    if figure is None:
        return ""
    path = next(block_vars["image_path_iterator"])
    figure.savefig(path, dpi=110)
    title = Path(block_vars["src_file"]).read_text(encoding="utf-8").splitlines()[1]
    return figure_rst([path], gallery_conf["src_dir"], f"Figure of the example: {title}")
