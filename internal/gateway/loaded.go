package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"

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
			uuids, settings = append(uuids, s.uuid), append(settings, r.settingsHash(*s.now))
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

func (r *round) settingsHash(row fusionpbx.Gateway) []byte {
	return r.keys.BodyHash(append([]string{"gateway settings"}, each(fusionpbx.SwitchColumns, row.Get)...)...)
}

// sameRow compares what reaches FreeSWITCH of two rows, either of which may be absent.
func sameRow(a, b *fusionpbx.Gateway) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Same(*b, fusionpbx.SwitchColumns...)
}

// differences names the settings that a switch shows otherwise than the row has them, of those that
// xmlstatus gives back unchanged.
func differences(shown freeswitch.Gateway, row fusionpbx.Gateway) []string {
	var differ []string
	compare := func(setting, got string, wanted ...string) {
		wanted = slices.DeleteFunc(wanted, func(w string) bool { return w == "" })
		if len(wanted) > 0 && !slices.Contains(wanted, got) {
			differ = append(differ, fmt.Sprintf("%s is %q and not %q", setting, got, wanted[0]))
		}
	}
	compare("profile", shown.Profile, row.Profile())
	compare("username", shown.Username, row.Get("username"), row.Get("auth_username"))
	compare("realm", shown.Realm, row.Get("realm"))
	compare("proxy", withoutScheme(shown.Proxy), withoutScheme(row.Get("register_proxy")), withoutScheme(row.Get("proxy")))
	compare("context", shown.Context, row.Get("context"))
	compare("expire_seconds", shown.Expires, row.Get("expire_seconds"))
	return differ
}

// withoutScheme cuts the sip: or sips: that FreeSWITCH puts before a proxy that has none.
func withoutScheme(proxy string) string {
	return strings.TrimPrefix(strings.TrimPrefix(proxy, "sips:"), "sip:")
}
