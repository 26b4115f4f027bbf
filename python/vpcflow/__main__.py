"""``python -m vpcflow`` is the same as ``vpcflow``."""

from vpcflow.cli import main

if __name__ == "__main__":
    main(prog_name="vpcflow")
