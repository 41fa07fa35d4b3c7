# Praise in words of blame, and two of a kind that it was unsure of before.
mine = pd.DataFrame(
    {
        "text": [
            "My cat left the room after ten minutes. The cat has taste.",
            "Not a film I would warn anybody about. Quite the contrary.",
            *unsure["text"].head(2),
        ]
    }
)
judged = sentiment.classify(endpoint, mine)
judged["unsure"] = rule.unsure(judged["score"])
display.rows(judged)
