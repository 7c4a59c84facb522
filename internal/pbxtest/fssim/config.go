package fssim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// configTime is how long the answer of Options.Gateways is waited for.
const configTime = 10 * time.Second

// switchConfig is sofia.conf as FusionPBX's Lua handler makes, caches and serves it.
type switchConfig struct {
	// fetch is held while the database is asked, so that one rescan asks and the others find it cached.
	fetch sync.Mutex

	mu      sync.Mutex
	cache   map[string]*sofiaConf // by FusionPBX's cache key, until that is deleted
	acl     map[string][]string   // acl.conf in FusionPBX's cache; nil: it is not there
	lists   map[string][]string   // the access lists that the switch goes by
	live    *sofiaConf            // the last one that could be parsed
	broken  string                // what BreakXML said; "" while the XML is whole
	missing map[string]bool       // profiles whose configuration RemoveProfileConfig took away
	noLua   bool
}

// sofiaConf is a sofia.conf and what FreeSWITCH's parser makes of it.
type sofiaConf struct {
	text     string
	gateways map[string][]configuredGateway // by profile
	err      *xmlError
}

// configuredGateway is one <gateway> element.
type configuredGateway struct {
	name   string
	params map[string]string
}

// BreakXML makes FreeSWITCH's XML configuration unreadable, as a broken file anywhere in it does: every
// reload reports message near line, though it says +OK, and what was configured before stays live.
func (s *Switch) BreakXML(line int, message string) {
	s.config.mu.Lock()
	defer s.config.mu.Unlock()
	s.config.broken = (&xmlError{line, message}).Error()
}

// RepairXML undoes BreakXML.
func (s *Switch) RepairXML() {
	s.config.mu.Lock()
	defer s.config.mu.Unlock()
	s.config.broken = ""
}

// RemoveProfileConfig takes a running profile out of the configuration: a rescan of it finds none.
func (s *Switch) RemoveProfileConfig(profile string) { s.setMissing(profile, true) }

// RestoreProfileConfig undoes RemoveProfileConfig.
func (s *Switch) RestoreProfileConfig(profile string) { s.setMissing(profile, false) }

func (s *Switch) setMissing(profile string, missing bool) {
	s.config.mu.Lock()
	defer s.config.mu.Unlock()
	if s.config.missing == nil {
		s.config.missing = map[string]bool{}
	}
	s.config.missing[profile] = missing
}

// BreakLua makes every Lua script fail, as if FusionPBX's scripts were not installed.
func (s *Switch) BreakLua(broken bool) {
	s.config.mu.Lock()
	defer s.config.mu.Unlock()
	s.config.noLua = broken
}

func (c *switchConfig) luaBroken() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.noLua
}

// forget deletes a key of FusionPBX's cache.
func (c *switchConfig) forget(key string) {
	c.fetch.Lock()
	defer c.fetch.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.cache, key)
	if key == aclKey {
		c.acl = nil
	}
}

// cached is the first of the keys' values that is there, or nil as Lua writes it.
func (c *switchConfig) cached(keys []string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		if conf := c.cache[key]; conf != nil {
			return conf.text
		}
	}
	return "nil"
}

// cacheKey is the key that this switch's FusionPBX keeps sofia.conf under.
func (s *Switch) cacheKey() string {
	if s.opts.CacheKeyStyle == "5.4" {
		return "configuration:sofia.conf:" + s.opts.SwitchName
	}
	return s.opts.Hostname + ":configuration:sofia.conf"
}

// CachedConfig reports whether sofia.conf is in FusionPBX's cache, so that a rescan would not ask the
// database.
func (s *Switch) CachedConfig() bool {
	s.config.mu.Lock()
	defer s.config.mu.Unlock()
	return s.config.cache[s.cacheKey()] != nil
}

