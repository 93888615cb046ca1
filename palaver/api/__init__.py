"""Every way in: OWT REST, portal, WHIP, WHEP."""
