"""Generated speech, written in each dataset's real on-disk layout.

For trying recipes and tests without a download. The speech is espeak-ng's: error rates on it say
nothing about error rates on real speech.
"""

from summarymixing.synthetic.common_voice import make_common_voice
from summarymixing.synthetic.librispeech import make_librispeech
from summarymixing.synthetic.slurp import make_slurp
from summarymixing.synthetic.speech_commands import make_speech_commands

__all__ = ["make_common_voice", "make_librispeech", "make_slurp", "make_speech_commands"]
