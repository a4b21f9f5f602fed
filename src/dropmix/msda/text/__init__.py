"""Mixing of texts: token ids (B, 1, 1, L), 0 for padding, as images of height 1.

<<<<<<< HEAD
Read in this order: `span`, `ssmix` (cut tokens), `hidden` (blend hidden states), `gradient` (saliency of tokens).
=======
Read in this order: `span` (a stretch of words pasted), `hidden` (embeddings blended), `gradient` and `ssmix` (where the
words matter).
>>>>>>> dd3bac5 (Own photographs by the recipe finetune; the voice of the pages: per, not a)
"""
