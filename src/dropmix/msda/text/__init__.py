"""Mixing of texts: token ids (B, 1, 1, L), 0 for padding, as images of height 1."""
