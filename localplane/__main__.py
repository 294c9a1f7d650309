"""`python -m localplane`."""

from localplane.cli import main

if __name__ == "__main__":
    main(prog_name="python -m localplane")
