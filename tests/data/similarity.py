"""How alike texts are: in their words, in their letters, in how they begin."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from sklearn.feature_extraction.text import TfidfVectorizer

TRIGRAM_JACCARD = 0.3  # most that two utterances may share of their word trigrams
CHARACTER_COSINE = 0.7  # highest TF-IDF cosine of their character 4-grams
COSINE_ROWS = 500  # rows at a time, so that 1,700 x 10,000 similarities need little memory


def words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", text.lower()))


def trigrams(text: str) -> set[tuple[str, ...]]:
    found = words(text)
    return {found[i : i + 3] for i in range(len(found) - 2)} or {found}


def repeated_trigrams(texts: list[str]) -> float:
    """Return the share of trigrams that occurred in an earlier text already."""
    every = [trigram for text in texts for trigram in trigrams(text)]
    return 1 - len(set(every)) / len(every)


def alike_in_words(texts: list[str], others: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of different texts that share too many word trigrams."""
    holders = defaultdict(list)
    theirs = [trigrams(other) for other in others]
    for index, found in enumerate(theirs):
        for trigram in found:
            holders[trigram].append(index)
    for text in texts:
        mine = trigrams(text)
        shared = Counter(index for trigram in mine for index in holders[trigram])
        for index, count in shared.items():
            union = len(mine) + len(theirs[index]) - count
            if count / union > TRIGRAM_JACCARD and others[index] != text:
                yield text, others[index]


def alike_in_characters(
    texts: list[str], others: list[str], bound: float
) -> Iterator[tuple[str, str]]:
    """Yield the pairs of different texts whose character 4-grams are too similar."""
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(4, 4))
    rows = vectorizer.fit(" ".join(words(text)) for text in [*texts, *others]).transform(
        " ".join(words(text)) for text in texts
    )
    columns = vectorizer.transform(" ".join(words(other)) for other in others).T
    for start in range(0, rows.shape[0], COSINE_ROWS):
        similar = (rows[start : start + COSINE_ROWS] @ columns).tocoo()
        for row, column, cosine in zip(similar.row, similar.col, similar.data, strict=True):
            if cosine > bound and texts[start + row] != others[column]:
                yield texts[start + row], others[column]


def near_duplicates(texts: list[str]) -> set[frozenset[str]]:
    """Return the pairs that differ only in a few words or letters."""
    pairs = alike_in_words(texts, texts), alike_in_characters(texts, texts, CHARACTER_COSINE)
    return {frozenset(pair) for found in pairs for pair in found}


def openings(texts: list[str]) -> Counter[tuple[str, ...]]:
    return Counter(words(text)[:2] for text in texts)


Words = tuple[str, ...]


def one_word_apart(mine: Sequence[Words], theirs: Sequence[Words]) -> list[tuple[Words, Words]]:
    """Return the pairs of which a word swapped, added or left out makes one of the other.

    With the same list twice, the pairs within it.
    """
    holders = defaultdict(set)
    for index, other in enumerate(theirs):
        for gapped in _with_a_gap(other):
            holders[gapped].add(index)
    return [
        (one, theirs[index])
        for number, one in enumerate(mine)
        for index in {index for gapped in _with_a_gap(one) for index in holders.get(gapped, ())}
        if mine is not theirs or index > number
    ]


def _with_a_gap(found: Words) -> Iterator[tuple[str | None, ...]]:
    """Yield the words with a gap instead of each, and with a gap between any two.

    Two texts that have one of these in common differ by what stands in the gap.
    """
    for place in range(len(found) + 1):
        yield (*found[:place], None, *found[place:])
        if place < len(found):
            yield (*found[:place], None, *found[place + 1 :])
