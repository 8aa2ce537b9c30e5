"""Label your photos with Amazon Rekognition, or offline, from one CLI."""
