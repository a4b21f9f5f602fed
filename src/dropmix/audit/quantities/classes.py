"""Every column of a comparison's classes. See `dropmix.audit.quantities.table`."""

from dropmix.audit.quantities.table import OF_CLASSES, Quantity, count, number, text

NO_EXAMPLE_OF_ITS_OWN = "the class has no example of its own label"
NO_OTHER_CLASS_GAINED = "no other class gained examples of this one, or the row is a measure of a label"
NO_PROBABILITIES_IN_THE = "no probabilities in the predictions"
NO_SUPERCLASSES_WERE_GIVEN = "no superclasses were given"
TRAIN_COUNTS_ARE_NOT_KNOWN = "the numbers of training examples were neither recorded nor given"
THE_CLASS_WAS_NEVER = "the class was never predicted"
TOO_FEW_EXAMPLES = "too few examples"
NO_SUCH_NUMBER = "average precision has no such number"

CLASSES: tuple[Quantity, ...] = (
    text("class", "name"),
    text("superclass", "name of the superclass", null=NO_SUPERCLASSES_WERE_GIVEN),
    count("n", "examples"),
    number("n_train", "training examples", "count", null=TRAIN_COUNTS_ARE_NOT_KNOWN, kind="integer"),
    text("decision", "hurt, safe, undecided or too few examples", twin=True, words=OF_CLASSES),
    text("label", "name of the label, where examples may have several", optional=True),
    text("measure", "sensitivity, specificity or average precision, where examples may have several", optional=True),
    text("protected", "yes if the class was named beforehand, else no", words=("yes", "no")),
    number("tolerance", "loss that is tolerated"),
    count("n_groups", "independent groups of examples", optional=True),
    number("recall_change_low", "lower end of the two-sided interval of the change, not shrunken", twin=True),
    number("recall_change_high", "upper end of it", twin=True),
    number("p_hurt", "p value of losing at most the tolerance: small if the class is hurt", "probability", twin=True),
    number("p_safe", "p value of losing at least the tolerance: small if the class is safe", "probability", twin=True),
    text(
        "status",
        "degraded, improved or tied, as observed, decided on integers",
        words=("degraded", "improved", "tied"),
    ),
    text("call", "degraded or improved if called so at the stated FDR, else empty", twin=True),
    text("partner", "class that gained most of this class's examples"),
    number("recall_baseline", "mean over seeds"),
    number("recall_treated", "mean over seeds"),
    number("recall_change", "recall_treated - recall_baseline"),
    number("confidence_baseline", "mean over examples and seeds", null=NO_PROBABILITIES_IN_THE),
    number("confidence_treated", "mean over examples and seeds", null=NO_PROBABILITIES_IN_THE),
    number("baseline_noise_share", "the baseline's part of the variance of the change"),
    number("se_fixed_test", "standard error of the change for new seeds on these examples"),
    number("se_population", "standard error of the change for new seeds and new examples"),
    number(
        "floor_change",
        "change expected at this class's place among the sorted changes if all classes changed equally",
        null=TOO_FEW_EXAMPLES,
    ),
    number("floor_change_low", "lower end of its 95 % band", null=TOO_FEW_EXAMPLES),
    number("floor_change_high", "upper end of its 95 % band", null=TOO_FEW_EXAMPLES),
    number("precision_baseline", "right among all predictions of the class, seeds pooled", null=THE_CLASS_WAS_NEVER),
    number("precision_treated", "right among all predictions of the class, seeds pooled", null=THE_CLASS_WAS_NEVER),
    number("precision_change", "precision_treated - precision_baseline", null=THE_CLASS_WAS_NEVER),
    number(
        "precision_change_low",
        "lower end of its interval, for new seeds and new examples",
        null=THE_CLASS_WAS_NEVER,
        source="the limit of a bootstrap over examples (groups whole) and seeds",
    ),
    number("precision_change_high", "upper end of it", null=THE_CLASS_WAS_NEVER),
    number("f1_baseline", "harmonic mean of precision and recall, seeds pooled", null=NO_SUCH_NUMBER),
    number("f1_treated", "harmonic mean of precision and recall, seeds pooled", null=NO_SUCH_NUMBER),
    number("f1_change", "f1_treated - f1_baseline", null=NO_SUCH_NUMBER),
    number(
        "f1_change_low",
        "lower end of its interval, for new seeds and new examples",
        null=NO_SUCH_NUMBER,
        source="the limit of a bootstrap over examples (groups whole) and seeds",
    ),
    number("f1_change_high", "upper end of it", null=NO_SUCH_NUMBER),
    number(
        "negative_flips",
        "examples right under the baseline and wrong now, mean over pairs of seeds",
        null=NO_SUCH_NUMBER,
    ),
    number(
        "negative_flips_by_seed",
        "the same between two seeds of the baseline: what training again breaks",
        null="the baseline has one seed",
    ),
    number(
        "positive_flips",
        "examples wrong under the baseline and right now, mean over pairs of seeds",
        null=NO_SUCH_NUMBER,
    ),
    number(
        "false_negatives_change",
        "examples of the class missed, treated minus baseline, mean over seeds",
        "count",
        null=NO_SUCH_NUMBER,
    ),
    number(
        "false_positives_change",
        "examples wrongly given the class, treated minus baseline, mean over seeds",
        "count",
        null=NO_SUCH_NUMBER,
    ),
    number(
        "partner_share", "the partner's share of all examples that moved to other classes", null=NO_OTHER_CLASS_GAINED
    ),
    number(
        "partner_change", "examples that moved to the partner, as a fraction of the class", null=NO_OTHER_CLASS_GAINED
    ),
    number(
        "partner_back",
        "the same seen from the partner; below 0: it takes and gives nothing back",
        null=NO_OTHER_CLASS_GAINED,
    ),
    number("p_degraded", "P(change < -margin), by the model", "probability", null=TOO_FEW_EXAMPLES, twin=True),
    number("p_improved", "P(change > margin), by the model", "probability", null=TOO_FEW_EXAMPLES, twin=True),
    number(
        "recall_change_estimate",
        "estimate of the change, for ranking (shrunken; as observed with few classes)",
        null=TOO_FEW_EXAMPLES,
        twin=True,
    ),
    number("recall_change_estimate_low", "lower end of its approximate interval", null=TOO_FEW_EXAMPLES, twin=True),
    number("recall_change_estimate_high", "upper end of its approximate interval", null=TOO_FEW_EXAMPLES, twin=True),
    number("within_superclass_change", "as in the summary", null=NO_SUPERCLASSES_WERE_GIVEN, optional=True),
    number("across_superclass_change", "as in the summary", null=NO_SUPERCLASSES_WERE_GIVEN, optional=True),
    number(
        "mcnemar_p",
        "exact McNemar test, with one seed in both arms",
        "probability",
        null="an arm has more than one seed",
        source="McNemar 1947",
        optional=True,
    ),
    text(
        "decision_as_labelled",
        "the decision by the labels alone, beside acceptable labels",
        optional=True,
        words=OF_CLASSES,
    ),
    number("recall_change_as_labelled", "by the labels alone", null=NO_EXAMPLE_OF_ITS_OWN, optional=True),
    number(
        "lost_to_acceptable",
        "of the fall as labelled, what went to another acceptable label; the four add up to minus the change",
        null=NO_EXAMPLE_OF_ITS_OWN,
        source="Kirichenko et al. 2023",
        optional=True,
    ),
    number(
        "lost_to_superclass",
        "what went to another class of the superclass",
        null="no superclasses were given, or the class has no example of its own label",
        optional=True,
    ),
    number(
        "lost_to_shared",
        "what went to a class that shares pictures with it: in at least a twentieth of its label sets",
        null=NO_EXAMPLE_OF_ITS_OWN,
        optional=True,
    ),
    number("lost_to_unrelated", "what went elsewhere", null=NO_EXAMPLE_OF_ITS_OWN, optional=True),
)
