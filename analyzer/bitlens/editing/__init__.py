"""What rules and actions share: reading a program by scopes and calls, and edits that look like their
surroundings.
"""
