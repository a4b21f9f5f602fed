"""Mixing of texts: token ids (B, 1, 1, L), 0 for padding, as images of height 1.

Read in this order: `span`, `ssmix` (cut tokens), `hidden` (blend hidden states), `gradient` (saliency of tokens).
"""
