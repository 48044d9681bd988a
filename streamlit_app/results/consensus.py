"""The consensus of several variants about one photo."""

from collections.abc import Collection, Mapping

import pandas as pd

from plumage.contract import CONSENSUS
from streamlit_app.inference.classifier import Prediction
from streamlit_app.markdown import escaped_name
from streamlit_app.results.reading import join_words


def probabilities(answers: Mapping[str, Prediction]) -> pd.DataFrame:
    """Every variant's probability for each species, and the consensus: their mean.

    answers: by variant, to one photo each. Returns: a row a species, the consensus's likeliest
        first, and a column a variant and `consensus`; a species that a variant does not know has
        probability 0 in it.
    """
    table = pd.DataFrame({name: dict(answer.ranking(0)) for name, answer in answers.items()})
    table = table.fillna(0).rename_axis("species")
    table[CONSENSUS] = table.mean(axis=1)
    return table.sort_values(CONSENSUS, ascending=False)


def agreement(table: pd.DataFrame) -> str:
    """The variants by their prediction, in Markdown, for a table of `probabilities`.

    As in: **5 of 7 say Hoopoe.** `ln` and `nn` say House Crow.
    """
    said = table.drop(columns=CONSENSUS).idxmax()
    votes = said.value_counts()
    # Where as many say one as another, the consensus's likelier is named first.
    order = sorted(votes.index, key=lambda species: (-votes[species], table.index.get_loc(species)))
    first, *others = order
    if len(said) == 1:
        return f"**`{said.index[0]}` says {escaped_name(first, table.index)}.**"
    if not others:
        number = "Both" if len(said) == 2 else f"All {len(said)}"
        return f"**{number} say {escaped_name(first, table.index)}.**"
    if votes[first] == 1:
        headline = "**No two agree.**"
        others = order
    else:
        headline = f"**{votes[first]} of {len(said)} say {escaped_name(first, table.index)}.**"
    return f"{headline} {'; '.join(_said(said, species, table.index) for species in others)}."


def _said(said: pd.Series, species: str, classes: Collection[str]) -> str:
    names = [f"`{name}`" for name in said.index[said == species]]
    verb = "says" if len(names) == 1 else "say"
    return f"{join_words(names)} {verb} {escaped_name(species, classes)}"
