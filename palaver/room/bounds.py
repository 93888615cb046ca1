"""How much one room may hold, and what an encoder takes. A definition beyond these is refused where it is parsed."""

from __future__ import annotations

from typing import Final

MAX_VIEWS: Final = 64
MAX_ROLES: Final = 256
MAX_FORMATS: Final = 64
"""Audio or video formats in one list."""
MAX_PARAMETERS: Final = 64
"""Resolutions, frame rates, bitrates or key frame intervals in one list."""
MAX_TEMPLATES: Final = 64
"""An application's own layouts in one view."""
MAX_REGIONS: Final = 256
"""Regions in one layout: as many as a view may have inputs."""

MAX_NAME: Final = 1024
"""Characters of the name of a room or a user."""
MAX_LABEL: Final = 256
"""Characters of a label, a role, or an id that an application chooses."""
MAX_CODEC: Final = 64
"""Characters of a codec, a profile, or a named parameter such as "hd1080p"."""

MIN_SIDE: Final = 64
MAX_SIDE: Final = 4096
"""Pixels of a produced picture's width or height. Every encoder takes what is between the two."""
MIN_FRAMERATE: Final = 1
MAX_FRAMERATE: Final = 120
"""Pictures per second."""
MIN_KBPS: Final = 1
MAX_KBPS: Final = 100_000
"""Bitrate of a produced picture."""
MIN_KEY_FRAME_INTERVAL: Final = 0.1
MAX_KEY_FRAME_INTERVAL: Final = 3600
"""Seconds."""
MAX_MOTION_FACTOR: Final = 100

MAX_ATTRIBUTES: Final = 16 * 1024
"""Bytes of JSON that a stream's attributes may have: everybody in the room gets them."""
MAX_ATTRIBUTES_DEPTH: Final = 16
"""Objects and lists within each other in a stream's attributes."""
MAX_CHANGES: Final = 256
"""Changes in one PATCH."""
