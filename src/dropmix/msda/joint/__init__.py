"""The parts of Co-Mixup that are one problem of many images: what is minimised, and how.

Read in this order: `objective` (what a labelling costs), `descent` (how a cheap one is found), `exact` (the
cheapest one of a tiny problem).
"""
