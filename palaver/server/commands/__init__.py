"""The commands of `palaver` that ask a server, and what all commands share."""
