"""Values as programs print them, such as tensor(3), np.int64(3), [3] or b'cat': what stands within."""

import re
from collections.abc import Sequence

_CALL = re.compile(
    r"\s*(?:(?:torch\.|tf\.|jax\.)?(?:[Tt]ensor|EagerTensor)|(?:np\.|numpy\.|jnp\.)?(?:array|Array|u?int\d{1,2}|float\d{2})"
    r"|(?:np|numpy)\.(?:str_|bytes_|bool_?))\(\s*(.+?)\s*(?:,\s*[a-z_]+=.*)?\)\s*\Z"
)
_ONE = re.compile(r"\s*[\[(]\s*([-+]?\d+(?:\.\d*)?)\s*,?\s*[\])]\s*\Z")  # a list of one number
_QUOTED = re.compile(r"[bu]?(['\"])(.*)\1\Z", re.DOTALL)
_BYTES = re.compile(r"\s*b(['\"])(.*)\1\s*\Z", re.DOTALL)


def unprinted(texts: Sequence[str]) -> list[str]:
    """The same texts without what print adds, if all of them have it.

    Example:
        >>> unprinted(["tensor(3)", "tensor(0, device='cuda:0')"]), unprinted(["[3]"]), unprinted(["np.str_('cat')"])
        (['3', '0'], ['3'], ['cat'])
        >>> unprinted(["b'cat'", "cat"])
        ["b'cat'", 'cat']
    """
    within = [_within(text) for text in texts]
    return list(texts) if None in within else [text for text in within if text is not None]


def _within(text: str) -> str | None:
    call = _CALL.match(text)
    inner = call[1] if call else text
    if one := _ONE.match(inner):
        return one[1]
    if call:
        quoted = _QUOTED.match(inner)
        return quoted[2] if quoted else inner
    return found[2] if (found := _BYTES.match(text)) and "\\" not in found[2] else None
