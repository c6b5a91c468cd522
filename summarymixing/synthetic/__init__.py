"""Synthetic speech, written in each dataset's real on-disk layout.

It lets recipes and tests run without a download. The speech is from espeak-ng: error rates on it say
nothing about error rates on real speech.
"""

from summarymixing.synthetic.common_voice import make_common_voice
from summarymixing.synthetic.librispeech import make_librispeech
from summarymixing.synthetic.slurp import make_slurp
from summarymixing.synthetic.speech_commands import make_speech_commands

__all__ = ["make_common_voice", "make_librispeech", "make_slurp", "make_speech_commands"]
