"""Methods that learn how to mix, one per file as in `methods`. `DropMix` keeps what they have learned in its state.

Read in this order: `automix` (masks from the attention between two images), `mixer` (what it learns, and from whom).
"""
