package dial_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"trunkline/internal/delivery/dial"
	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
)

// refusedAddresses are each of a network that is nobody else's business, in every form that leads there.
var refusedAddresses = []string{
	"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255", "127.0.0.1", "127.255.0.1",
	"168.63.129.16", "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1",
	"192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
	"240.0.0.1", "255.255.255.255",
	"::", "::1", "::2", "fc00::1", "fd00:ec2::254", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
	"100::1", "2001:db8::1", "2001:10::1", "2001:2::1", "3fff::1", "5f00::1", "4000::1", "64:ff9b:1::10.0.0.1", "64:ff9b:1::8.8.8.8",
	"::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:0:10.0.0.1", "::10.0.0.1", "::8.8.8.8",
	"64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::127.0.0.1",
	"2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::1", "2002:c0a8:101::1",
	"2001:0:a00:1::f7f7:f7f7",                                   // Teredo by a server of 10.0.0.1
	"2001:0:808:808::f5ff:fffe",                                 // Teredo for a client of 10.0.0.1
	"2001:0:808:808:0:ffff:5601:5601",                           // and of 169.254.169.254
	"2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:127.0.0.1", // ISATAP
}

var publicAddresses = []string{
	"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1", "168.63.129.15",
	"169.253.255.255", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
	"2606:4700:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1", "2001:0:808:808::f7f7:f7f7",
	"2606:4700::5efe:8.8.8.8", "2001:200::1",
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, text := range refusedAddresses {
		err := dial.Guard{}.Check(netip.MustParseAddr(text))
		if refused, is := errors.AsType[*dial.Refused](err); !is || refused.Is == "" {
			t.Errorf("%s: got %v", text, err)
		}
	}
	for _, text := range publicAddresses {
		if err := (dial.Guard{}).Check(netip.MustParseAddr(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := (dial.Guard{}).Check(netip.Addr{}); err == nil {
		t.Error("what is no address was taken")
	}
}

// An address of this host is refused, public or not: by it one reaches what firewalls keep others from.
func TestOwnAddresses(t *testing.T) {
	t.Parallel()
	ours, err := net.InterfaceAddrs()
	pbxtest.Must(t, err)
	for _, a := range ours {
		prefix := netip.MustParsePrefix(a.String())
		if err := (dial.Guard{}).Check(prefix.Addr()); err == nil {
			t.Errorf("%s was taken", prefix.Addr())
		}
	}
}

// What the setting allows is allowed in whatever form it is reached, and nothing beside it.
func TestAllowedNetworks(t *testing.T) {
	t.Parallel()
	guard := dial.Guard{Allowed: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("fd00::/16")}}
	for text, allowed := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "64:ff9b::10.1.2.3": true, "2002:a01:203::1": true, "fe80::1%eth0": true, "fd00::1": true,
		"10.2.0.1": false, "::ffff:10.2.0.1": false, "64:ff9b::10.2.0.1": false, "2002:a02:1::1": false, "fd00:1::1": true, "fd01::1": false,
		"2001:0:a01:203::f5fd:ffff": false, // by an allowed server for a client of 10.2.0.0
	} {
		if err := guard.Check(netip.MustParseAddr(text)); (err == nil) != allowed {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

// A connection is made where it is allowed, and to the address that was judged.
func TestDialling(t *testing.T) {
	t.Parallel()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	pbxtest.Must(t, err)
	t.Cleanup(func() { _ = server.Close() })
	_, port, _ := net.SplitHostPort(server.Addr().String())
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	resolver := pbxtest.Resolver(t, func(name string, time int) []netip.Addr {
		public, private := netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("127.0.0.1")
		switch {
		case name == "private.example", name == "rebinds.example" && time > 1:
			return []netip.Addr{private}
		case name == "both.example":
			return []netip.Addr{netip.MustParseAddr("10.0.0.1"), private}
		case name == "rebinds.example":
			return []netip.Addr{public}
		}
		return nil
	})
	for _, tc := range []struct {
		host      string
		allowed   []netip.Prefix
		connected bool
	}{
		{"127.0.0.1", loopback, true},
		{"127.0.0.1", nil, false},
		{"0.0.0.0", nil, false},
		{"::ffff:127.0.0.1", nil, false},
		{"private.example", loopback, true},
		{"private.example", nil, false},
		{"both.example", loopback, true},
		{"missing.example", loopback, false},
	} {
		guard := dial.Guard{Allowed: tc.allowed, Resolver: resolver}
		conn, err := guard.Dialer().DialContext(t.Context(), "tcp", net.JoinHostPort(tc.host, port))
		if conn != nil {
			_ = conn.Close()
		}
		if _, refused := errors.AsType[*dial.Refused](err); (err == nil) != tc.connected || !tc.connected && !refused && tc.host != "missing.example" {
			t.Errorf("%s: got %v", tc.host, err)
		}
	}
	guard := dial.Guard{Resolver: resolver}
	if err := guard.CheckHost(t.Context(), "rebinds.example"); err != nil {
		t.Fatalf("when it is created: %v", err)
	}
	_, err = guard.Dialer().DialContext(t.Context(), "tcp", "rebinds.example:"+port)
	if _, refused := errors.AsType[*dial.Refused](err); !refused {
		t.Errorf("when its name stands for another address by then: %v", err)
	}
	if _, err := guard.Dialer().DialContext(t.Context(), "udp", "8.8.8.8:53"); err == nil {
		t.Error("it connects by UDP")
	}
}

// What goes over a connection is told, either way, and the addresses are judged as they always are.
func TestWhatMovesIsTold(t *testing.T) {
	t.Parallel()
	server, err := net.Listen("tcp", "127.0.0.1:0")
	pbxtest.Must(t, err)
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		conn, err := server.Accept()
		if err == nil {
			_, _ = io.CopyN(conn, conn, 5)
			_ = conn.Close()
		}
	}()
	moved := 0
	guard := dial.Guard{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Moved: func(bytes int) { moved += bytes }}
	conn, err := guard.Dial(t.Context(), "tcp", server.Addr().String())
	pbxtest.Must(t, err)
	_, err = conn.Write([]byte("calls"))
	pbxtest.Must(t, err)
	back, err := io.ReadAll(conn)
	pbxtest.Must(t, errors.Join(err, conn.Close()))
	if string(back) != "calls" || moved != 10 {
		t.Errorf("got %q, and was told of %d bytes", back, moved)
	}
	guard.Allowed = nil
	_, err = guard.Dial(t.Context(), "tcp", server.Addr().String())
	if _, refused := errors.AsType[*dial.Refused](err); !refused {
		t.Errorf("got %v", err)
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	resolver := pbxtest.Resolver(t, func(name string, _ int) []netip.Addr {
		return map[string][]netip.Addr{
			"public.example":  {netip.MustParseAddr("8.8.8.8")},
			"both.example":    {netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("8.8.8.8")},
			"private.example": {netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")},
		}[name]
	})
	guard := dial.Guard{Resolver: resolver}
	for host, wrong := range map[string]string{
		"public.example": "", "both.example": "", "8.8.8.8": "", "2606:4700::1": "",
		"private.example": "TRUNKLINE_DELIVERY_NETWORKS", "127.0.0.1": "TRUNKLINE_DELIVERY_NETWORKS", "::1": "TRUNKLINE_DELIVERY_NETWORKS",
		"localhost": "TRUNKLINE_DELIVERY_NETWORKS", "missing.example": "there is no host",
	} {
		err := guard.CheckHost(t.Context(), host)
		if wrong == "" && err != nil || wrong != "" && (err == nil || !strings.Contains(err.Error(), wrong)) {
			t.Errorf("%s: got %v", host, err)
		}
	}
}

// What a name server of ours says is not told.
func TestFaultsHoldNoAddress(t *testing.T) {
	t.Parallel()
	resolver := pbxtest.Resolver(t, func(string, int) []netip.Addr { return []netip.Addr{netip.MustParseAddr("10.20.30.40")} })
	_, err := dial.Guard{Resolver: resolver}.Dialer().DialContext(t.Context(), "tcp", "inner.example:443")
	f := dial.Fault("inner.example", err)
	if f == nil || f.Code != fault.Forbidden || f.Passes || strings.Contains(f.Message, "10.20.30.40") || !strings.Contains(f.Message, "inner.example") {
		t.Errorf("got %+v", f)
	}
	free := pbxtest.FreeAddr(t)
	_, err = dial.Guard{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}.Dialer().DialContext(t.Context(), "tcp", free)
	if f := dial.Fault("here", err); f == nil || f.Code != fault.Unavailable || !f.Passes || strings.Contains(f.Message, free) {
		t.Errorf("got %+v", f)
	}
	if f := dial.Fault("here", errors.New("something else")); f != nil {
		t.Errorf("got %+v", f)
	}
}

// Whatever form an address has that leads to one of IPv4: it is refused exactly if that one is.
func FuzzWrappedAddresses(f *testing.F) {
	for _, text := range refusedAddresses {
		if addr := netip.MustParseAddr(text); addr.Is4() {
			f.Add(addr.AsSlice())
		}
	}
	f.Add([]byte{8, 8, 8, 8})
	f.Fuzz(func(t *testing.T, b []byte) {
		plain, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		if plain.Is6() {
			if plain.IsPrivate() || plain.IsLoopback() || plain.IsMulticast() || plain.IsLinkLocalUnicast() || plain.IsUnspecified() {
				if (dial.Guard{}).Check(plain) == nil {
					t.Errorf("%s was taken", plain)
				}
			}
			return
		}
		refused := (dial.Guard{}).Check(plain) != nil
		if !refused && (plain.IsPrivate() || plain.IsLoopback() || plain.IsMulticast() || plain.IsLinkLocalUnicast() || plain.IsUnspecified()) {
			t.Errorf("%s was taken", plain)
		}
		teredo := append([]byte{0x20, 0x01, 0, 0, 8, 8, 8, 8, 0, 0, 0, 0}, b[0]^255, b[1]^255, b[2]^255, b[3]^255)
		for _, wrapped := range [][]byte{
			append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255}, b...),
			append([]byte{0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}, b...),
			append(append([]byte{0x20, 0x02}, b...), 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
			teredo,
		} {
			addr, ok := netip.AddrFromSlice(wrapped)
			if !ok {
				t.Fatalf("%v is no address", wrapped)
			}
			if got := (dial.Guard{}).Check(addr) != nil; got != refused {
				t.Errorf("%s is refused: %v; %s is: %v", plain, refused, addr, got)
			}
		}
	})
}
