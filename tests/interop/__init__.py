"""The service with other Matrix clients: the JavaScript SDK, set to signed devices only."""
