"""``python -m dark_codec``: what is installed, what decodes, what is wrong."""

import sys

from dark_codec.cli.environment import describe_environment


def main() -> None:
    """Print it; the exit code is 1 if something is wrong."""
    lines, problems = describe_environment()
    print('\n'.join(lines))
    for problem in problems:
        print(f'problem: {problem}')
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
