"""Phones: accounts at SIP servers, and calls that are participants of rooms."""
