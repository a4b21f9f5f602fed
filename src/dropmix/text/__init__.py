"""Text classification: files to token ids, and networks over them. Imports no torch.

Read in this order: `read` (a file to rows), `splits` (which files of a folder), `words` (a text to words, words to
ids), `load` (a name and a folder to a `Dataset`), `network_names`, `networks` (torch).
"""

from dropmix.text.load import TEXTS, is_text, load_texts
from dropmix.text.network_names import TEXT_NETWORKS, check_text_network

__all__ = ["TEXTS", "TEXT_NETWORKS", "check_text_network", "is_text", "load_texts"]
