"""Errors of tools."""


class UserError(Exception):
    """Something that the user can mend; the message says how."""
