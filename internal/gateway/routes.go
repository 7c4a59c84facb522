package gateway

import (
	"fmt"
	"strings"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
)

// namedRoutes is how many outbound routes a refusal names.
const namedRoutes = 10

// CheckRoutes refuses to delete a gateway that outbound routes name, whose calls would fail from then on, unless the
// request forces it. routes are those of the gateway.
func (p Request) CheckRoutes(row fusionpbx.Gateway, routes []string) error {
	if !p.Delete || p.Force || len(routes) == 0 {
		return nil
	}
	more := ""
	if len(routes) > namedRoutes {
		more = fmt.Sprintf(" and %d more", len(routes)-namedRoutes)
	}
	return fault.Errorf(fault.Conflict, "gateway %q is named by outbound routes, whose calls would fail: %s%s; take it out of them in FusionPBX, or send force=true",
		row.Label(), strings.Join(each(routes[:min(len(routes), namedRoutes)], quoted), ", "), more)
}

func quoted(name string) string { return fmt.Sprintf("%q", fault.Clip(name)) }
