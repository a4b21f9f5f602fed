"""The parts of PuzzleMix.

Read in this order: `energy` (what a good mask costs), `graphcut` (the exact mask of least energy), `transport` (moving
salient cells), `adversarial` (its noise), `work` (what a
training loop may replay).
"""
