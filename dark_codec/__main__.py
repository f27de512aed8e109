"""``python -m dark_codec``: versions, kernels and problems."""

import sys

from dark_codec.cli.environment import describe_environment


def main() -> None:
    """Print the environment; exit with 1 if there are problems."""
    lines, problems = describe_environment()
    print('\n'.join(lines))
    for problem in problems:
        print(f'problem: {problem}')
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
