"""S3: objects as content-addressed blobs with an index, in process and over the wire."""
