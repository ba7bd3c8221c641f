"""What one packet holds of a frame, and what its descriptor tells of the frame's references."""
