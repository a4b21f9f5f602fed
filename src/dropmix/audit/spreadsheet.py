"""Text for CSV files that no spreadsheet reads as a formula."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def guarded(text: str) -> str:
    """Text that no spreadsheet reads as a formula: an apostrophe precedes what begins like one.

    If such text already has an apostrophe it gets another, so that `unguarded` restores every text.

    Example:
        >>> guarded("=1+1"), guarded("fox"), guarded("'=1")
        ("'=1+1", 'fox', "''=1")
    """
    return f"'{text}" if text.lstrip("'")[:1] in _FORMULA else text


def unguarded(text: str) -> str:
    """The original text of `guarded`.

    Example:
        >>> unguarded("'=1+1"), unguarded("'tis")
        ('=1+1', "'tis")
    """
    return text[1:] if text.startswith("'") and text.lstrip("'")[:1] in _FORMULA else text
