"""The JumpStart hub: models found by an id, in the bucket where AWS's SDK looks for them."""