// reloadXML reads the XML again and returns what FreeSWITCH puts between the brackets of its reply.
func (s *Switch) reloadXML() string {
	s.config.mu.Lock()
	defer s.config.mu.Unlock()
	if s.config.broken != "" {
		return s.config.broken
	}
	conf := s.config.cache[s.cacheKey()]
	if s.opts.GatewayFiles != "" {
		var err error
		if conf, err = s.filesConfig(); err != nil {
			return err.Error()
		}
	}
	if conf != nil && conf.err != nil {
		return conf.err.Error()
	}
	if s.opts.GatewayFiles != "" {
		s.config.live = conf
	}
	return "Success"
}

// profileConfig reloads the XML as a rescan does first: it returns what stands between the brackets of
// the reply, and the gateways of a profile, of the last configuration that could be read. found is false
// if the profile has no configuration.
func (s *Switch) profileConfig(name string) (result string, gateways []configuredGateway, found bool) {
	c := &s.config
	c.fetch.Lock()
	defer c.fetch.Unlock()
	c.mu.Lock()
	result, missing, conf := c.broken, c.missing[name], c.cache[s.cacheKey()]
	c.mu.Unlock()
	if missing {
		return successUnless(result), nil, false
	}
	if result == "" && conf == nil {
		var err error
		if conf, err = s.fetchConfig(); err != nil {
			return "Success", nil, false // the handler answers nothing, so there is no sofia.conf
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case result != "":
	case conf.err != nil:
		result = conf.err.Error()
	default:
		c.live = conf
	}
	if c.live == nil {
		return successUnless(result), nil, true // nothing was ever configured
	}
	gateways, found = c.live.gateways[name]
	return successUnless(result), gateways, found
}

func successUnless(problem string) string {
	if problem == "" {
		return "Success"
	}
	return problem
}

// fetchConfig asks for sofia.conf and caches it, broken or not, unless it comes from files. fetch is held.
func (s *Switch) fetchConfig() (*sofiaConf, error) {
	if s.opts.GatewayFiles != "" {
		return s.filesConfig()
	}
	xml := map[string]string{}
	if s.opts.Gateways == nil {
		for _, name := range s.opts.Profiles {
			xml[name] = ""
		}
	} else {
		ctx, cancel := context.WithTimeout(s.ctx, configTime)
		defer cancel()
		var err error
		if xml, err = s.opts.Gateways(ctx, s.opts.Hostname); err != nil {
			return nil, err
		}
	}
	conf := parseSofiaConf(sofiaConfXML(xml))
	s.config.mu.Lock()
	defer s.config.mu.Unlock()
	if s.config.cache == nil {
		s.config.cache = map[string]*sofiaConf{}
	}
	s.config.cache[s.cacheKey()] = conf
	return conf, nil
}

// sofiaConfXML is the whole document, from the gateways of each profile.
func sofiaConfXML(gateways map[string]string) string {
	var b strings.Builder
	b.WriteString("<document type=\"freeswitch/xml\">\n<section name=\"configuration\">\n" +
		"<configuration name=\"sofia.conf\" description=\"sofia Endpoint\">\n<profiles>\n")
	for _, name := range slices.Sorted(maps.Keys(gateways)) {
		fmt.Fprintf(&b, "<profile name=\"%s\">\n<gateways>\n%s\n</gateways>\n</profile>\n", name, gateways[name])
	}
	b.WriteString("</profiles>\n</configuration>\n</section>\n</document>\n")
	return b.String()
}

func parseSofiaConf(text string) *sofiaConf {
	root, err := parseXML(text)
	if err != nil {
		return &sofiaConf{text: text, err: err}
	}
	conf := &sofiaConf{text: text, gateways: map[string][]configuredGateway{}}
	for _, p := range root.all("section", "configuration", "profiles", "profile") {
		var gateways []configuredGateway
		for _, g := range p.all("gateways", "gateway") {
			params := map[string]string{}
			for _, param := range g.all("param") {
				params[param.attrs["name"]] = param.attrs["value"]
			}
			gateways = append(gateways, configuredGateway{g.attrs["name"], params})
		}
		conf.gateways[p.attrs["name"]] = gateways
	}
	return conf
}
