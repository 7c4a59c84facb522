package freeswitch

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

func TestSofiaConf(t *testing.T) {
	t.Parallel()
	text := `<document type="freeswitch/xml">
<section name="configuration"><configuration name="sofia.conf" description="sofia Endpoint">
<profiles>
<profile name="external">
<!-- <gateway name="no"> -->
<settings><param name="context" value="public"/></settings>
<gateways>
<gateway name="one">
  <param name="username" value="a &lt; b"/>
  <param value='it is "so"' name='realm' />
  <variables><variable name="sip_cid_type" value="pid"/></variables>
</gateway>
<gateway name="none"/>
</gateways>
</profile>
<profile name="internal"><gateways><gateway name="two"><param name="proxy" value="x"></param></gateway></gateways></profile>
</profiles></configuration></section></document>
`
	gateways, whole := ParseSofiaConf(text)
	var got []string
	for _, g := range gateways {
		params := map[string]string{}
		for name, raw := range g.Params() {
			params[name] = Unescape(raw)
		}
		got = append(got, fmt.Sprint(g.Profile, " ", g.Name, " ", params))
	}
	want := []string{`external one map[realm:it is "so" sip_cid_type:pid username:a < b]`, "external none map[]", "internal two map[proxy:x]"}
	if fmt.Sprint(got) != fmt.Sprint(want) || !whole {
		t.Errorf("got %q, whole %t, want %q", got, whole, want)
	}
	for _, cut := range []string{`<gateway name="x"><param name="username" value="a"/>`, `<gateway name="x`, "<profile ", "<!-- no end", `<gateway name=`} {
		if _, whole := ParseSofiaConf(cut); whole {
			t.Errorf("%q is taken for whole", cut)
		}
	}
}

// What is hostile costs no more than what is not.
func TestSofiaConfInTime(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"<", "<a ", `<a b="`, "<a b=", "<!--", "<gateway", `<gateway name="x">`, "<a b='\"", "</", "<a b", "<a /"} {
		text := strings.Repeat(part, 4<<20/len(part))
		began := time.Now()
		ParseSofiaConf(text)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%q took %v", part, took)
		}
	}
}

func FuzzSofiaConf(f *testing.F) {
	f.Add(`<profile name="external"><gateway name="x"><param name="a" value="&amp;"/></gateway></profile>`)
	f.Add(`<gateway name='x"'><param name=""/><variable value="y"></gateway>`)
	f.Add("<a b=\"\x00\xff<!-->--></gateway><gateway/>")
	f.Fuzz(func(t *testing.T, text string) {
		gateways, _ := ParseSofiaConf(text)
		for _, g := range gateways {
			params := maps.Collect(g.Params())
			for name, raw := range params {
				if !strings.Contains(text, name) || !strings.Contains(text, raw) {
					t.Errorf("%q is %q, which does not stand there", name, raw)
				}
				Unescape(raw)
			}
			if !strings.Contains(text, g.Name) || !strings.Contains(text, g.Profile) {
				t.Errorf("%+v does not stand there", g)
			}
		}
	})
}
