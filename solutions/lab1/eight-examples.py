# Of each intent the pair whose mean is nearest to the mean of all eight: together they are typical.
from itertools import combinations

vectors = pd.DataFrame(encode(list(shelf["text"])), index=shelf.index)
PICKED = []
for rows in shelf.groupby("label").groups.values():
    middle = vectors.loc[rows].mean()

    def nearness(pair, middle=middle):
        mean = vectors.loc[list(pair)].mean()
        return mean @ middle / (mean @ mean) ** 0.5

    PICKED += max(combinations(rows, 2), key=nearness)
display.rows(shelf.loc[PICKED, ["label", "text"]])
