"""Maps of a network over its images.

Read in this order: `network` (the network inside its wrappers, its logits, and a gradient that must not be lost),
`activation` (maps of its last features), `attention` (of a transformer's class token).
"""
