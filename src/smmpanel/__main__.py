"""`python -m smmpanel`: the command line."""

from smmpanel.entrypoints.cli import main

if __name__ == "__main__":
    main()
