"""The status page: what the HTTP API gives, for people with a browser. A script only keeps it fresh."""
