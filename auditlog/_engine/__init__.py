"""
What publisher and relay share: buffer, retry, failure log, fork and exit.
"""
