"""The automatic rules of the policy: facts, acts, each in one transaction, and the scheduler that looks for them."""
