"""Generated speech, written in each dataset's real on-disk layout.

For trying recipes and tests without a download. The speech is espeak-ng's: error rates on it say
nothing about error rates on real speech.
"""

from summarymixing.synthetic.librispeech import make_librispeech

__all__ = ["make_librispeech"]
