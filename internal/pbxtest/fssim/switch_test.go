package fssim

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
)

const (
	scanned    = "Reload XML [Success]\n+OK scan complete\n"
	rescan     = "sofia profile external rescan"
	dropKey55  = `lua ~local c=require "resources.functions.cache"; stream:write(tostring(c.del("pbxtest:configuration:sofia.conf")))`
	dropKey54  = `lua ~local c=require "resources.functions.cache"; stream:write(tostring(c.del("configuration:sofia.conf:pbxtest")))`
	noregister = "register=false"
)

// editableConfig is a configuration that a test changes.
type editableConfig struct{ xml atomic.Pointer[string] }

func (c *editableConfig) set(gateways ...string) {
	xml := strings.Join(gateways, "")
	c.xml.Store(&xml)
}

func (c *editableConfig) gateways(context.Context, string) (map[string]string, error) {
	return map[string]string{"external": *c.xml.Load(), "internal": ""}, nil
}

func TestRescanServesTheCachedConfiguration(t *testing.T) {
	t.Parallel()
	for style, keys := range map[string]struct{ right, wrong string }{
		"5.5": {dropKey55, dropKey54},
		"5.4": {dropKey54, dropKey55},
	} {
		t.Run(style, func(t *testing.T) {
			t.Parallel()
			var conf editableConfig
			conf.set(element("one", noregister))
			s := startTestSwitch(t, Options{Gateways: conf.gateways, CacheKeyStyle: style})
			c := logIn(t, s)
			c.wantAPI(rescan, scanned)
			conf.set(element("one", noregister), element("two", noregister))
			for _, command := range []string{rescan, "reloadxml", rescan, keys.wrong, rescan} {
				c.api(command)
			}
			if _, ok := s.Loaded()["two"]; ok {
				t.Fatal("a rescan saw the change while the old configuration was cached")
			}
			c.wantAPI(keys.right, "true")
			if s.CachedConfig() {
				t.Error("the key is deleted, but the configuration is still cached")
			}
			c.wantAPI(rescan, scanned)
			if _, ok := s.Loaded()["two"]; !ok {
				t.Error("a rescan did not see the change after the key was deleted")
			}
		})
	}
}

func TestRescanOnlyAdds(t *testing.T) {
	t.Parallel()
	var conf editableConfig
	conf.set(element("kept", noregister, "password=old"), element("dropped", noregister))
	s := startTestSwitch(t, Options{Gateways: conf.gateways})
	c := logIn(t, s)
	c.wantAPI(rescan, scanned)
	conf.set(element("kept", noregister, "password=new"))
	c.api(dropKey55)
	c.wantAPI(rescan, scanned)
	loaded := s.Loaded()
	if got := loaded["kept"].Params["password"]; got != "old" {
		t.Errorf("the password is %q after a rescan, want the old one", got)
	}
	if _, ok := loaded["dropped"]; !ok {
		t.Error("a rescan removed a gateway")
	}

	c.api("sofia profile external killgw kept")
	pbxtest.Eventually(t, "the deletion", func() bool { return c.inList("kept") == 0 })
	c.wantAPI(rescan, scanned)
	if got := s.Loaded()["kept"].Params["password"]; got != "new" {
		t.Errorf("the password is %q after killgw and rescan, want the new one", got)
	}
}

func TestKilledGatewayLeavesLate(t *testing.T) {
	t.Parallel()
	for name, params := range map[string][]string{
		stateNoReg: {noregister},
		stateReged: {"username=u", "password=p"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startTestSwitch(t, Options{Gateways: gatewayConfig(element("gone", params...))},
				func(times *switchTimes) { times.tick = 300 * time.Millisecond })
			c := logIn(t, s)
			c.wantAPI(rescan, scanned)
			waitState(t, s, "gone", name)
			killed := time.Now()
			c.wantAPI("sofia profile internal killgw gone", "+OK gateway marked for deletion.\n") // whatever the profile
			c.wantAPI("sofia xmlstatus gateway gone", noSuchGateway)
			c.wantAPI("sofia profile external killgw gone", "-ERR no such gateway.\n")
			if c.inList("gone") != 1 {
				t.Error("a killed gateway left the list at once")
			}
			pbxtest.Eventually(t, "the deletion", func() bool { return c.inList("gone") == 0 })
			if took := time.Since(killed); took < s.times.tick {
				t.Errorf("the gateway was gone after %v, want %v or more", took, s.times.tick)
			}
		})
	}
}

func TestKillAll(t *testing.T) {
	t.Parallel()
	s := startTestSwitch(t, Options{Gateways: gatewayConfig(element("a", noregister), element("_all_", noregister), element("b", noregister))})
	c := logIn(t, s)
	c.wantAPI(rescan, scanned)
	if len(s.Loaded()) != 3 {
		t.Fatalf("loaded %v, want three, _all_ among them", s.Loaded())
	}
	c.wantAPI("sofia profile external killgw _all_", "+OK every gateway marked for deletion.\n")
	if left := s.Loaded(); len(left) != 0 {
		t.Errorf("killgw _all_ left %v", left)
	}
}

