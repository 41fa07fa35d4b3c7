MINE = {RESCUED: "being braver, kinder to oneself and more confident"}
words = zero_shot.Task(CATEGORIES, descriptions=MINE)
asked = zero_shot.ask_each(endpoint, list(few["text"]), words)
now = few.assign(predicted=asked["label"].to_numpy())
display.rows(now[now["label"].eq(RESCUED)].head(6)[["text", "predicted"]])
