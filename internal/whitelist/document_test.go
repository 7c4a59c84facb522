package whitelist

import (
	"bytes"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	const file = "\ufeff# billing\r\n192.0.2.10\r\n 198.51.100.0/24 # the office\n\n10.1.2.3/8\n2001:db8::/32\n2001:db8:ffff::1\n" +
		"::ffff:203.0.113.5\n::ffff:203.0.113.128/121\n172.16.0.0/12"
	doc := Parse([]byte(file))
	set, err := doc.Set()
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{ // to the entry that holds it
		"192.0.2.10": "192.0.2.10", "192.0.2.11": "", "198.51.100.255": "198.51.100.0/24", "198.51.101.0": "", "10.255.0.1": "10.0.0.0/8", "11.0.0.1": "",
		"2001:db8:1::1": "2001:db8::/32", "2001:db9::1": "", "203.0.113.5": "203.0.113.5", "203.0.113.6": "", "203.0.113.200": "203.0.113.128/25",
		"203.0.113.100": "", "172.31.255.255": "172.16.0.0/12", "172.32.0.0": "", "::1": "", "0.0.0.0": "",
	} {
		addr := netip.MustParseAddr(address)
		if got := set.Contains(addr); got != (want != "") {
			t.Errorf("%s: got %v, want %q", address, got, want)
		}
		entry, found := doc.CoveringAddr(addr)
		if found != (want != "") || found && entry.Address() != want {
			t.Errorf("%s: got entry %+v, want %q", address, entry, want)
		}
	}
	if set.Count() != 8 {
		t.Errorf("got %d entries, want 8", set.Count())
	}
	if got := doc.Entries()[1]; got.Line != 3 || got.Comment != "the office" {
		t.Errorf("got %+v", got)
	}
	if got := string(doc.Bytes()); got != file {
		t.Errorf("got %q, want %q", got, file)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, want string }{
		"a name":        {"192.0.2.1\nbilling.example\n", `line 2: "billing.example"`},
		"a range":       {"192.0.2.1-192.0.2.9", `line 1: "192.0.2.1-192.0.2.9"`},
		"a wildcard":    {"\n\n192.0.2.*", "line 3"},
		"two on a line": {"192.0.2.1 192.0.2.2", "line 1"},
		"a long CIDR":   {"192.0.2.0/33", `line 1: "192.0.2.0/33" is not a CIDR`},
		"a zone":        {"fe80::1%eth0", "zone"},
		"octal":         {"0300.0000.0002.0001", "line 1"},
		"decimal":       {"3221225985", "line 1"},
		"another mark":  {"192.0.2.1 ; billing", "line 1"},
		"a NUL":         {"192.0.2.1\x00", "line 1"},
		"many":          {strings.Repeat("x\n", 30), "line 10: \"x\" is neither an IP address nor a CIDR; write one of them a line, and # before a comment; and 20 more lines"},
		"too large":     {strings.Repeat("192.0.2.1\n", maxBytes/10+1), "larger than"},
		"nothing":       {"# nobody yet\n\n", "nobody may call"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, err := Parse([]byte(c.file)).Set()
			if err == nil || set != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v; want %q", set, err, c.want)
			}
		})
	}
}

func TestBrokenNamesEveryLine(t *testing.T) {
	t.Parallel()
	_, err := Parse([]byte("a\n192.0.2.1\nb # x\n" + strings.Repeat("c\n", 40))).Set()
	var broken *BrokenError
	if !errors.As(err, &broken) || len(broken.Lines) != 42 {
		t.Fatalf("got %v", err)
	}
	if got, want := broken.Lines[1].Line, 3; got != want || broken.Lines[1].Text != "b" {
		t.Errorf("got %+v, want line %d", broken.Lines[1], want)
	}
}

