"""WER of a CTC or transducer run at several chunk sizes and left contexts, with one checkpoint."""

from summarymixing.commands.evaluate_streaming import main

if __name__ == "__main__":
    main()
