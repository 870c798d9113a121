"""`python -m smmpanel.entrypoints.demo`, which is what `make demo` runs."""

from smmpanel.entrypoints.demo.running import main

if __name__ == "__main__":
    main()
