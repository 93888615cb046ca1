"""Child processes that exchange frames with the core: started, watched, told, and finished."""
