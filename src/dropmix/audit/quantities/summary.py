"""Every number of a comparison's summary. See `dropmix.audit.quantities.table`."""

from dropmix.audit.quantities.table import OF_ARMS, Quantity, count, number, text

AN_ARM_HAS_ONE = "an arm has one seed, or no class was ever chosen"
BOTH_ARMS_HAVE_ONE = "both arms have one seed only"
CLASSES_ARE_OF_EQUAL = "classes are of equal size: macro and micro averages agree"
FEWER_THAN_TWO_CLASSES = "fewer than two classes have enough examples"
IT_TAKES_TWO_SEEDS = "it takes two seeds of the baseline and of the first arm, and a class that was chosen"
NO_CLASS_HAS_EXAMPLES = "no class has enough examples"
NO_CLASS_IS_DEGRADED = "no class is degraded"
NO_CLASS_IS_IMPROVED = "no class is improved"
NO_INTERVAL = "no interval was asked for (and none of 20 classes or more is computed for new examples)"
NO_INTERVAL_OF_NUMBER = f"{NO_INTERVAL}, nothing changed, or no class has enough examples"
NO_INTERVAL_OF_MEAN = f"{NO_INTERVAL}, or fewer than half a class is estimated to be degraded"
NO_PROBABILITIES_IN_THE = "no probabilities in the predictions, or too few degraded or improved classes"
NO_SUPERCLASSES_WERE_GIVEN = "no superclasses were given"

