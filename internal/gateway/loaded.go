package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/postgres"
)

// What a switch has loaded is known from two sides: xmlstatus shows some settings, the password not
// among them; and trunkline.loaded_gateways has a keyed hash of all of them as they were when the
// switch was last seen to load the gateway.

// loadedWith are the hashes of the settings with which the switch was last seen to load the steps' gateways,
// by uuid; one that is not in the map was loaded by somebody else.
func (r *round) loadedWith(ctx context.Context, steps []*step) (map[string][]byte, error) {
	if len(steps) == 0 {
		return nil, nil
	}
	type loaded struct {
		UUID     string
		Settings []byte
	}
	found, err := postgres.Rows(ctx, r.pbx.Pool, "reading what switch "+r.sw.Addr()+" has loaded", pgx.RowToStructByPos[loaded], `
		select gateway_uuid::text, settings from trunkline.loaded_gateways where gateway_uuid = any($1::uuid[]) and switch = $2`,
		each(steps, (*step).name), r.sw.Addr())
	hashes := make(map[string][]byte, len(found))
	for _, l := range found {
		hashes[l.UUID] = l.Settings
	}
	return hashes, err
}

// remember records what the switch was just told to load and shows.
func (r *round) remember(ctx context.Context, steps []*step) error {
	var uuids []string
	var settings [][]byte
	for _, s := range steps {
		if s.err == nil && !r.over[s.want] && s.seen != nil && s.load {
			uuids, settings = append(uuids, s.uuid), append(settings, r.keys.BodyHash(settingsOf(*s.now)...))
		}
	}
	if len(uuids) == 0 {
		return nil
	}
	_, err := r.pbx.Pool.Exec(ctx, `
		insert into trunkline.loaded_gateways (gateway_uuid, switch, settings)
		select distinct on (uuid) uuid, $2, settings from unnest($1::uuid[], $3::bytea[]) as loaded (uuid, settings)
		on conflict (gateway_uuid, switch) do update set settings = excluded.settings, loaded_at = now()`,
		uuids, r.sw.Addr(), settings)
	if err != nil {
		return fmt.Errorf("recording what switch %s has loaded: %w", r.sw.Addr(), err)
	}
	return nil
}

// settingsOf are what is hashed of a row.
func settingsOf(row fusionpbx.Gateway) []string {
	parts := append(make([]string, 0, 1+len(fusionpbx.LoadedColumns)), "gateway settings")
	for _, column := range fusionpbx.LoadedColumns {
		parts = append(parts, row.Get(column))
	}
	return parts
}

// sameRow compares what reaches FreeSWITCH of two rows, either of which may be absent.
func sameRow(a, b *fusionpbx.Gateway) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Same(*b, fusionpbx.SwitchColumns...)
}

// differences names the settings that a switch shows otherwise than the row has them, of those that
// xmlstatus gives back unchanged. What the switch has to alter is the row's own, and not judged.
func differences(mode fusionpbx.GatewayMode, shown freeswitch.Gateway, row fusionpbx.Gateway) []string {
	var differ []string
	compare := func(setting, got string, columns ...string) {
		wanted := ""
		for _, column := range columns {
			value := row.Get(column)
			if value != "" && value == got {
				return
			}
			wanted = cmp.Or(wanted, value)
		}
		if wanted == "" || slices.ContainsFunc(columns, func(column string) bool { return altered(mode, column, row.Get(column)) != "" }) {
			return
		}
		differ = append(differ, fmt.Sprintf("%s is %q and not %q", setting, got, wanted))
	}
	compare("profile", shown.Profile, "profile")
	compare("username", shown.Username, "username", "auth_username")
	compare("realm", shown.Realm, "realm")
	compare("proxy", scheme.ReplaceAllString(shown.Proxy, ""), "register_proxy", "proxy")
	compare("context", shown.Context, "context")
	compare("expire_seconds", shown.Expires, "expire_seconds")
	return differ
}
