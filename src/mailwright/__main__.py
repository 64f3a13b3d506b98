"""`python -m mailwright` is the command `mailwright`."""

from mailwright.cli import main

if __name__ == "__main__":
    main()
