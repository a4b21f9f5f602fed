"""More methods, one per file, as in `methods`: these mix more than two images into one. See `Mix.below`.

Read in this order: `comixup` (which blocks of which images), `supermix` (masks that a teacher supervises).
"""
