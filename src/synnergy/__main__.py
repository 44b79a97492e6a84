"""`python -m synnergy` is the command `synnergy`."""

from synnergy.cli.main import run

if __name__ == "__main__":
    run()
