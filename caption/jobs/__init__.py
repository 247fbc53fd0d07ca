"""Many pictures: resumable, and what they leave behind."""
