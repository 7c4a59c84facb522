package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
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

// namedGateways is how many gateways a warning names.
const namedGateways = 5

// carried warns of gateways that a mode cannot bring to the switches as their rows are: the one that is set, and
// the other, before somebody changes to it.
func (c *checker) carried(p *pbx.PBX) {
	ctx, cancel := context.WithTimeout(c.cmd.ctx, checkTimeout)
	defer cancel()
	set, err := p.Mode(ctx)
	if err != nil {
		return // which was said before
	}
	rows, err := p.FusionPBX.Gateways(ctx, true, "")
	if err != nil {
		c.warn("gateways", "their rows cannot be read: "+err.Error())
		return
	}
	there := gateway.Uncarried(set, rows)
	c.warnUncarried("these do not arrive at FreeSWITCH as their rows are", there, rows)
	other := fusionpbx.ModeFile
	if set == fusionpbx.ModeFile {
		other = fusionpbx.ModeDatabase
	}
	then := gateway.Uncarried(other, rows)
	maps.DeleteFunc(then, func(uuid string, _ *gateway.ValueError) bool { return there[uuid] != nil })
	c.warnUncarried(fmt.Sprintf("before a change to gateway mode %s, which these would not survive as they are", other), then, rows)
}

func (c *checker) warnUncarried(what string, found map[string]*gateway.ValueError, rows []fusionpbx.Gateway) {
	if len(found) == 0 {
		return
	}
	var named []string
	for _, row := range rows {
		if wrong := found[row.UUID]; wrong != nil && len(named) < namedGateways {
			named = append(named, fmt.Sprintf("%s (%v)", row.Label(), wrong))
		}
	}
	if more := len(found) - len(named); more > 0 {
		named = append(named, fmt.Sprintf("and %d more", more))
	}
	c.warn("gateways", what+": "+strings.Join(named, "; "))
}
