package gateway

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway/file"
	"trunkline/internal/postgres"
)

// comparison is one Drift under way.
type comparison struct {
	Drift
	folder   *file.Folder // where gateways are kept as files; nil: in the database
	rows     []fusionpbx.Gateway
	byUUID   map[string]*fusionpbx.Gateway
	profiles map[string]fusionpbx.Profile // the enabled ones
	hashes   map[at][]byte
	history  History
	sights   []*driftSight
	mu       sync.Mutex // guards report: rows are compared in parts at the same time
	report   *DriftReport
}

const (
	reconcileIt = "reconcile it: POST /v1/gateways/reconcile"
	// pingGrace is how late a ping may be beyond two of its intervals: the clocks differ.
	pingGrace = time.Minute
	// comparedAtOnce is how many rows one part of a comparison has.
	comparedAtOnce = 500
)

var errCacheNotWhole = errors.New("the cached sofia.conf is cut off, or is none; delete FusionPBX's cache, and see that its folder has room")

// find adds a finding about a gateway that has a row. What reconcile would repair it leaves alone if FreeSWITCH could
// not load the row.
func (c *comparison) find(kind, sw string, row *fusionpbx.Gateway, repair bool, remedy, what string, args ...any) {
	f := Finding{
		Kind: kind, GatewayUUID: row.UUID, GatewayName: row.Label(), DomainUUID: row.DomainUUID, HasRow: true, Switch: sw,
		What: fmt.Sprintf(what, args...), Remedy: remedy, Repair: repair,
	}
	if o := obstacleOf(*row, c.profiles); repair && o != nil {
		f.What, f.Remedy, f.Repair = f.What+"; FreeSWITCH cannot load it as its row stands: "+o.why, o.remedy, false
	}
	c.add(f)
}

// findOrphan adds one about what has none, of which only those hear who see all rows.
func (c *comparison) findOrphan(kind, sw, name, what, remedy string) {
	if !c.Orphans {
		return
	}
	f := Finding{Kind: kind, GatewayName: name, Switch: sw, What: what, Remedy: remedy}
	if postgres.IsUUID(name) {
		f.GatewayUUID, f.Repair = name, true
	} else {
		f.Remedy = "look for the file or the system that configures it: FusionPBX's gateways are called by their UUIDs, and reconcile leaves others alone"
	}
	c.add(f)
}

func (c *comparison) add(f Finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Findings = append(c.report.Findings, f)
}

// failing are the gateways that a switch shows as refused.
func (c *comparison) failing() (uuids []string) {
	for _, s := range c.sights {
		for _, g := range s.loaded {
			if refused := g.State == freeswitch.StateFailWait || g.State == freeswitch.StateFailed; refused && c.byUUID[g.Name] != nil {
				uuids = append(uuids, g.Name)
			}
		}
	}
	return uuids
}

