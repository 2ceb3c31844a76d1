"""The worker: builds or streams one model in the user's interpreter and measures it.

Runs on the standard library and torch alone; `wire` is all that it shares with the client.
"""
