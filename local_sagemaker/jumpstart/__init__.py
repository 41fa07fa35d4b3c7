"""The JumpStart hub: models that are found by an id, in the bucket where AWS's SDK looks for them."""
