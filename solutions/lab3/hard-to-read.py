# Praise in words of blame, blame in words of praise, and nothing that it has read before.
mine = pd.DataFrame(
    {
        "text": [
            "You will not regret missing the end. I have not.",
            "Nobody needed a third part. I am sorry to say that it is the best of them.",
            "My cat left the room after ten minutes. The cat has taste.",
            "It is too long, too loud and too silly, and my children want to go again. So do I.",
            "Not a film I would warn anybody about. Quite the contrary.",
        ]
    }
)
judged = sentiment.classify(endpoint, mine)
hard = ConfidenceRule.for_share(before["score"], 0.2)
judged["unsure"] = hard.unsure(judged["score"])
display.rows(judged)