SUMMARY: tuple[Quantity, ...] = (
    text("decision", "ship, do not ship or undecided, for these classes and tolerances", twin=True, words=OF_ARMS),
    number(
        "tolerance", "loss that is tolerated in a class", null="classes have different tolerances: see the settings"
    ),
    count("n_protected", "classes that were named beforehand"),
    number("protected_level", "level of each one-sided test of a protected class", "probability"),
    count("n_hurt", "classes that lost more than is tolerated (decision hurt)", twin=True),
    count("n_safe", "classes that lost less than is tolerated, or gained (decision safe)", twin=True),
    count("n_undecided", "classes for which neither is shown", twin=True),
    count("n_too_few", "classes with too few examples to be judged", twin=True),
    count(
        "n_hurt_low",
        "at least this many classes are hurt, guaranteed at 95 %",
        source="closed testing: Goeman & Solari 2011",
        twin=True,
    ),
    count(
        "n_hurt_high",
        "at most this many classes are hurt, guaranteed at 95 %",
        source="closed testing: Goeman & Solari 2011",
        twin=True,
    ),
    number("gain_low", "lower end of the interval of the gain, over seeds", null=BOTH_ARMS_HAVE_ONE),
    number("gain_high", "upper end of it", null=BOTH_ARMS_HAVE_ONE),
    count("n_slices", "slices", optional=True),
    count("n_slices_hurt", "slices that lost more than is tolerated (decision hurt)", optional=True),
    count("n_slices_safe", "slices that did not (decision safe)", optional=True),
    count("n_slice_classes_hurt", "classes within slices that lost more than is tolerated", optional=True),
    count("n_classes", "classes with examples, M"),
    count("n_examples", "examples, N"),
    count("seeds_baseline", "S0"),
    count("seeds_treated", "S1"),
    count(
        "n_degraded",
        "classes whose mean recall is lower by any amount (the paper's N_DC)",
        source="Lee, Lee & Kim 2023, Sec. 3.2",
    ),
    count("n_improved", "classes whose mean recall is higher by any amount"),
    count("n_tied", "classes whose mean recall is the same"),
    count("shared_seeds", "seeds that both arms have, when they are paired"),
    count("n_called", "classes called degraded at the stated FDR", twin=True),
    count("n_called_improved", "classes called improved", twin=True),
    number("mean_degraded_change", "mean recall change of the degraded classes", null=NO_CLASS_IS_DEGRADED),
    number("sd_degraded_change", "its sd over classes, ddof 0", null=NO_CLASS_IS_DEGRADED),
    number("mean_improved_change", "mean recall change of the improved classes", null=NO_CLASS_IS_IMPROVED),
    number("sd_improved_change", "its sd over classes, ddof 0", null=NO_CLASS_IS_IMPROVED),
    number("accuracy_baseline", "mean over seeds, over all examples (micro)"),
    number("accuracy_treated", "mean over seeds, over all examples (micro)"),
    number("accuracy_baseline_sd", "sd over seeds, ddof 0"),
    number("accuracy_treated_sd", "sd over seeds, ddof 0"),
    number("gain", "accuracy_treated - accuracy_baseline"),
    number("accuracy_baseline_macro", "mean class recall, where classes differ in size", null=CLASSES_ARE_OF_EQUAL),
    number("accuracy_treated_macro", "mean class recall, where classes differ in size", null=CLASSES_ARE_OF_EQUAL),
    number("gain_macro", "mean recall change, where classes differ in size", null=CLASSES_ARE_OF_EQUAL),
    number("negative_flips", "examples right under the baseline and wrong now, mean over pairs of seeds"),
    number(
        "negative_flips_by_seed",
        "the same between two seeds of the baseline: what training again breaks",
        null="the baseline has one seed",
    ),
    number("worst_class_baseline", "lowest class recall"),
    number("worst_class_treated", "lowest class recall"),
    number("bottom_tenth_baseline", "mean recall of the lowest tenth of classes"),
    number("bottom_tenth_treated", "mean recall of the lowest tenth of classes"),
    number("margin", "loss beyond which a class counts as degraded by the model"),
    number(
        "confidence_change_improved", "mean confidence change of the improved classes", null=NO_PROBABILITIES_IN_THE
    ),
    number(
        "confidence_change_degraded", "mean confidence change of the degraded classes", null=NO_PROBABILITIES_IN_THE
    ),
    number("confidence_change_difference", "degraded minus improved", null=NO_PROBABILITIES_IN_THE),
    number(
        "confidence_change_difference_low",
        "lower end of Welch's interval over classes",
        null=NO_PROBABILITIES_IN_THE,
        source="Welch 1947",
    ),
    number(
        "confidence_change_difference_high",
        "upper end of Welch's interval over classes",
        null=NO_PROBABILITIES_IN_THE,
        source="Welch 1947",
    ),
    number(
        "seed_variance_ratio",
        "variance of class recall over seeds / what independent flips would give",
        "ratio",
        null=BOTH_ARMS_HAVE_ONE,
    ),
    number("seed_covariance", "pooled covariance of the arms' class recalls over shared seeds", "fraction squared"),
    number(
        "split_n_degraded",
        "classes that look degraded on half the seeds, mean over splits",
        "count",
        null="an arm has one seed",
    ),
    number("split_chosen_change", "their mean change on those seeds", null=AN_ARM_HAS_ONE),
    number("split_other_change", "their mean change on the other seeds", null=AN_ARM_HAS_ONE),
    number("split_still_degraded", "share of them that look degraded on the other seeds too", null=AN_ARM_HAS_ONE),
    number(
        "within_superclass_change",
        "change in the share of examples taken for another class of their superclass",
        null=NO_SUPERCLASSES_WERE_GIVEN,
    ),
    number(
        "across_superclass_change",
        "change in the share of examples taken for a class of another superclass",
        null=NO_SUPERCLASSES_WERE_GIVEN,
    ),
    text("confidence_kind", "p_true or p_max: what confidence is", null="no probabilities in the predictions"),
    text("procedure", "empirical Bayes, or tests of each class if there are few"),
    number(
        "heterogeneity_p",
        "p value of the test that all classes change equally",
        "probability",
        null=FEWER_THAN_TWO_CLASSES,
        source="Cochran 1954; simulated equal changes",
        twin=True,
    ),
    number(
        "heterogeneity_tau",
        "sd over classes of the changes beyond noise (DerSimonian-Laird)",
        null=FEWER_THAN_TWO_CLASSES,
        source="DerSimonian & Laird 1986",
        twin=True,
    ),
    number(
        "heterogeneity_i2",
        "share of the variance of the changes that is not noise",
        null=FEWER_THAN_TWO_CLASSES,
        source="Higgins & Thompson 2002",
        twin=True,
    ),
    number(
        "floor_n_degraded",
        "classes that would look degraded if all classes changed equally",
        "count",
        null=NO_CLASS_HAS_EXAMPLES,
        twin=True,
    ),
    number("floor_n_degraded_low", "lower end of its 95 % band", "count", null=NO_CLASS_HAS_EXAMPLES, twin=True),
    number("floor_n_degraded_high", "upper end of its 95 % band", "count", null=NO_CLASS_HAS_EXAMPLES, twin=True),
    number(
        "floor_mean_degraded_change",
        "mean change of these classes",
        null="equal changes never made a class look degraded, or no class has enough examples",
        twin=True,
    ),
    number(
        "n_degraded_estimate",
        "estimated number of classes whose recall fell by more than `margin`, by the model",
        "count",
        null="both arms predict the same throughout, or no class has enough examples",
        source="Stephens 2017",
        twin=True,
    ),
    number("n_degraded_estimate_low", "lower end of its interval", "count", null=NO_INTERVAL_OF_NUMBER, twin=True),
    number("n_degraded_estimate_high", "upper end of its interval", "count", null=NO_INTERVAL_OF_NUMBER, twin=True),
    number(
        "mean_degraded_change_estimate",
        "estimated mean of their changes, by the model",
        null="fewer than half a class is estimated to be degraded",
        twin=True,
    ),
    number("mean_degraded_change_estimate_low", "lower end of its interval", null=NO_INTERVAL_OF_MEAN, twin=True),
    number("mean_degraded_change_estimate_high", "upper end of its interval", null=NO_INTERVAL_OF_MEAN, twin=True),
    number(
        "rescue_n_degraded",
        "classes that the first arm degrades on half its seeds, mean over splits",
        "count",
        null=IT_TAKES_TWO_SEEDS,
        optional=True,
    ),
    number(
        "rescue_lost",
        "their mean change under the first arm on the other seeds",
        null=IT_TAKES_TWO_SEEDS,
        optional=True,
    ),
    number(
        "rescue_given_back",
        "their mean change from the first arm to the second, on the other seeds",
        null=IT_TAKES_TWO_SEEDS,
        optional=True,
    ),
    number("rescue_others", "the same for the other classes", null=IT_TAKES_TWO_SEEDS, optional=True),
    text(
        "decision_as_labelled",
        "the decision by the labels alone, beside acceptable labels",
        optional=True,
        words=OF_ARMS,
    ),
    count("n_hurt_as_labelled", "classes that are hurt by the labels alone", optional=True),
    count("n_safe_as_labelled", "classes that are safe by the labels alone", optional=True),
    number("accuracy_baseline_as_labelled", "mean over seeds, by the labels alone", optional=True),
    number("accuracy_treated_as_labelled", "mean over seeds, by the labels alone", optional=True),
    number("gain_as_labelled", "their difference", optional=True),
)
