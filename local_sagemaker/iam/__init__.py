"""IAM: moto's answers, a journal that outlives the process, and keys that really sign."""
