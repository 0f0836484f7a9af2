"""An object store that nodes share: S3 and compatible ones, Google Cloud Storage, Azure, a mounted folder."""
