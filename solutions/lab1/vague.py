# What is wrong, and with what, stays open; or it could be about three things at once.
QUESTIONS = [
    "something is wrong, please help me",
    "too many wrong attempts at the cash machine, how do I get my code working again",
    "i entered the wrong code three times and now the cash machine refuses me",
    "can you do something about it please",
]
own = endpoint.predict(QUESTIONS, top_k=3)
own