func TestAddAndRemoveKeepTheRest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, network, comment string
		added, removed         string // the file after adding, and after removing; "" as it was
	}{
		"nothing yet":       {"", "192.0.2.1", "WHMCS", "192.0.2.1 # WHMCS\n", "-"},
		"a comment":         {"# head\n192.0.2.1 # one\n", "192.0.2.2", "", "# head\n192.0.2.1 # one\n192.0.2.2\n", ""},
		"Windows":           {"\ufeff# head\r\n192.0.2.1\r\n", "192.0.2.2", "zwei", "\ufeff# head\r\n192.0.2.1\r\n192.0.2.2 # zwei\r\n", ""},
		"no line ending":    {"192.0.2.1", "2001:db8::/32", "", "192.0.2.1\n2001:db8::/32\n", "192.0.2.1\n"},
		"IPv4 as IPv6":      {"192.0.2.1\n", "::ffff:192.0.2.9", "", "192.0.2.1\n192.0.2.9\n", ""},
		"bits behind it":    {"192.0.2.1\n", "10.1.2.3/8", "", "192.0.2.1\n10.0.0.0/8\n", ""},
		"there already":     {"  192.0.2.1 # one\n", "192.0.2.1", "again", "", "-"},
		"covered":           {"192.0.2.0/24\n", "192.0.2.0/25", "", "", ""},
		"wider than others": {"192.0.2.1\n\n# tail", "192.0.2.0/24", "", "192.0.2.1\n\n# tail\n192.0.2.0/24\n", "192.0.2.1\n\n# tail\n"},
		"in a comment":      {"# 192.0.2.1\n", "192.0.2.1", "", "# 192.0.2.1\n192.0.2.1\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network, err := ParseNetwork(c.network)
			if err != nil {
				t.Fatal(err)
			}
			doc := Parse([]byte(c.file))
			entry, added := doc.add(network, c.comment)
			want := c.added
			if want == "" {
				want = c.file
			}
			if got := string(doc.Bytes()); got != want || added != (c.added != "") {
				t.Errorf("added: got %v %q, want %q", added, got, want)
			}
			if again := Parse(doc.Bytes()); !reflect.DeepEqual(again, doc) {
				t.Errorf("it is read back as %+v, not %+v", again, doc)
			}
			if added && (entry.Comment != c.comment || entry.Network != canonical(network)) {
				t.Errorf("got entry %+v", entry)
			}
			doc.remove(network)
			want = strings.TrimSuffix(c.removed, "-")
			if c.removed == "" {
				want = c.file
			}
			if got := string(doc.Bytes()); got != want {
				t.Errorf("removed: got %q, want %q", got, want)
			}
		})
	}
}

func TestRemoveTakesEveryLineOfTheNetwork(t *testing.T) {
	t.Parallel()
	doc := Parse([]byte("192.0.2.1\n192.0.2.0/24 # wide\n::ffff:192.0.2.1 # the same\n"))
	removed := doc.remove(netip.MustParsePrefix("192.0.2.1/32"))
	if len(removed) != 2 || removed[0].Line != 1 || removed[1].Line != 3 || string(doc.Bytes()) != "192.0.2.0/24 # wide\n" {
		t.Errorf("got %+v and %q", removed, doc.Bytes())
	}
}

func TestCheckComment(t *testing.T) {
	t.Parallel()
	for comment, want := range map[string]string{
		"WHMCS, Büro # 2": "", strings.Repeat("ü", MaxComment): "", strings.Repeat("x", MaxComment+1): "longer than",
		"a\nb": "control", "a\rb": "control", "a\x1b[2J": "control", "a\u2028b": "control", "a\u202eb": "control", "a\xff": "UTF-8",
	} {
		err := CheckComment(comment)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", comment, err, want)
		}
	}
}

