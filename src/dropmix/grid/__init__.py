"""Arms and seeds: many runs, each a folder.

Read in this order: `arm`, `written_arms` and `grid` (what is run), `data` (its images), `store` (what a folder holds),
`worker` (one run in a process), `local`, `ray_cluster` and `torchrun` (where runs are trained), `view` and `estimate`
(what is shown), `limits` (this machine's speed), `export` (a network for other programs), `program` and `command` (your
own training script as a grid).
"""
