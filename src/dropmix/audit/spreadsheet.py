"""Text in CSV files that no spreadsheet takes for a formula."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def guarded(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe in front of what begins like one.

    An apostrophe that is there already gets one more before such text, so that `unguarded` gives back every text.

    Example:
        >>> guarded("=1+1"), guarded("fox"), guarded("'=1")
        ("'=1+1", 'fox', "''=1")
    """
    return f"'{text}" if text.lstrip("'")[:1] in _FORMULA else text


def unguarded(text: str) -> str:
    """The text that `guarded` was given.

    Example:
        >>> unguarded("'=1+1"), unguarded("'tis")
        ('=1+1', "'tis")
    """
    return text[1:] if text.startswith("'") and text.lstrip("'")[:1] in _FORMULA else text
