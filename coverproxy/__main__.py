"""`python -m coverproxy` is the `coverproxy` command."""

from coverproxy.cli import main

if __name__ == "__main__":
    main()
