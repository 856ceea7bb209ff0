"""What the service counts about itself, and how Prometheus is told."""
