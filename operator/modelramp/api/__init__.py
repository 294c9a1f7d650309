"""What a ModelDeployment is: its spec, its status, its names. Every other package builds on this one."""
