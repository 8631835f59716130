"""What is seen of the explorer: layout, controls, panels, text, the snippet and exports."""
