package gateway

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway/file"
	"trunkline/internal/pbx"
	"trunkline/internal/postgres"
	"trunkline/internal/sealing"
)

// Finding is one way in which a switch, or what it will load next, is not what FusionPBX's database says.
type Finding struct {
	Kind        string `json:"kind" enum:"not_loaded,disabled_loaded,orphan,other_switch,other_profile,loaded_twice,settings_differ,settings_outdated,not_loadable,fail_wait,stale_ping,cache_lacks,cache_has,cache_differs,file_lacks,file_has,file_differs"`
	GatewayUUID string `json:"gateway_uuid,omitempty"` // empty: FreeSWITCH knows it by a name that is none of FusionPBX's
	GatewayName string `json:"gateway_name"`           // the label; of one without a row, the name that FreeSWITCH knows
	Switch      string `json:"switch,omitempty"`       // its event socket, host:port; empty: all that read these files
	What        string `json:"what"`                   // what is and what should be; never a password
	Remedy      string `json:"remedy"`
	Repair      bool   `json:"repair"` // whether reconcile repairs it

	DomainUUID string `json:"-"` // of its row
	HasRow     bool   `json:"-"`
}

// The kinds of finding.
const (
	DriftNotLoaded    = "not_loaded"        // enabled, and not loaded
	DriftDisabled     = "disabled_loaded"   // disabled, and loaded
	DriftOrphan       = "orphan"            // loaded, and in no row
	DriftOtherSwitch  = "other_switch"      // loaded by a switch that its row is not for
	DriftOtherProfile = "other_profile"     // loaded under another profile
	DriftTwice        = "loaded_twice"      // loaded under several profiles
	DriftSettings     = "settings_differ"   // loaded with other settings, as the switch shows
	DriftOutdated     = "settings_outdated" // loaded with other settings than its row has now, as is known of when it was loaded
	DriftNotLoadable  = "not_loadable"      // loaded as its row says, and FreeSWITCH could not load it again
	DriftFailWait     = "fail_wait"         // its carrier has refused it for long
	DriftStalePing    = "stale_ping"        // it should have been pinged long ago
	DriftCacheLacks   = "cache_lacks"       // FusionPBX's cached configuration lacks it
	DriftCacheHas     = "cache_has"         // and has one that it should not
	DriftCacheDiffers = "cache_differs"     // and has it with other settings
	DriftFileLacks    = "file_lacks"        // in file mode, it has no file
	DriftFileHas      = "file_has"          // it has one that it should not
	DriftFileDiffers  = "file_differs"      // its file has other settings
)

// DriftSwitch is how far one switch could be compared.
type DriftSwitch struct {
	Switch string `json:"switch"`           // its event socket, host:port
	Error  string `json:"error,omitempty"`  // why nothing is known of it
	Loaded *int   `json:"loaded,omitempty"` // the gateways that it has loaded, copies among them; absent: not known, or others' too
	Cached bool   `json:"cached"`           // FusionPBX keeps a configuration for its next rescan
	// CacheError is why that configuration could not be compared.
	CacheError string `json:"cache_error,omitempty"`
	// SettingsKnown counts the loaded gateways of which all settings are known to be those of their rows, the password
	// among them, since Trunkline saw them loaded; SettingsUnknown those of which only what the switch shows is.
	SettingsKnown   int `json:"settings_known"`
	SettingsUnknown int `json:"settings_unknown"`
}

// NotCompared are the columns that a switch does not show: of a gateway that Trunkline did not load, a difference in
// these cannot be seen.
var NotCompared = slices.DeleteFunc(slices.Clone(fusionpbx.LoadedColumns), func(column string) bool {
	return slices.Contains([]string{"profile", "username", "auth_username", "realm", "register_proxy", "proxy", "context", "expire_seconds"}, column)
})

// Drift compares FusionPBX's rows with what every switch has loaded and would load next. It changes nothing, and asks
// each switch three things whatever the number: its names, its list and FusionPBX's cached configuration.
type Drift struct {
	PBX  *pbx.PBX
	Keys *sealing.Keys
	// Rows reads those that are compared.
	Rows func(context.Context) ([]fusionpbx.Gateway, error)
	// Orphans has what has no row reported too: Rows are all that there are.
	Orphans bool
	// FailWait is for how long a carrier may refuse a gateway before that is reported.
	FailWait time.Duration
}

