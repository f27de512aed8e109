"""MMEngine's configs without yapf, which takes a second for each.

The tests import it, and so do the tools that they fork; those that are
started as users start them log and save their configs formatted.
"""

from mmengine.config import config

config.FormatCode = lambda text, **style: (text, True)
