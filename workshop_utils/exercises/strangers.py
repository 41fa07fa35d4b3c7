"""Questions that none of Banking77's intents answers, written for this workshop.

Some are about money or a bank all the same: those are the hard ones.
"""

STRANGERS = (
    "how do I bake sourdough bread",
    "will it rain in Leeds on Saturday",
    "who won the cup final last night",
    "my washing machine makes a grinding noise",
    "what is the capital of Mongolia",
    "translate good morning into Portuguese",
    "can my dog eat grapes",
    "how many minutes do I boil an egg",
    "my laptop does not turn on any more",
    "recommend a film for a rainy evening",
    "which train goes to Brighton after ten",
    "the parcel with my new shoes has not arrived",
    "how do I prune an apple tree",
    "I have had a headache for three days",
    "what time does the museum open",
    "write a poem about the sea",
    "is the swimming pool heated in winter",
    "how tall is the Eiffel Tower",
    "my neighbour plays the drums at night",
    "where can I rent a bicycle",
    "what rate do you offer on a mortgage for ten years",
    "I want to insure my car with you",
    "can you advise me on buying shares",
    "how much would a loan for a kitchen cost me a month",
    "do you have a savings account for children",
    "is the branch on the high street open on Saturdays",
    "are you hiring data scientists at the moment",
    "I would like to open an account for our tennis club",
    "how do I fill in my tax return",
    "do you rent out safe deposit boxes",
)
