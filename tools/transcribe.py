"""Transcribe audio with a finished run: python tools/transcribe.py RUN AUDIO... [--stream --chunk-ms 640 --stats]"""

from summarymixing.commands.transcribe import main

if __name__ == "__main__":
    main()
