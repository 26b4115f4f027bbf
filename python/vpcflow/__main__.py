"""``python -m vpcflow`` is the same as ``vpcflow``."""

from vpcflow.cli import run

if __name__ == "__main__":
    run()
