"""`python -m pulse`."""

from pulse.runtime.cli import main

if __name__ == "__main__":
    main()
