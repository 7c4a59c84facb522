package audit_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"trunkline/internal/audit"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
)

// times is how many denials the rows count.
func (b *bundle) times(t *testing.T) int {
	t.Helper()
	return b.count(t, "select coalesce(sum(times), 0) from trunkline.audit where kind = 'denial'")
}

// minutes is how many minutes the test has touched: a row is of one of them, and a test may run across
// the end of one.
func (b *bundle) minutes(t *testing.T) int {
	t.Helper()
	return b.count(t, "select count(distinct minute) from trunkline.audit")
}

// Two processes under a flood from a few addresses: each denial is counted, and there is one row for
// those that are alike.
func TestAlikeDenialsAreOneRow(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	const addresses, each = 7, 300
	var wg sync.WaitGroup
	for _, process := range []*audit.Log{b.Log, b.another()} {
		for a := range addresses {
			wg.Go(func() {
				for i := range each {
					process.Denial(audit.Denial{Address: fmt.Sprintf("198.51.100.%d", a), Endpoint: "/v1/jobs", Code: "not_whitelisted", RequestID: fmt.Sprint(i)})
					if i%100 == 0 {
						process.Flush(t.Context())
					}
				}
				process.Flush(t.Context())
			})
		}
	}
	wg.Wait()
	if got, want := b.times(t), 2*addresses*each; got != want {
		t.Errorf("the rows count %d denials, want %d", got, want)
	}
	if got, most := b.count(t, "select count(*) from trunkline.audit"), addresses*b.minutes(t); got > most {
		t.Errorf("got %d rows, want at most %d", got, most)
	}
}

func TestWhatIsNotAlike(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	same := audit.Denial{Address: "198.51.100.1", Who: "admin", Endpoint: "/v1/jobs", Code: "forbidden"}
	address, who, endpoint, code, domain := same, same, same, same, same
	address.Address, who.Who, endpoint.Endpoint, code.Code, domain.DomainUUID = "198.51.100.2", "root", "/v1/audit", "rate_limited", domainA
	all := []audit.Denial{same, address, who, endpoint, code, domain}
	for _, d := range all {
		b.Denial(d)
	}
	b.Flush(t.Context())
	if got := b.list(t, audit.Filter{}); len(got) != len(all) {
		t.Errorf("got %d rows, want %d: %+v", len(got), len(all), got)
	}
}

// A flood from ever new addresses fills neither the disk nor the memory, and loses no count.
func TestFloodIsBounded(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	const flood = 20_000
	for i := range flood {
		b.Denial(audit.Denial{Address: fmt.Sprintf("2001:db8::%x", i), Who: fmt.Sprintf("guess-%d", i), Endpoint: "unrouted", Code: "not_whitelisted"})
		if i%5000 == 0 {
			b.Flush(t.Context())
		}
	}
	b.Flush(t.Context())
	if got := b.times(t); got != flood {
		t.Errorf("the rows count %d denials, want %d", got, flood)
	}
	const most = 101 // a minute
	if got := b.count(t, "select count(*) from trunkline.audit"); got > most*b.minutes(t) {
		t.Errorf("got %d rows", got)
	}
	overflow := b.list(t, audit.Filter{Action: audit.ActionOverflow})
	if len(overflow) == 0 || overflow[0].Address != "" || overflow[0].Who != "" || overflow[0].Times < 2 {
		t.Errorf("got %+v", overflow)
	}
}

// What is denied while the database is away is written when it is back; the log says so once.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.exec(t, "alter table trunkline.audit rename to elsewhere")
	for range 3 {
		b.Denial(audit.Denial{Address: "198.51.100.1", Endpoint: "/v1/jobs", Code: "not_whitelisted"})
		b.Flush(t.Context())
	}
	for i := range 500 {
		b.Denial(audit.Denial{Address: fmt.Sprintf("2001:db8::%x", i), Endpoint: "/v1/jobs", Code: "not_whitelisted"})
	}
	b.Flush(t.Context())
	if got := strings.Count(b.log.String(), "denials not written"); got != 1 {
		t.Errorf("the log says it %d times: %s", got, b.log)
	}
	b.exec(t, "alter table trunkline.elsewhere rename to audit")
	b.Flush(t.Context())
	if got := b.times(t); got != 503 {
		t.Errorf("the rows count %d denials, want 503", got)
	}
	if !strings.Contains(b.log.String(), "written to the audit again") {
		t.Errorf("got %s", b.log)
	}
}

func TestRunWritesAndWritesTheRestAtItsEnd(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	stop := pbxtest.Start(t, b.Run)
	b.Denial(audit.Denial{Address: "198.51.100.1", Endpoint: "/v1/jobs", Code: "forbidden"})
	pbxtest.Eventually(t, "the denial is a row", func() bool { return b.times(t) == 1 })
	b.Denial(audit.Denial{Address: "198.51.100.1", Endpoint: "/v1/jobs", Code: "forbidden"})
	stop()
	if got := b.times(t); got != 2 {
		t.Errorf("the rows count %d denials, want 2", got)
	}
}

// A caller's own words are in the row, and break neither it nor the batch around it.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]servers.DatabaseOption{
		"UTF8": nil, "SQL_ASCII": {servers.WithEncoding("SQL_ASCII")}, "LATIN1": {servers.WithEncoding("LATIN1")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, options...)
			for _, text := range []string{"a\x00b", "line\r\nbreak", "\xff\xfe", "\x1b[2J", "\u202egnp.exe", "';drop table trunkline.audit;--", strings.Repeat("ä", 4000), "漢字"} {
				b.Denial(audit.Denial{Address: text, Who: text, Endpoint: text, Code: text, DomainUUID: text, RequestID: text})
				b.Change(t.Context(), audit.Event{Who: text, Address: text, Action: text, Subject: text, DomainUUID: text, RequestID: text, Detail: map[string]string{text: text}})
			}
			b.Flush(t.Context())
			entries := b.list(t, audit.Filter{})
			if len(entries) != 16 {
				t.Errorf("got %d rows, want 16; %s", len(entries), b.log)
			}
			b.list(t, audit.Filter{Who: "漢字"})
			for _, e := range entries {
				if strings.ContainsAny(e.Who+e.Subject+string(e.Detail), "\x00\r\n\x1b\u202e") || len(e.Who) > 256 {
					t.Errorf("got %+v", e)
				}
			}
		})
	}
}
