LABELS = ["broken computer", "billing and payment", "opening hours"]
messages = [
    "my laptop does not turn on",
    "you have charged me twice this month",
    "can I come by on Sunday or are you closed",
]
sorted_by = [zero_shot.ask(endpoint, text, zero_shot.Task(LABELS)) for text in messages]
zero_shot_plots.scores(sorted_by)
