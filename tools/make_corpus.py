"""Generate a corpus of synthetic speech in the on-disk layout of a real dataset."""

from summarymixing.commands.make_corpus import main

if __name__ == "__main__":
    main()
