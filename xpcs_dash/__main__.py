"""``python -m xpcs_dash``."""

from xpcs_dash.cli import main

if __name__ == "__main__":
    main()
