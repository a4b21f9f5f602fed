"""Arms and seeds: many runs, each a folder.

Read in this order: `arm`, `written_arms` and `grid` (what is run), `store` (what a folder holds), `worker` (one run in
a process), `local`, `ray_cluster` and `torchrun` (where runs are trained), `view` and `estimate` (what is shown),
`limits` (this machine's speed), `program` and `command` (your own training script as a grid).
"""
