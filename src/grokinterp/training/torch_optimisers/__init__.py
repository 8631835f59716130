"""torch's optimisers as `Optimiser` takes them: quick to import, and Muon beside AdamW."""
