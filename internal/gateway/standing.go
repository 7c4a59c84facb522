package gateway

import (
	"cmp"
	"slices"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
)

// Standing is the rows that bore a gateway's name when a job about it had failed. A retry carries out the old
// request, which may undo what was asked for since.
type Standing struct {
	Rows []fusionpbx.Gateway `json:"rows"`
}

// Check fails unless these are the rows that stood then. If it is not known which did, they are not.
func (s *Standing) Check(rows []fusionpbx.Gateway) error {
	if s != nil && s.same(rows) {
		return nil
	}
	return fault.Errorf(fault.Conflict, "the gateway is not known to be as the failed job left it: it was changed since, or the job's worker was lost; "+
		"look at the gateway, then send the request again")
}

func (s *Standing) same(rows []fusionpbx.Gateway) bool {
	return slices.EqualFunc(sorted(s.Rows), sorted(rows), func(a, b fusionpbx.Gateway) bool {
		return a.UUID == b.UUID && a.Same(b, fusionpbx.GatewayColumns...)
	})
}

func sorted(rows []fusionpbx.Gateway) []fusionpbx.Gateway {
	return slices.SortedFunc(slices.Values(rows), func(a, b fusionpbx.Gateway) int { return cmp.Compare(a.UUID, b.UUID) })
}
