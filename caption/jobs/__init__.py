"""Many pictures: batches that can be stopped and gone on with, and the alt texts of a page."""
