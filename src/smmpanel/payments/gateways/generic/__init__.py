"""A gateway that is described rather than programmed: how payments are begun, messages proved and read, questions asked."""
