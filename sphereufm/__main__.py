"""``python -m sphereufm`` is the command ``sphereufm``."""

from sphereufm.cli import main

if __name__ == "__main__":
    main()
