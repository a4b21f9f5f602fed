"""Methods whose labels are weighed by what a mixed image still shows of each class, one per file as in `methods`.

Read in this order: `snapmix` (boxes of both images), `tokenmix` (blocks of cells), `transmix` (by the network's
attention, after its pass).
"""
