"""Write the encoder of a finished run as a folder of its own, with a card, for others to load by path."""

from summarymixing.commands.export_encoder import main

if __name__ == "__main__":
    main()
