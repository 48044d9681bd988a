"""Numbers and lists as sentences and tables write them."""

from collections.abc import Iterable, Mapping

from plumage.contract import NORM_NAMES

LEVEL = 0.05  # of significance
Score = Mapping[str, float]  # value, low and high: a measure and its 95% interval


def percent(share: float, decimals: int = 1) -> str:
    """A share in percent: 86.1%."""
    return f"{100 * share:.{decimals}f}%"


def percent_interval(score: Score) -> str:
    """A share in percent with its interval, without the sign: 86.1 (84.3 to 87.8)."""
    value, low, high = (100 * score[key] for key in ("value", "low", "high"))
    return f"{value:.1f} ({low:.1f} to {high:.1f})"


def points_interval(score: Score) -> str:
    """A difference in points with its interval: -12.3 (-15.0 to -9.8)."""
    value, low, high = (100 * score[key] for key in ("value", "low", "high"))
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


def interval(score: Score) -> str:
    """A measure with its interval: 0.31 (0.28 to 0.34)."""
    return f"{score['value']:.2f} ({score['low']:.2f} to {score['high']:.2f})"


def join_words(words: Iterable[str]) -> str:
    """Words as a sentence lists them: a, b and c."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def code(names: Iterable[str]) -> str:
    """Names of variants as a sentence lists them: `bn`, `gn` and `in`."""
    return join_words(f"`{name}`" for name in names)


def display_norm(variant: str) -> str:
    """A variant by the words for its norm, as a sentence starts: Batch norm (`bn`)."""
    words = NORM_NAMES.get(variant)
    return f"{words[0].upper()}{words[1:]} (`{variant}`)" if words else f"`{variant}`"
