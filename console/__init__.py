"""What all commands share: how they answer, and how a process that serves keeps its log."""
