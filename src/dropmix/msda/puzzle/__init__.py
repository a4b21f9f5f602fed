"""The parts of PuzzleMix.

Read in this order: `energy` (the cost of a mask), `graphcut` (the mask of least cost), `transport` (moving salient
cells), `adversarial` (noise on the images), `work` (what a training loop may replay as a CUDA graph).
"""
