"""Export the encoder of a finished run to a folder with weights and a model card, which others load by path."""

from summarymixing.commands.export_encoder import main

if __name__ == "__main__":
    main()
