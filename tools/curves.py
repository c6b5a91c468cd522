"""Learning curves of runs: what they measured after each epoch, as tables, JSON and a figure."""

from summarymixing.commands.curves import main

if __name__ == "__main__":
    main()
