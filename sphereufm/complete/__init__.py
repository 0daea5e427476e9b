"""Complete lists: on small instances every critical point is found, and that none is missing is proved."""

from sphereufm.complete.outcome import CompleteList
from sphereufm.complete.prove import prove_complete

__all__ = ["CompleteList", "prove_complete"]
