"""Where the paper's text, tables and figures contradict each other or are silent, by table and figure.

Source:
    Lee, Lee & Kim, arXiv 2307.09136. The tests recompute the arithmetic from the stored tables.
"""

_RATE = "The rates were chosen by test accuracy, which flatters accuracy and N_DC; ours are the printed rates."
_UNIT = "Sec. 4.1 speaks of dropping samples; Algorithm 1 draws once per minibatch, and so do we."
_SD = "The convention of the sd is not stated; ddof 0 is the released code's and ours."
_EXTREMES = (
    "Sec. 3.3's extreme changes, +7.33 (Beetle) and -6.67 (Dolphin), are no multiples of 0.2 points, so they cannot "
    "come from 5 seeds per arm on 100 test images per class; 3 seeds would fit."
)
_GAIN = "Sec. 3.3 says that Mixup gains 1.39 points on PreActRN50; Table 1 implies 80.38 - 78.89 = 1.49."
_PUZZLE = (
    "Sec. 4.2 calls PuzzleMix's class dependency better than Mixup's and CutMix's on all networks. Mean changes "
    "contradict it: on WRN28-2 Mixup has -3.98 against -4.67, on PreActRN34 CutMix -1.18 against -1.28, on PreActRN50 "
    "CutMix -0.75 against -1.73."
)
_WORST = (
    "Sec. 5.3 says that Mixup is the most class-dependent, then CutMix, then PuzzleMix; by mean change CutMix (-7.38) "
    "and PuzzleMix (-4.67) are worse than Mixup (-3.98) on WRN28-2."
)
_EXCEPTIONS = (
    "For PuzzleMix, Table 1's caption names exceptions in accuracy and N_DC, Sec. 4.2 in accuracy and mean change. The "
    "table has all three: accuracy (PreActRN18, PreActRN50), N_DC (PreActRN34: 5 to 6), mean change (PreActRN18: -1.13 "
    "to -1.48)."
)
_SHADE = (
    "The caption of Fig. 3 describes shading over degraded classes in (b), the number of classes; it can only mean (c)."
)
_STEP = "The step of the rates is not printed; ours are tenths, as all printed rates are."
_MITIGATED = (
    "The captions of Figs. 12 to 14 say that low rates raise the accuracy of each method; Table 1 prints lower "
    "accuracies with DropMix for PuzzleMix on PreActRN18 and PreActRN50."
)
_CONFIDENCE = "Confidence is not defined; ours is the mean probability of the true class."
_SETS = (
    "The abstract and Sec. 1 speak of two data sets with three methods; PuzzleMix was not run on ImageNet, and "
    "CIFAR-10 is a third."
)
_BLUE = "PuzzleMix is brown in Fig. 3 and blue in Figs. 12 to 14; colours here are the same throughout."

NOTES: dict[str, tuple[str, ...]] = {
    "table1": (_GAIN, _PUZZLE, _WORST, _EXCEPTIONS, _UNIT, _RATE, _SD),
    "table2": (
        "Mixup's rate and the vanilla row run together in print; 0.1 and 76.89 are our reading, which agrees with the "
        "text's gains of 0.16 and 0.18 points.",
        _SETS,
        _RATE,
        _SD,
    ),
    "table3": (_CONFIDENCE,),
    "table4": (
        "No sd is printed.",
        _RATE,
    ),
    "figure1": (_EXTREMES, _GAIN),
    "figure2": (_EXTREMES, _GAIN, _RATE),
    "figure3": (_SHADE, _STEP, _RATE),
    "figure5": (_CONFIDENCE,),
    "figure6": ("ResNet-18 on CIFAR-100 is not among the networks of Sec. 3.1; we assume their protocol.",),
    "figure7": ("The values of alpha are not printed; ours are tenths, against x = 1 - alpha.",),
    "figure8": (
        "The caption says CIFAR-100 and ImageNet, Appendix B says ImageNet; the CIFAR-100 network is not named; "
        "we assume PreActRN50, as in Figs. 1 and 2.",
    ),
    "figure12": (_STEP, _MITIGATED, _BLUE),
    "figure13": (_STEP, _BLUE),
    "figure14": (_STEP, _MITIGATED, _BLUE),
    "figure16": (
        _CONFIDENCE,
        "The same analysis as in Fig. 5, on the same models as far as the text says.",
    ),
    "figure17": (_CONFIDENCE,),
    "figure18": (_CONFIDENCE,),
}


def notes(name: str) -> list[str]:
    """Footnotes of a table or figure; empty if it has none.

    Example:
        >>> len(notes("table3"))
        1
    """
    return list(NOTES.get(name, ()))
