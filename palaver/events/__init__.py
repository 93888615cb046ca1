"""What happens in rooms, told to programs: a feed for those that follow it, webhooks for those that do not."""
