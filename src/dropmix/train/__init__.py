"""One run: from a spec to predictions.

Read in this order: `config` (the spec), `plan` (every random number of an epoch), `step` (one update), `loop` (all
of them), `outcome` (what is saved), `checkpoint`; then `source` (batches), `augment`, `tokens` (of texts), `optimizer`,
`executor` (how steps reach a GPU), `shards` and `distributed` (several processes), `device` and `files`.
"""
