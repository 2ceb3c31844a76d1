"""One file per kind of request: take the question, ask one feature, give back its answer in the protocol's
types.
"""
