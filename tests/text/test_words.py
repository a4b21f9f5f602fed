import numpy as np
import pytest

from dropmix.text.words import encode, split_words, vocabulary


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Where's my card??", ["where", "'", "s", "my", "card", "?", "?"]),
        ("  \t\n", []),
        ("naïve Ⅳ ﬁsh", ["naïve", "iv", "fish"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("今日は", ["今", "日", "は"]),
        ("snake_case 3.5", ["snake_case", "3", ".", "5"]),
    ],
)
def test_words_of_several_scripts(text, words):
    assert split_words(text) == words


def test_composed_and_decomposed_letters_are_one_word():
    assert split_words("cafe\u0301") == split_words("café") == ["café"]


def test_the_vocabulary_does_not_depend_on_the_order_of_texts():
    texts = ["b a", "a b c", "c d", "e"]
    assert vocabulary(texts) == vocabulary(texts[::-1]) == ["<padding>", "<unknown>", "a", "b", "c"]


def test_encoded_texts_can_be_read_back():
    words = vocabulary(["a b", "b a c"])
    ids = encode(["b a x", "", "a"], words)
    assert [[words[k] for k in row if k] for row in ids] == [["b", "a", "<unknown>"], ["<unknown>"], ["a"]]
    assert ids.dtype == np.int32
    assert encode(["a b a b"], words, most=2).shape == (1, 2)
