"""`python -m switch`: the command line, or one of the processes that the supervisor starts."""

import sys


def main() -> None:
    """Tell the supervisor's own children from commands, before anything large is imported."""
    if not __debug__:
        sys.exit(
            "switch: python -O drops the checks that the switch relies on:"
            " run it without -O and without PYTHONOPTIMIZE"
        )
    match sys.argv[1:]:
        case ["_worker", name]:
            from switch import worker

            worker.main(name)
        case ["_jobs", name]:
            from switch import jobs

            jobs.main(name)
        case ["_delivery", name]:
            from switch import delivery

            delivery.main(name)
        case ["_banks", name]:
            from switch import banks

            banks.main(name)
        case _:
            from switch import cli

            cli.main()


if __name__ == "__main__":
    main()
