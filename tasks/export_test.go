package tasks

// WaitingToBeAccepted is how many requests for jobs of the domain wait to be accepted together.
func (c *Client) WaitingToBeAccepted(domainUUID string) int { return c.creations.Waiting(domainUUID) }
