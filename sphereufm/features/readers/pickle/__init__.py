"""Checkpoints of torch: pickles whose names are never imported or called."""
