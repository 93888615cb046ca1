"""Many streams into one view, and one stream into another form: runs in pipeline processes."""
