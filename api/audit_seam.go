package api

import "log/slog"

// changed records that the caller changed something of Trunkline's own: what was done, such as
// whitelist.add, and to what.
func (r *request) changed(action, subject string) {
	r.s.log.LogAttrs(r.c.Request.Context(), slog.LevelInfo, "change",
		slog.String("request_id", r.id), slog.String("who", r.caller.name), slog.String("action", action), slog.String("subject", subject))
}
