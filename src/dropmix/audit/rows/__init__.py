"""Rows beside the classes of an audit, tested as they are.

Read in this order: `slices` (a camera, a hospital, and the classes within each), `labels` (several labels per example).
"""
