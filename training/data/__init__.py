"""Data sets: read in their official formats, downloaded, checked, streamed, cut into batches."""
