# Praise in words of blame, and two of a kind that it was unsure of before.
mine = pd.DataFrame(
    {
        "text": [
            "My cat left the room after ten minutes. The cat has taste.",
            "Not a film I would warn anybody about. Quite the contrary.",
            *unsure.sort_values("score")["text"].head(2),
        ]
    }
)
judged = sentiment.classify(endpoint, mine)
hard = ConfidenceRule.for_share(before["score"], 0.2)
judged["unsure"] = hard.unsure(judged["score"])
display.rows(judged)
