"""Methods that mix texts: token ids (B, 1, 1, L), 0 for padding, as images of height 1.

Read in this order: `span` (a stretch of words pasted), `hidden` (embeddings blended), `gradient` and `ssmix` (where the
words matter).
"""
