"""Formats read by our own few lines: numpy's, safetensors, text, and the members of zip archives."""
