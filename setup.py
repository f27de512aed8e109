"""Puts configs and tools into wheels; all else is said in setup.cfg.

They go where the wheels of MMPose have them and where mim looks for them:
``dark_codec/.mim``. A checkout, and an editable install, need no copy.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# What makes environments and this repository's pages needs a checkout.
CHECKOUT_ONLY = ('setup_env.sh', 'quickstart.sh', 'run_tests.sh')


class BuildWithMim(build_py):
    """Build the package with its ``.mim`` folder."""

    def run(self) -> None:
        """Build."""
        super().run()
        if self.editable_mode:
            return
        mim = Path(self.build_lib, 'dark_codec', '.mim')
        # an earlier build may have left files that are gone since
        shutil.rmtree(mim, ignore_errors=True)
        ignored = shutil.ignore_patterns('__pycache__', *CHECKOUT_ONLY)
        for folder in ('configs', 'tools'):
            shutil.copytree(folder, mim / folder, ignore=ignored)
        shutil.copy('model-index.yml', mim)


setup(cmdclass={'build_py': BuildWithMim})
