"""Train a grid of settings, one after another or on several devices, and write one table of all."""

from summarymixing.commands.sweep import main

if __name__ == "__main__":
    main()
