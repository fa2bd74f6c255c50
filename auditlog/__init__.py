"""
An audit log for Python applications: who did what to which resource.
"""
