package gateway

import (
	"trunkline/internal/fusionpbx"
	"trunkline/internal/sealing"
)

// Left is a keyed hash of a gateway as a job left it: its name, what reaches the switch, and whether it is enabled. nil
// is none.
func Left(keys *sealing.Keys, row *fusionpbx.Gateway) []byte { return keys.BodyHash(leftParts(row)...) }

// IsLeft reports whether the gateway stands as it was left.
func IsLeft(keys *sealing.Keys, hash []byte, row *fusionpbx.Gateway) bool {
	return keys.SameBody(hash, leftParts(row)...)
}

func leftParts(row *fusionpbx.Gateway) []string {
	if row == nil {
		return []string{"absent"}
	}
	parts := make([]string, 0, 2+2*len(fusionpbx.SwitchColumns))
	parts = append(parts, row.UUID, row.Label())
	for _, column := range fusionpbx.SwitchColumns {
		parts = append(parts, column, row.Get(column))
	}
	return parts
}
