package gateway

import (
	"errors"

	"trunkline/internal/fusionpbx"
)

// Uncarried are the values of these rows that would not arrive at FreeSWITCH as they are, in that gateway mode:
// by the gateway's uuid, the first of each.
func Uncarried(mode fusionpbx.GatewayMode, rows []fusionpbx.Gateway) map[string]*ValueError {
	found := map[string]*ValueError{}
	for _, row := range rows {
		for _, column := range fusionpbx.LoadedColumns {
			if wrong, is := errors.AsType[*ValueError](CheckValue(mode, column, row.Get(column))); is {
				found[row.UUID] = wrong
				break
			}
		}
	}
	return found
}
