package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway/file"
	"trunkline/internal/pbx"
)

// checkGateways says how gateways reach the switches. If they are files it also tries to write into each
// enabled profile's folder, and looks for files that keep FreeSWITCH from reading any.
func checkGateways(ctx context.Context, p *pbx.PBX) (string, error) {
	folder, err := file.FindFolder(ctx, p)
	if err != nil {
		return "", err
	}
	chosen := "FusionPBX's default setting switch, sip_profiles, dir"
	if p.GatewayMode == fusionpbx.ModeDatabase || p.GatewayMode == fusionpbx.ModeFile {
		chosen = "TRUNKLINE_GATEWAY_MODE"
	}
	if folder == nil {
		return fmt.Sprintf("in the database (%s)", chosen), nil
	}
	profiles, err := p.FusionPBX.EnabledProfiles(ctx)
	if err != nil {
		return "", err
	}
	var problems []string
	for _, profile := range profiles {
		if err := folder.Writable(profile); err != nil {
			problems = append(problems, err.Error())
		}
	}
	for _, broken := range folder.Broken(ctx) {
		problems = append(problems, fmt.Sprintf("%s cannot be read by FreeSWITCH (%s), so that no gateway loads; repair it or move it away", broken.Path, broken.Reason))
	}
	if err := folder.Readable(); err != nil {
		problems = []string{err.Error()} // the others follow from it
	}
	if len(problems) > 0 {
		return "", errors.New("gateways are files here (" + chosen + "): " + strings.Join(problems, "; and "))
	}
	return fmt.Sprintf("files in %s (%s), which can be written for the profiles %s", folder.Dir(), chosen, strings.Join(profiles, ", ")), nil
}
