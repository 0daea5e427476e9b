"""An independent checker of certificates ``sphereufm-certificate/2``.

It imports nothing else of the package and believes nothing that a certificate says.  Reading, cost, derivatives and
proofs are written here from the format's document (docs/certificates.md) and its lemmas (docs/proofs.md).  The core is
``kernel``, ``calculus``, ``reading``, ``place`` and ``claims``, all that a point of cross-entropy needs; other
``losses`` (a function each) and theorems about them, ``programs`` and ``families`` are trusted where a file has them.
Around them stand ``integers`` (a second arithmetic), ``newton`` (a guess), ``words`` and ``face``.
:mod:`sphereufm.certify.alone` makes one file of them that runs anywhere:

    python checker.py FILE [--backend flint|integers]

Exit codes: 0 every claim and the row are PROVED, 1 a claim is REFUTED, 2 unreadable, 3 UNDECIDED, 70 a defect here.
What is trusted: these files, Python's standard library, and the arithmetic of Arb (python-flint), or with the backend
``integers`` Python's integers alone.

In: a certificate's text.  Out: for each claim PROVED, REFUTED or UNDECIDED, with its sentence.
Calls nothing; the rest of ``certify`` and the command line call it.
"""

from sphereufm.certify.checker.face import CheckResult, ClaimResult, check_bytes, check_file, main
from sphereufm.certify.checker.kernel import CheckError

__all__ = ["CheckError", "CheckResult", "ClaimResult", "check_bytes", "check_file", "main"]
