"""smmpanel: a self-hosted platform for selling social-media services."""
