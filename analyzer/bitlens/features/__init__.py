"""One answer per file, each a function of a frozen Analysis: no feature waits, and none knows an editor's
protocol.
"""
