"""The explorer on the web: server, access, and the answers to what is used on the page."""
