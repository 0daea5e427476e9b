"""Checkpoints of torch: pickles interpreted by an allowlist; nothing is ever imported or called for them.

In: bytes of an untrusted file.  Out: arrays as sources of blocks.  Only ``features.readers`` calls it.
"""
