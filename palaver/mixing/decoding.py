"""Encoded frames of one video track → pictures. Damage costs pictures up to the next key frame, never more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import av
from av.error import FFmpegError

from palaver.media.pipelines import confinement

if TYPE_CHECKING:
    from palaver.media.pipelines.frames import Message

_DECODERS: Final = {"vp8": "vp8", "vp9": "vp9", "h264": "h264", "h265": "hevc", "av1": "libdav1d"}


_HOPELESS: Final = 3
"""Key frames that cannot be decoded, in a row, until no more is expected of a stream."""


class UnknownCodec(ValueError):
    """There is no decoder or encoder for the codec; the text names it."""


class VideoDecoder:
    """Decodes one track on one thread."""

    def __init__(self, codec: str) -> None:
        if codec not in _DECODERS:
            raise UnknownCodec(codec)
        self._codec = codec
        self._context = self._open()
        self.starving = True
        """Whether nothing can be shown before a key frame."""
        self.damaged = 0
        """Frames that could not be decoded."""
        self._hopeless = 0

    @property
    def hopeless(self) -> bool:
        """Whether one key frame after another could not be decoded: too large a picture, or none at all."""
        return self._hopeless >= _HOPELESS

    def _open(self) -> av.VideoCodecContext:
        context = av.CodecContext.create(_DECODERS[self._codec], "r")
        assert isinstance(context, av.VideoCodecContext)
        context.thread_count = 1
        context.thread_type = "NONE"
        # The size that a stream's own header says, before anything is made of that size.
        context.options = {"max_pixels": str(confinement.limits.max_pixels)}
        context.flags |= av.codec.context.Flags.low_delay
        return context

    def decode(self, message: Message) -> av.VideoFrame | None:
        """The newest picture that ``message`` completes, if any."""
        if message.key_frame and self.starving:
            self._context = self._open()  # whatever the old one believed is of no use
            self.starving = False
        elif message.after_gap and not message.key_frame:
            self.starving = True
        if self.starving or not message.payload:  # an empty packet would flush the decoder for good
            return None
        try:
            pictures = self._context.decode(av.Packet(message.payload))
        except (FFmpegError, EOFError, ValueError):
            self.damaged += 1
            self.starving = True
            self._hopeless += message.key_frame
            return None
        if pictures:
            self._hopeless = 0
        return pictures[-1] if pictures else None
