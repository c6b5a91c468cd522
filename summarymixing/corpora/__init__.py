"""From a dataset's folder on disk to CSV manifests; one module per dataset."""
