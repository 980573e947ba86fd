"""What a terminal, or the file that stands in for it, can print."""

import re
import sys
import unicodedata

_PLAIN = {
    "\N{RIGHTWARDS ARROW}": "->",
    "\N{HORIZONTAL ELLIPSIS}": "...",
    "\N{MINUS SIGN}": "-",
    "\N{MIDDLE DOT}": "*",
    "\N{DOT OPERATOR}": "*",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{ALMOST EQUAL TO}": "~",
    "\N{PARTIAL DIFFERENTIAL}": "d",
    "\N{SQUARE ROOT}": "sqrt",
    "\N{N-ARY SUMMATION}": "sum",
    "\N{INFINITY}": "inf",
    "\N{LESS-THAN OR EQUAL TO}": "<=",
    "\N{GREATER-THAN OR EQUAL TO}": ">=",
    "\N{NOT EQUAL TO}": "!=",
    "\N{COMBINING MACRON}": "bar",
}


def for_terminal(text: str) -> str:
    r"""The text as standard output can print it: in ASCII, such as w_1, what its encoding lacks.

    Letters of names that have no such form become escapes, such as \u6743.
    """
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        lacking = "".join({letter for letter in text if not _has(encoding, letter)})
        text = re.sub(f"[{re.escape(lacking)}]+", lambda found: _plain(found[0]), text)
    except LookupError:
        pass
    return text


def _has(encoding: str, letter: str) -> bool:
    try:
        letter.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _plain(letters: str) -> str:
    """The letters in ASCII; those that are lowered or raised behind one _ or ^."""
    found, last = "", ""
    for letter in letters:
        kind, _, code = unicodedata.decomposition(letter).partition(" ")
        mark = {"<sub>": "_", "<super>": "^"}.get(kind, "")
        if letter in _PLAIN:
            found += _PLAIN[letter]
        elif mark:
            found += ("" if mark == last else mark) + chr(int(code, 16))
        elif unicodedata.name(letter, "").startswith("GREEK SMALL LETTER "):
            found += unicodedata.name(letter).rpartition(" ")[2].lower()
        else:
            found += letter.encode("ascii", "backslashreplace").decode("ascii")
        last = mark
    return found
