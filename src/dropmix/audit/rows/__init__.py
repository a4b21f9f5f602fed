"""Rows beside the classes of an audit, tested as they are, and what is known of each row.

Read in this order: `slices` (a camera, a hospital, and the classes within each), `labels` (several labels per example),
`class_facts` (superclasses and training counts), `to_decide` and `ways` (what would decide the open ones), and
`would_decide` (the same in words).
"""
