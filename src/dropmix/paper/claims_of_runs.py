"""The paper's claims in words, tested on each network in some folders of runs."""

from collections.abc import Sequence

from dropmix.audit.errors import AuditError
from dropmix.audit.inputs.run_folders import BASELINE
from dropmix.paper.claim_estimates import Seen
from dropmix.paper.claims import Claim, claims
from dropmix.paper.runs import RunGroup, confidences


def group_claims(groups: Sequence[RunGroup], seed: int = 0) -> dict[str, list[Claim]]:
    """Claims by network and data.

    Args:
        groups: from `find_groups`; a group without vanilla, or with nothing else, is left out.
        seed: of the random halves of seeds.
    Returns:
        description of the group -> its claims.
    Raises:
        AuditError: no group has vanilla and another arm.
    """
    by_group = {}
    for group in groups:
        arms = [name for name in group.seeds if name != BASELINE]
        if BASELINE in group.seeds and arms:
            seen = [Seen(group.comparison(name), confidences(group.pair(name))) for name in arms]
            by_group[group.words] = claims(seen, seed)
    if not by_group:
        raise AuditError("paper claims: expected runs of vanilla and of another arm, got no such pair. Run both.")
    return by_group
