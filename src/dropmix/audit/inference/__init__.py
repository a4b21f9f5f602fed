"""What can be concluded from the counts: noise, estimates, decisions.

Read in this order: `variance` (how much noise), `heterogeneity` (do classes differ at all), `floor` (what noise alone
would show), `shrinkage` (what the changes are likely to be), `decide` (hurt, safe or undecided), `infer` (all
of these for one comparison), then `few_classes`, `bootstrap`, `halves`, `guaranteed` and `planner`.
"""