// DriftReport is what a comparison found, by the gateways' names.
type DriftReport struct {
	Findings []Finding
	Switches []DriftSwitch
	FileMode bool // gateways are kept as files, which are compared in place of a cached configuration
	// FilesError is why the files could not be compared.
	FilesError string
}

// Compare compares. A switch that does not answer is named in the report.
func (d Drift) Compare(ctx context.Context) (*DriftReport, error) {
	folder, err := file.FindFolder(ctx, d.PBX)
	if err != nil {
		return nil, err
	}
	c := &comparison{Drift: d, folder: folder, sights: make([]*driftSight, len(d.PBX.Switches)), report: &DriftReport{Findings: []Finding{}, FileMode: folder != nil}}
	group, reading := errgroup.WithContext(ctx)
	group.Go(func() (err error) { c.rows, err = d.Rows(reading); return err })
	group.Go(func() (err error) { c.profiles, err = d.PBX.FusionPBX.Profiles(reading); return err })
	group.Go(func() (err error) { c.hashes, err = loadedHashes(reading, d.PBX); return err })
	for i, sw := range d.PBX.Switches {
		c.sights[i] = &driftSight{sw: sw}
		group.Go(func() error { c.sights[i].look(reading, folder == nil); return nil })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.byUUID = make(map[string]*fusionpbx.Gateway, len(c.rows))
	for i := range c.rows {
		c.byUUID[c.rows[i].UUID] = &c.rows[i]
	}
	if c.history, err = ReadHistory(ctx, d.PBX.Pool, c.failing()); err != nil {
		return nil, err
	}
	for _, s := range c.sights {
		c.compareSwitch(s)
	}
	if folder != nil {
		c.compareFiles()
	}
	slices.SortFunc(c.report.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.GatewayName, b.GatewayName), cmp.Compare(a.GatewayUUID, b.GatewayUUID), cmp.Compare(a.Switch, b.Switch), cmp.Compare(a.Kind, b.Kind))
	})
	return c.report, nil
}

// loadedHashes are the hashes of loaded.go of all gateways, by uuid and switch.
func loadedHashes(ctx context.Context, p *pbx.PBX) (map[at][]byte, error) {
	type loaded struct {
		UUID, Switch string
		Settings     []byte
	}
	found, err := postgres.Rows(ctx, p.Pool, "reading what the switches have loaded", pgx.RowToStructByPos[loaded],
		"select gateway_uuid::text, switch, settings from trunkline.loaded_gateways")
	hashes := make(map[at][]byte, len(found))
	for _, l := range found {
		hashes[at{l.UUID, l.Switch}] = l.Settings
	}
	return hashes, err
}

// driftSight is what one switch says.
type driftSight struct {
	sw       *freeswitch.Switch
	names    freeswitch.Names
	loaded   []freeswitch.Gateway
	err      error
	cached   bool
	gateways []freeswitch.ConfiguredGateway // of the cached configuration
	cacheErr error
}

// look asks for the list and the cached configuration at the same time.
func (s *driftSight) look(ctx context.Context, cache bool) {
	var asking errgroup.Group
	asking.Go(func() (err error) { s.loaded, err = s.sw.Gateways(ctx); return err })
	asking.Go(func() (err error) {
		if s.names, err = s.sw.Names(ctx); err == nil && cache {
			s.lookInCache(ctx)
		}
		return err
	})
	s.err = s.sw.Fault(asking.Wait())
}

func (s *driftSight) lookInCache(ctx context.Context) {
	text, cached, err := s.sw.CachedSofiaConf(ctx, s.names)
	if s.cached, s.cacheErr = cached, s.sw.Fault(err); err != nil || !cached {
		return
	}
	whole := false
	if s.gateways, whole = freeswitch.ParseSofiaConf(text); !whole {
		s.cacheErr = errCacheNotWhole
	}
}
