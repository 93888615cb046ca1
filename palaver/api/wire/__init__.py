"""The shapes of OWT on the wire, each once: parsed to and printed from the domain."""
