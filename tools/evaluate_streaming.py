"""WER of a CTC or transducer run over chunk size x left context, all from its one checkpoint."""

from summarymixing.commands.evaluate_streaming import main

if __name__ == "__main__":
    main()
