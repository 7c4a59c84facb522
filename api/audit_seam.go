package api

// changed records that the caller changed something: what was done, such as token.revoke, and to what.
func (r *request) changed(action, subject string) {
	r.s.log.Info("changed", "request_id", r.id, "who", r.caller.name, "action", action, "subject", subject)
}
