"""A text to words, and words to ids: a vocabulary of the training texts, in plain Python."""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache

import numpy as np

PADDING, UNKNOWN = "<padding>", "<unknown>"
"""The first two words of every vocabulary: ids 0 and 1."""
LEAST = 2  # words seen once become the unknown word, which is trained this way
MOST = 50_000
# In scripts without spaces between words, each letter is a word.
UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")


def split_words(text: str) -> list[str]:
    """Words and punctuation marks of a text, in lower case.

    Example:
        >>> split_words("Isn't it 10€?")
        ['isn', "'", 't', 'it', '10', '€', '?']
    """
    words: list[str] = []
    joins = False
    for letter in unicodedata.normalize("NFKC", text).lower():
        kind = _kind(letter)
        if kind == "word" and joins:
            words[-1] += letter
        elif kind != "space":
            words.append(letter)
        joins = kind == "word"
    return words


@cache
def _kind(letter: str) -> str:
    category = unicodedata.category(letter)
    if category[0] in "ZC":
        return "space"
    if category[0] in "LNM" or letter == "_":
        return "alone" if unicodedata.name(letter, "").startswith(UNSPACED) else "word"
    return "alone"


def vocabulary(texts: Iterable[str]) -> list[str]:
    """Padding, the unknown word, then all words that occur at least twice, most frequent first.

    Example:
        >>> vocabulary(["a b a", "b c"])
        ['<padding>', '<unknown>', 'a', 'b']
    """
    counts = Counter(word for text in texts for word in split_words(text))
    known = sorted((word for word, count in counts.items() if count >= LEAST), key=lambda word: (-counts[word], word))
    return [PADDING, UNKNOWN, *known[:MOST]]


def encode(texts: list[str], words: list[str], most: int | None = None) -> np.ndarray:
    """Ids of the words of texts, padded with 0 at the end.

    Args:
        texts: N texts. A text without words becomes one unknown word.
        words: the vocabulary.
        most: number of words kept from the start of each text; None keeps all.
    Returns:
        int32 (N, L), L the longest text.
    Example:
        >>> encode(["a b", "c"], ["<padding>", "<unknown>", "a", "b"]).tolist()
        [[2, 3], [1, 0]]
    """
    place = {word: k for k, word in enumerate(words)}
    return pad([[place.get(word, 1) for word in split_words(text)[:most]] or [1] for text in texts])


def pad(rows: list[list[int]]) -> np.ndarray:
    """Rows of ids as int32 (N, L), padded with 0 at the end."""
    table = np.zeros((len(rows), max(map(len, rows), default=1)), np.int32)
    for row, ids in zip(table, rows, strict=True):
        row[: len(ids)] = ids
    return table
