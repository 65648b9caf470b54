"""The tile world as a simulator: the robot, the others, lights, contact, faults of the sensor."""
