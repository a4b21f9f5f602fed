"""Every column of a comparison's slices, and of the classes within them. See `dropmix.audit.quantities.table`."""

from dropmix.audit.quantities.table import OF_CLASSES, Quantity, count, number, text

_TESTED: tuple[Quantity, ...] = (
    count("n", "examples"),
    count("n_groups", "independent groups of examples", optional=True),
    text("decision", "hurt, safe, undecided or too few examples", twin=True, words=OF_CLASSES),
    number("tolerance", "loss that is tolerated"),
    number("recall_baseline", "share of its examples that is right, mean over seeds"),
    number("recall_treated", "share of its examples that is right, mean over seeds"),
    number("recall_change", "recall_treated - recall_baseline"),
    number("recall_change_low", "lower end of the two-sided interval of the change, not shrunken", twin=True),
    number("recall_change_high", "upper end of it", twin=True),
    number("p_hurt", "p value of losing at most the tolerance: small where it is hurt", "probability", twin=True),
    number("p_safe", "p value of losing at least the tolerance: small where it is safe", "probability", twin=True),
)
SLICES: tuple[Quantity, ...] = (
    text("slice", "value of the column"),
    *_TESTED,
    text("protected", "yes where the slice was named beforehand, else no", words=("yes", "no")),
    count("n_classes", "classes with examples in the slice"),
    count("n_hurt", "classes within the slice with the decision hurt"),
    count("n_safe", "classes within the slice with the decision safe"),
    count("n_undecided", "classes within the slice of which neither is shown"),
    count("n_too_few", "classes within the slice with too few examples to be judged"),
    count("n_hurt_low", "at least so many classes within the slice are hurt, guaranteed at 95 %"),
    count("n_hurt_high", "at most so many, guaranteed at 95 %"),
)
SLICE_CLASSES: tuple[Quantity, ...] = (text("slice", "value of the column"), text("class", "name"), *_TESTED)