func TestGatewaysThatAreDroppedSilently(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, xml string
		want      bool
	}{
		{"register without a username", element("gw", "password=p"), false},
		{"register without a password", element("gw", "username=u"), false},
		{"register by default", element("gw", "username=u", "password=p"), true},
		{"a name with a space", element("g w", noregister), false},
		{"an empty name", element("", noregister), false},
		{"a name in capitals", element("GW", noregister), false}, // loaded, but not as gw
		{"an unknown transport", element("gw", noregister, "register-transport=carrier-pigeon"), false},
		{"tls", element("gw", noregister, "register-transport=tls"), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := startTestSwitch(t, Options{Gateways: gatewayConfig(tc.xml)})
			logIn(t, s).wantAPI(rescan, scanned)
			if _, ok := s.Loaded()["gw"]; ok != tc.want {
				t.Errorf("loaded: %v, want %v", ok, tc.want)
			}
		})
	}
	t.Run("the second of one name", func(t *testing.T) {
		t.Parallel()
		s := startTestSwitch(t, Options{Gateways: gatewayConfig(element("gw", noregister, "username=first"), element("gw", noregister, "username=second"))})
		logIn(t, s).wantAPI(rescan, scanned)
		if got := s.Loaded()["gw"].Params["username"]; got != "first" {
			t.Errorf("the username is %q, want that of the first", got)
		}
	})
}

func TestBrokenXMLKeepsTheOldConfiguration(t *testing.T) {
	t.Parallel()
	var conf editableConfig
	conf.set(element("gw", noregister, "password=old"))
	s := startTestSwitch(t, Options{Gateways: conf.gateways})
	c := logIn(t, s)
	c.wantAPI(rescan, scanned)
	conf.set(element("gw", noregister, "password=new"), element("added", noregister))
	c.api(dropKey55)
	s.BreakXML(73, "unexpected closing tag </gateways>")
	const broken = "[[error near line 73]: unexpected closing tag </gateways>]\n"
	c.wantAPI("reloadxml", "+OK "+broken)
	c.api("sofia profile external killgw gw")
	pbxtest.Eventually(t, "the deletion", func() bool { return c.inList("gw") == 0 })
	c.wantAPI(rescan, "Reload XML "+broken+"+OK scan complete\n")
	loaded := s.Loaded()
	if got := loaded["gw"].Params["password"]; got != "old" {
		t.Errorf("the gateway came back with the password %q, want the old one", got)
	}
	if _, ok := loaded["added"]; ok {
		t.Error("a new gateway was loaded from a broken configuration")
	}
	s.RepairXML()
	c.wantAPI(rescan, scanned)
	if _, ok := s.Loaded()["added"]; !ok {
		t.Error("the new gateway was not loaded after the repair")
	}
}

func TestConfigurationThatCannotBeHad(t *testing.T) {
	t.Parallel()
	s := startTestSwitch(t, Options{Gateways: func(context.Context, string) (map[string]string, error) {
		return nil, errors.New("no database")
	}})
	logIn(t, s).wantAPI(rescan, "Reload XML [Success]\n-ERR cannot find config for profile external\n")
	if s.CachedConfig() {
		t.Error("what could not be had is cached")
	}
}

func TestRegistrationInRealTimes(t *testing.T) {
	t.Parallel()
	s := startTestSwitch(t, Options{RealTimes: true, Gateways: gatewayConfig(element("gw", "username=u", "password=p"))})
	c := logIn(t, s)
	began := time.Now()
	c.wantAPI(rescan, scanned)
	if took := time.Since(began); took < s.times.rescan {
		t.Errorf("the rescan took %v, want %v or more", took, s.times.rescan)
	}
	if got := s.Loaded()["gw"].State; got != stateUnreged {
		t.Errorf("the state after the rescan is %s, want %s", got, stateUnreged)
	}
	waitState(t, s, "gw", stateReged)
	const least = 1900 * time.Millisecond
	if took := time.Since(began); took < least {
		t.Errorf("the gateway was registered after %v, want %v or more", took, least)
	}
}

func TestForeignGateway(t *testing.T) {
	t.Parallel()
	s := startTestSwitch(t, Options{})
	if err := s.AddGateway("external", "foreign", map[string]string{"username": "a&b<c", "register": "false", "realm": "r"}); err != nil {
		t.Fatal(err)
	}
	if got := logIn(t, s).api("sofia xmlstatus gateway"); !strings.Contains(got, "<username>a&b<c</username>") {
		t.Errorf("the list escapes the username: %s", got)
	}
	if err := s.AddGateway("nosuch", "gw", map[string]string{"register": "false"}); err == nil {
		t.Error("a gateway was loaded into a profile that does not exist")
	}
}

func TestLoadProfiles(t *testing.T) {
	t.Parallel()
	s := startTestSwitch(t, Options{Gateways: gatewayConfig(element("gw", noregister))})
	if err := s.LoadProfiles(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Loaded()["gw"]; !ok {
		t.Error("the configured gateway is not loaded")
	}
	s.BreakXML(1, "oops")
	if err := s.LoadProfiles(t.Context()); err == nil {
		t.Error("a broken configuration was loaded without an error")
	}
}

func TestStopAndRestart(t *testing.T) {
	t.Parallel()
	s := startTestSwitch(t, Options{Gateways: gatewayConfig(element("gw", noregister))})
	c := logIn(t, s)
	c.wantAPI(rescan, scanned)
	for range 3 {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		c.wantEOF()
		if conn, err := net.Dial("tcp", s.Addr()); err == nil {
			conn.Close()
			t.Fatal("a stopped switch took a connection")
		}
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		c = logIn(t, s)
	}
	if c.inList("gw") != 1 {
		t.Error("what was loaded is gone")
	}
}

func TestCloseWhileStopped(t *testing.T) {
	t.Parallel()
	s, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Stop(), s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}

func TestStartSwitchRefusesAnUnknownKeyStyle(t *testing.T) {
	t.Parallel()
	if s, err := Start(Options{CacheKeyStyle: "5.6"}); err == nil {
		s.Close()
		t.Error("no error")
	}
}
