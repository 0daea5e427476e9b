"""The version, in one place: ``setup.cfg`` and the documentation read it here."""

__version__ = "0.2.0"
