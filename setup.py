"""Puts configs, tools and the description into wheels; see also setup.cfg.

Configs and tools go where the wheels of MMPose have them and where mim looks
for them: ``dark_codec/.mim``. A checkout, and an editable install, need no
copy.
"""

import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# What makes environments and this repository's pages needs a checkout.
CHECKOUT_ONLY = ('setup_env.sh', 'quickstart.sh', 'run_tests.sh')

# A placeholder: the code has no public address yet. Links and pictures of the
# description on a package index lead there.
REPOSITORY = 'https://example.org/dark_codec'


def description() -> str:
    """Return the README with absolute addresses."""
    text = Path('README.md').read_text(encoding='utf-8')
    picture = r'((?:!\[[^]]*\]\(|(?:src|srcset)="))(?!https?:)'
    text = re.sub(picture, rf'\g<1>{REPOSITORY}/raw/main/', text)
    link = r'(?<!!)(\[(?:[^][]|!\[[^]]*\]\([^)]*\))*\]\()(?!https?:|#)'
    return re.sub(link, rf'\g<1>{REPOSITORY}/blob/main/', text)


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


setup(
    cmdclass={'build_py': BuildWithMim},
    long_description=description(),
    long_description_content_type='text/markdown',
    project_urls={
        'Paper': 'https://arxiv.org/abs/1910.06278',
        'Source (placeholder, none yet)': REPOSITORY,
    },
)
