"""Who may do what: signed management requests and tokens for joining a room."""
