# Doubt counts, and so does a change of mind between the two models.
doubt = 1 - after.loc[unseen, "score"]
changed = after.loc[unseen, "predicted"] != before.loc[unseen, "predicted"]
PICKED = list((doubt + 0.05 * changed).sort_values(ascending=False).index[:50])
display.rows(after.loc[PICKED, ["predicted", "score", "text"]].head(5))
