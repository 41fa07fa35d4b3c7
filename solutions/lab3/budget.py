# People can read fifty: the threshold is the score of the fifty-first.
CHOSEN = float(before["score"].sort_values().iloc[50])
chosen = ConfidenceRule(CHOSEN)
before.assign(sent=chosen.unsure(before["score"])).groupby("sent")["right"].agg(["size", "mean"])
