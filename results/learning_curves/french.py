"""Common Voice in LibriSpeech's layout, which the quickstart reads: python french.py COMMON_VOICE LOCALE FOLDER

Clips are links to the release's; transcripts are as the Common Voice recipe normalises them.
"""

import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from summarymixing.corpora import commonvoice
from summarymixing.corpora.manifest import read_manifest


def main(data_folder, locale, folder):
    manifests = commonvoice.prepare(data_folder, tempfile.mkdtemp(), ["train", "dev", "test"], locale=locale)
    for split, manifest in manifests.items():
        lines = defaultdict(list)
        for row in read_manifest(manifest):
            clip = Path(row["wav"])
            # The layout needs a folder of speakers and one of chapters; the end of the name stands for the chapter.
            chapter = Path(folder) / split / "speakers" / clip.stem[-2:]
            chapter.mkdir(parents=True, exist_ok=True)
            (chapter / clip.name).symlink_to(clip.resolve())
            lines[chapter].append(f"{clip.stem} {row['wrd']}\n")
        for chapter, texts in lines.items():
            (chapter / f"speakers-{chapter.name}.trans.txt").write_text("".join(sorted(texts)))


if __name__ == "__main__":
    main(*sys.argv[1:])
