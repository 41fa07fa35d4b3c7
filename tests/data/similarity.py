"""How alike texts are: in their words, in their letters, in how they begin."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

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


def one_word_apart(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Tell whether a word swapped, added or left out makes one of the other."""
    if abs(len(one) - len(other)) > 1:
        return False
    same = [a == b for a, b in zip(one, other, strict=False)]
    head = same.index(False) if False in same else len(same)
    tail = 0
    while tail < min(len(one), len(other)) - head and one[-1 - tail] == other[-1 - tail]:
        tail += 1
    return max(len(one), len(other)) - head - tail <= 1
