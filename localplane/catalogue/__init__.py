"""Programs behind the test images of the image catalogue."""
