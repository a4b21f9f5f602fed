"""What can be concluded from the counts: noise, estimates, decisions.

Read in this order: `variance` (how much noise) and `seed_noise` (what seeds do to whole classes, and an arm with one
seed), `heterogeneity` (do classes differ at all), `floor` (what noise alone would show), `shrinkage` and `prior_shapes`
(what the changes are likely to be), `decide` (hurt, safe or undecided), `infer` (all of these for one comparison), then
`few_classes`, `bootstrap`, `halves`, `guaranteed`, `looks` (testing again as seeds are added), `planner` and `streams`
(random numbers).
"""
