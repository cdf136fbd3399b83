"""What a request and its answer look like on the wire, for each provider."""
