"""What protects the daemon and its models: limits now, load factor and traffic detection to come."""
