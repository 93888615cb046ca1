"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): publishing and playing with one HTTP request."""
