"""What the camera sees: the ground by homography, and what stands on it in the order of occlusion."""
