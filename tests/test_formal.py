"""The sources of the formal proofs, without Coq: nothing open, nothing assumed, every name mentioned is a theorem."""

import importlib.util
import re
from pathlib import Path

import pytest

from sphereufm.certify.checker.losses import THEOREMS

ROOT = Path(__file__).resolve().parents[1]
FORMAL = ROOT / "docs" / "formal"
_spec = importlib.util.spec_from_file_location("formal_check", FORMAL / "check.py")
check = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(check)


def test_no_source_leaves_a_proof_open_or_assumes_anything():
    assert check.source_defects() == []
    assert {"no_spurious_S", "benign_S", "benign_E", "benign_C", "benign_F"} <= set(check.theorems())


def test_every_statement_that_certificates_name_stands_in_the_format():
    page = (ROOT / "docs/certificates.md").read_text(encoding="utf-8")
    schema = (ROOT / "docs/schemas/certificate.schema.json").read_text(encoding="utf-8")
    for formal, (theorem, *_) in THEOREMS.items():
        assert f'| `"{theorem}"` | `"{formal}"` |' in page
        assert f'"{formal}"' in schema


@pytest.mark.parametrize(
    "source",
    [
        "Lemma a : False.\nAdmitted.",
        "Axiom a : False.",
        "Lemma a : False. Proof. admit. Defined.",
        "Parameters (a : False).",
        "Lemma a : False. Proof. give_up.",
        "(* a (* nested *) remark *) Conjecture a : False.",
    ],
)
def test_such_sources_are_refused(tmp_path, source):
    (tmp_path / "_CoqProject").write_text("A.v\n")
    (tmp_path / "A.v").write_text(source)
    assert len(check.source_defects(tmp_path)) == 1


def test_remarks_are_free_and_unlisted_files_are_not(tmp_path):
    (tmp_path / "_CoqProject").write_text("A.v\n")
    (tmp_path / "A.v").write_text(
        "(* no Axiom, (* nothing *) Admitted *)\nLemma a : True.\nProof. by []. Qed.\n"
    )
    assert check.source_defects(tmp_path) == []
    (tmp_path / "B.v").write_text("Lemma a : True. Proof. by []. Qed.\n")
    assert check.source_defects(tmp_path) == ["_CoqProject does not list exactly the .v files of this folder"]


def test_axioms_are_read_whole_and_compared_with_their_types():
    allowed = check.axioms((FORMAL / "assumptions.txt").read_text())
    printed = "Axioms:\n" + (FORMAL / "assumptions.txt").read_text() + "Closed under the global context\n"
    assert len(allowed) == 3
    assert check.axioms(printed) == allowed
    assert check.axioms(printed.replace("P <-> Q", "P -> Q")) != allowed


def test_the_table_names_every_theorem_and_no_other():
    table = (FORMAL / "README.md").read_text().split("## The theorems")[1].split("## The files")[0]
    rows = [row.split("|")[2] for row in table.splitlines() if row.startswith("|")][2:]
    named = [name for cell in rows for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(check.theorems())


def test_theorems_that_the_checker_names_are_proved():
    assert set(THEOREMS) <= set(check.theorems())


def test_names_that_the_documentation_mentions_are_theorems():
    pattern = re.compile(r"`((?:benign|no_spurious|collapsed|degenerate|local_min|index|merged)_[A-Za-z_]+)`")
    pages = [ROOT / "docs" / page for page in ("theory.md", "proofs.md")]
    named = {name for page in pages for name in pattern.findall(page.read_text(encoding="utf-8"))}
    assert "benign_S" in named
    assert named <= set(check.theorems())