func TestCommentsAreShownHarmless(t *testing.T) {
	t.Parallel()
	got := Parse([]byte("192.0.2.1 # a\x1b[2J\xff\tb\n")).Entries()[0].Comment
	if want := "a\ufffd[2J\ufffd\tb"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzParse: a file that is accepted allows exactly what its lines say, and one that is refused allows
// nothing.
func FuzzParse(f *testing.F) {
	f.Add("192.0.2.1\n# x\n2001:db8::/32\n", "192.0.2.1")
	f.Add("\ufeff::ffff:10.0.0.0/104\r\n", "10.2.3.4")
	f.Add("0.0.0.0/0", "::1")
	f.Add("1.2.3.4/40\n", "1.2.3.4")
	f.Fuzz(func(t *testing.T, file, address string) {
		doc := Parse([]byte(file))
		set, err := doc.Set()
		if err != nil {
			if set != nil {
				t.Fatal("a refused file has a list")
			}
			return
		}
		addr, err := netip.ParseAddr(address)
		if err != nil {
			return
		}
		addr = addr.Unmap().WithZone("")
		want := false
		for line := range strings.Lines(strings.TrimPrefix(file, "\ufeff")) {
			line, _, _ = strings.Cut(line, "#")
			line = strings.TrimSpace(line)
			if single, err := netip.ParseAddr(line); err == nil && single.Unmap() == addr {
				want = true
			}
			network, err := netip.ParsePrefix(line)
			if err != nil {
				continue
			}
			if network.Addr().Is4In6() && network.Bits() >= mappedBits {
				// Contains never holds for such a network: look at the bits.
				masked, err := netip.AddrFrom16(addr.As16()).Prefix(network.Bits())
				want = want || err == nil && masked.Addr() == network.Masked().Addr()
				continue
			}
			want = want || network.Masked().Contains(addr)
		}
		if got := set.Contains(addr); got != want {
			t.Fatalf("%s in %q: got %v, want %v", addr, file, got, want)
		}
		if _, covered := doc.CoveringAddr(addr); covered != want {
			t.Fatalf("%s in %q: got entry %v, want %v", addr, file, covered, want)
		}
	})
}

// FuzzEdit: a text is written as it was read, and an edit changes its own line alone.
func FuzzEdit(f *testing.F) {
	f.Add([]byte("\ufeff# a\r\n192.0.2.1\r\nx"), "10.0.0.0/8", "the office")
	f.Add([]byte("192.0.2.1\n\n10.0.0.1 # b"), "10.0.0.1", "")
	f.Add([]byte("\xff\x00\r\r\n#\n"), "::/0", "#")
	f.Add([]byte("::\n\ufeff::1"), "::ffff:1.2.3.4/96", "x # y")
	f.Fuzz(func(t *testing.T, file []byte, text, comment string) {
		doc := Parse(file)
		if got := doc.Bytes(); !bytes.Equal(got, file) {
			t.Fatalf("got %q, want %q", got, file)
		}
		network, err := ParseNetwork(text)
		if err != nil || CheckComment(comment) != nil {
			return
		}
		before := Parse(file)
		_, added := doc.add(network, comment)
		after := doc.Bytes()
		if !bytes.HasPrefix(after, file) {
			t.Fatalf("adding made %q of %q", after, file)
		}
		if again := Parse(after); !reflect.DeepEqual(again, doc) {
			t.Fatalf("%q is read back as %+v, not %+v", after, again, doc)
		}
		if _, covered := doc.Covering(network); !covered {
			t.Fatalf("%s is not in %q", network, after)
		}
		if !added {
			if !bytes.Equal(after, file) {
				t.Fatalf("nothing was added, and %q became %q", file, after)
			}
			return
		}
		if len(doc.lines) != len(before.lines)+1 || len(doc.Broken()) != len(before.Broken()) {
			t.Fatalf("adding %s made %q of %q", text, after, file)
		}
		doc.remove(network)
		want := file
		if len(file) > 0 && !bytes.HasSuffix(file, []byte("\n")) && string(file) != bom {
			want = append(bytes.Clone(file), before.ending()...) // the last line stays ended
		}
		if got := doc.Bytes(); !bytes.Equal(got, want) {
			t.Fatalf("adding and removing %s made %q of %q", text, got, file)
		}
	})
}
