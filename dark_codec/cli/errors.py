"""Errors of tools."""


class UserError(Exception):
    """Error that the user can fix; the message says how."""
