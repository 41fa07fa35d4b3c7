# Look at where the two kinds part, then round.
OURS = mixed["score"] > 0.5
mixed.groupby("ours")[["score", "lead"]].describe().T.round(3)
