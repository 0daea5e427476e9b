"""What ``setup.cfg`` cannot say: the README as a package index shows it, where no file lies beside it."""

import re
from pathlib import Path

from setuptools import setup

readme = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
readme = re.sub(r"!\[[^\]]*\]\((?!https?:)[^)]*\)\n*", "", readme)
setup(
    long_description=re.sub(r"(?<!!)\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", readme),
    long_description_content_type="text/markdown",
)