// compareSwitch compares what one switch has loaded, and would load next.
func (c *comparison) compareSwitch(s *driftSight) {
	of := DriftSwitch{Switch: s.sw.Addr(), Cached: s.cached}
	defer func() { c.report.Switches = append(c.report.Switches, of) }()
	if s.err != nil {
		of.Error = fault.Text(s.err)
		return
	}
	of.Loaded = new(len(s.loaded))
	loaded := make(map[string][]*freeswitch.Gateway, len(s.loaded))
	for i := range s.loaded {
		g := &s.loaded[i]
		loaded[g.Name] = append(loaded[g.Name], g)
	}
	var comparing errgroup.Group
	if s.cached && s.cacheErr == nil {
		comparing.Go(func() error { c.compareCache(s); return nil })
	}
	for part := range slices.Chunk(c.rows, comparedAtOnce) {
		comparing.Go(func() error {
			var counted DriftSwitch
			for i := range part {
				c.compareRow(&counted, s, &part[i], loaded[part[i].UUID])
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			of.SettingsKnown += counted.SettingsKnown
			of.SettingsUnknown += counted.SettingsUnknown
			return nil
		})
	}
	_ = comparing.Wait() // its functions return nil
	for name, copies := range loaded {
		if c.byUUID[name] == nil {
			c.findOrphan(DriftOrphan, of.Switch, name, fmt.Sprintf("it is loaded under profile %s, and no row of FusionPBX has it", profilesOf(copies)),
				"reconcile it, which kills it: POST /v1/gateways/reconcile")
		}
	}
	if s.cacheErr != nil {
		of.CacheError = fault.Text(s.cacheErr)
	}
}

func profilesOf(copies []*freeswitch.Gateway) string {
	return strings.Join(each(copies, func(g *freeswitch.Gateway) string { return g.Profile }), " and ")
}

// compareRow compares one row with what a switch has loaded of it.
func (c *comparison) compareRow(counted *DriftSwitch, s *driftSight, row *fusionpbx.Gateway, copies []*freeswitch.Gateway) {
	sw, meant := s.sw.Addr(), s.names.Mean(row.Get("hostname"))
	switch {
	case len(copies) == 0 && (!meant || !row.Enabled()):
		return
	case len(copies) == 0:
		c.find(DriftNotLoaded, sw, row, true, reconcileIt, "it is enabled and not loaded")
		return
	case !row.Enabled():
		c.find(DriftDisabled, sw, row, true, reconcileIt, "it is disabled, and still loaded under profile %s: calls can go through it", profilesOf(copies))
		return
	case !meant:
		c.find(DriftOtherSwitch, sw, row, true, reconcileIt, "its row is for the switch %q alone, and this one has it loaded", row.Get("hostname"))
		return
	case len(copies) > 1:
		c.find(DriftTwice, sw, row, true, reconcileIt, "it is loaded %d times, under profile %s, and belongs to %s", len(copies), profilesOf(copies), row.Profile())
		return
	}
	g := copies[0]
	if g.Profile != row.Profile() {
		c.find(DriftOtherProfile, sw, row, true, reconcileIt, "it is loaded under profile %s and not %s", g.Profile, row.Profile())
		return
	}
	hash, known := c.hashes[at{row.UUID, sw}]
	same := known && c.Keys.SameBody(hash, settingsOf(*row)...)
	switch differ := differences(modeOf(c.folder), *g, *row); {
	case len(differ) > 0:
		c.find(DriftSettings, sw, row, true, reconcileIt, "it is loaded with other settings: %s", strings.Join(differ, ", "))
	case known && !same:
		c.find(DriftOutdated, sw, row, true, reconcileIt, "its row was changed since it was loaded, in what the switch does not show, such as the password")
	default:
		if same {
			counted.SettingsKnown++
		} else {
			counted.SettingsUnknown++
		}
		if o := obstacleOf(*row, c.profiles); o != nil {
			c.find(DriftNotLoadable, sw, row, false, o.remedy, "it is loaded, and would not come back after a restart or a kill, since FreeSWITCH cannot load it as its row stands: %s", o.why)
		}
	}
	c.compareHealth(sw, row, g)
}

// compareHealth reports what is wrong although the gateway is loaded as it should be.
func (c *comparison) compareHealth(sw string, row *fusionpbx.Gateway, g *freeswitch.Gateway) {
	if answer := c.history[row.UUID][sw].answer; answer != nil && answer.Code >= 300 && (g.State == freeswitch.StateFailWait || g.State == freeswitch.StateFailed) {
		since, err := time.Parse(time.RFC3339, answer.Since)
		if err == nil && time.Since(since) > c.FailWait {
			c.find(DriftFailWait, sw, row, false, "correct what the carrier refuses (username, password, domain), or ask the carrier; then register it again",
				"its carrier refuses it since %s: %d %s", answer.Since, answer.Code, answer.Phrase)
		}
	}
	every, err := strconv.ParseInt(g.PingFreq, 10, 64)
	due, dueErr := strconv.ParseInt(g.Ping, 10, 64)
	if err != nil || dueErr != nil || every <= 0 || due <= 0 {
		return
	}
	if late := time.Since(time.Unix(due, 0)); late > 2*time.Duration(every)*time.Second+pingGrace {
		c.find(DriftStalePing, sw, row, false, "register it again, or restart its profile: FreeSWITCH has stopped looking after it",
			"it should be pinged every %d s, and its last ping is overdue by %s", every, late.Round(time.Second))
	}
}

// compareCache compares what FusionPBX's scripts keep for a switch's next rescan.
func (c *comparison) compareCache(s *driftSight) {
	sw := s.sw.Addr()
	there := make(map[string]bool, len(s.gateways))
	for _, g := range s.gateways {
		there[g.Name] = true
		row := c.byUUID[g.Name]
		switch {
		case row == nil:
			c.findOrphan(DriftCacheHas, sw, g.Name, "FusionPBX's cached configuration still has it, and no row does: a rescan would load it", reconcileIt)
		case !row.Enabled() || !s.names.Mean(row.Get("hostname")):
			c.find(DriftCacheHas, sw, row, true, reconcileIt, "FusionPBX's cached configuration still has it, and its row is disabled or for another switch: a rescan would load it")
		default:
			differ := file.Differ(g.Params(), *row, sameInCache)
			if g.Profile != row.Profile() {
				differ = append(differ, "profile")
			}
			if len(differ) > 0 {
				c.find(DriftCacheDiffers, sw, row, true, reconcileIt, "FusionPBX's cached configuration has other settings of it: %s", strings.Join(differ, ", "))
			}
		}
	}
	for i := range c.rows {
		row := &c.rows[i]
		_, enabled := c.profiles[row.Profile()]
		if row.Enabled() && enabled && !there[row.UUID] && s.names.Mean(row.Get("hostname")) {
			c.find(DriftCacheLacks, sw, row, true, reconcileIt, "FusionPBX's cached configuration lacks it, so that no rescan would load it")
		}
	}
}

// sameInCache reports whether a written value is what FusionPBX's scripts make of a row's: they delete every $.
func sameInCache(raw, value string) bool {
	return freeswitch.Unescape(raw) == freeswitch.Unescape(strings.ReplaceAll(value, "$", ""))
}

func sameInFile(raw, value string) bool { return freeswitch.Unescape(raw) == value }

// compareFiles compares the gateways' files, where there are some in place of a cached configuration.
func (c *comparison) compareFiles() {
	files, err := c.folder.Every()
	if err != nil {
		c.report.FilesError = fault.Text(fileFailure(err))
		return
	}
	for _, uuid := range slices.Sorted(maps.Keys(files)) {
		row := c.byUUID[uuid]
		switch {
		case row == nil:
			c.findOrphan(DriftFileHas, "", uuid, "it has a file, and no row of FusionPBX: a rescan loads it", reconcileIt)
		case !row.Enabled():
			c.find(DriftFileHas, "", row, true, reconcileIt, "it is disabled, and still has a file: a rescan loads it")
		default:
			c.compareFile(row, files[uuid])
		}
	}
	for i := range c.rows {
		if row := &c.rows[i]; row.Enabled() && len(files[row.UUID]) == 0 {
			c.find(DriftFileLacks, "", row, true, reconcileIt, "it is enabled, and has no file under profile %s", row.Profile())
		}
	}
}

func (c *comparison) compareFile(row *fusionpbx.Gateway, files []file.File) {
	at := slices.IndexFunc(files, func(f file.File) bool { return f.Profile == row.Profile() })
	if at < 0 || len(files) > 1 {
		profiles := each(files, func(f file.File) string { return f.Profile })
		c.find(DriftFileDiffers, "", row, true, reconcileIt, "it has a file under profile %s, and belongs to %s", strings.Join(profiles, " and "), row.Profile())
		return
	}
	gateways, _ := freeswitch.ParseSofiaConf(string(files[at].Content))
	named := slices.IndexFunc(gateways, func(g freeswitch.ConfiguredGateway) bool { return g.Name == row.UUID })
	if named < 0 {
		c.find(DriftFileDiffers, "", row, true, reconcileIt, "its file does not hold it")
		return
	}
	if differ := file.Differ(gateways[named].Params(), *row, sameInFile); len(differ) > 0 {
		c.find(DriftFileDiffers, "", row, true, reconcileIt, "its file has other settings: %s", strings.Join(differ, ", "))
	}
}
