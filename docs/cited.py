"""Cited works as links: titles in italics, by ``references.toml``; what is cited without an address is refused."""

import re
import tomllib
from pathlib import Path

WORKS = tomllib.loads((Path(__file__).parent / "references.toml").read_text(encoding="utf-8"))
# a title in italics; it may go on in the next line
ITALIC = re.compile(r"(?<![*\\\w])\*(?![*\s])([^*]+?)\*(?![*\w])")
UNDERLINED = re.compile(r"\n\s*References\n\s*-{3,}\n(.*?)(?=\n[^\n]+\n\s*-{3,}\n|\Z)", re.DOTALL)
SECTION = re.compile(r"\n## References\n(.*?)(?=\n## |\Z)", re.DOTALL)


def linked(text: str, form: str) -> str:
    """The text with every known title as a link of that form, with places for title and address."""

    def link(match: re.Match[str]) -> str:
        title = " ".join(match[1].split())
        return form.format(title=title, address=WORKS[title]) if title in WORKS else match[0]

    return ITALIC.sub(link, text)


def unknown(text: str) -> list[str]:
    """Titles in the sections of references that have no address."""
    sections = [found[1] for pattern in (UNDERLINED, SECTION) for found in pattern.finditer(f"\n{text}")]
    titles = [" ".join(title.split()) for section in sections for title in ITALIC.findall(section)]
    return [title for title in titles if title not in WORKS]
