"""
What proves that an audit log works: real services and faults on command.
"""
