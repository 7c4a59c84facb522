package fusionpbx

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"trunkline/internal/pbxtest/sample"
)

// notExported are the columns of v_xml_cdr that an export never holds.
var notExported = []string{"xml", "json", "call_flow", "record_transcription", "pin_number", "digits_dialed", "processed", "insert_user", "update_user"}

func TestCDRColumns(t *testing.T) {
	t.Parallel()
	if got := len(CDRColumns); got != 32 {
		t.Errorf("an export has %d columns, want 32", got)
	}
	sorted := slices.Sorted(slices.Values(allowedCDRColumns))
	if got := len(slices.Compact(slices.Clone(sorted))); got != len(sorted) {
		t.Errorf("of %d columns only %d differ", len(sorted), got)
	}
	for _, v := range sample.Versions {
		t.Run(string(v), func(t *testing.T) {
			t.Parallel()
			p := open(t, v)
			for column := range p.tables()["v_xml_cdr"] {
				if slices.Contains(allowedCDRColumns, column) == slices.Contains(notExported, column) {
					t.Errorf("%s is neither exported nor left out on purpose", column)
				}
			}
			lacks := slices.DeleteFunc(slices.Clone(CDRColumns), func(column string) bool { return p.tables()["v_xml_cdr"][column] != "" })
			old := v == sample.V53 || v == sample.V54
			if old && !slices.Equal(lacks, []string{"call_disposition"}) || !old && len(lacks) > 0 {
				t.Errorf("an export lacks %v", lacks)
			}
		})
	}
}

func TestCDRQuery(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		one, two := uuid.NewString(), uuid.NewString()
		start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		end := start.Add(time.Hour)
		for _, r := range []struct {
			id     byte
			domain string
			at     string
		}{
			{'1', one, start.Add(-time.Microsecond).Format(time.RFC3339Nano)},
			{'4', one, start.Format(time.RFC3339Nano)},
			{'3', two, start.Add(time.Minute).Format(time.RFC3339Nano)},
			{'2', one, start.Add(time.Minute).Format(time.RFC3339Nano)},
			{'5', one, end.Add(-time.Microsecond).Format(time.RFC3339Nano)},
			{'6', one, end.Format(time.RFC3339Nano)},
			{'7', one, "NULL"},
			{'8', "NULL", end.Add(-time.Second).Format(time.RFC3339Nano)},
		} {
			p.insert(t, "v_xml_cdr", row{"xml_cdr_uuid": "00000000-0000-4000-8000-00000000000" + string(r.id), "domain_uuid": r.domain, "start_stamp": r.at})
		}
		for _, c := range []struct {
			name, want string
			filter     CDRFilter
		}{
			{"all", "4 2 3 8 5", CDRFilter{All: true, Start: start, End: end}},
			{"one domain", "4 2 5", CDRFilter{DomainUUID: one, Start: start, End: end}},
			{"another domain", "3", CDRFilter{DomainUUID: two, Start: start, End: end}},
			{"a domain of none", "", CDRFilter{DomainUUID: uuid.NewString(), Start: start, End: end}},
			{"in another zone", "4 2 3 8 5", CDRFilter{All: true, Start: start.In(time.FixedZone("", 9*60*60)), End: end.In(time.FixedZone("", -9*60*60))}},
			{"an empty window", "", CDRFilter{All: true, Start: start, End: start}},
		} {
			c.filter.Columns = []string{"xml_cdr_uuid"}
			if got := strings.Join(p.lastDigits(t, c.filter), " "); got != c.want {
				t.Errorf("%s: got %q, want %q", c.name, got, c.want)
			}
		}
	})
}

// lastDigits are the last digits of the UUIDs that CDRQuery reads for a filter with that column alone.
func (p pbx) lastDigits(t *testing.T, f CDRFilter) []string {
	t.Helper()
	sql, args, err := p.CDRQuery(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := p.conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	digits, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var id string
		err := row.Scan(&id)
		return id[max(0, len(id)-1):], err
	})
	if err != nil {
		t.Fatal(err)
	}
	return digits
}

// Every column that can be asked for can be read in every version, and bears its name.
func TestCDRQueryWithEveryColumn(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		p.insert(t, "v_xml_cdr", row{"xml_cdr_uuid": uuid.NewString(), "start_stamp": "2026-03-01 12:00:00+00", "caller_id_name": `=cmd|'/C calc'!A0`})
		for _, columns := range [][]string{CDRColumns, allowedCDRColumns} {
			sql, args, err := p.CDRQuery(CDRFilter{All: true, Start: time.Unix(0, 0), End: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), Columns: columns})
			if err != nil {
				t.Fatal(err)
			}
			rows, err := p.conn.Query(t.Context(), sql, args...)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, field := range rows.FieldDescriptions() {
				names = append(names, field.Name)
			}
			count := 0
			for rows.Next() {
				count++
			}
			if rows.Err() != nil || count != 1 || !slices.Equal(names, columns) {
				t.Errorf("got %d rows of %v, %v; want 1 of %v", count, names, rows.Err(), columns)
			}
		}
	})
}

// How long a call waited for its answer is made of two columns, and NULL if nobody answered.
func TestAnswerDelay(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		domain := p.domain(t, "one.example", "true")
		for i, answered := range []string{"1772384712", "0"} {
			p.insert(t, "v_xml_cdr", row{"xml_cdr_uuid": fmt.Sprintf("00000000-0000-4000-8000-00000000000%d", i), "domain_uuid": domain,
				"start_stamp": "2026-03-01 17:05:09+00", "start_epoch": "1772384709", "answer_epoch": answered})
		}
		sql, args, err := p.CDRQuery(CDRFilter{DomainUUID: domain, Start: time.Unix(0, 0), End: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), Columns: []string{AnswerDelayColumn}})
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := p.conn.QueryRow(t.Context(), "select string_agg(coalesce(tta::int::text, 'null'), ' ') from ("+sql+") as calls", args...).Scan(&got); err != nil || got != "3 null" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestExtensionNames(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		one, two := p.domain(t, "one.example", "true"), p.domain(t, "two.example", "true")
		ann, bob := p.extension(t, one, "1001", "", "true"), p.extension(t, two, "2001", "", "true")
		p.exec(t, "update v_extensions set effective_caller_id_name = 'Ann' where extension_uuid = '"+ann+"'")
		for domain, want := range map[string]int{"": 2, one: 1, two: 1, uuid.NewString(): 0} {
			names, err := p.ExtensionNames(t.Context(), domain)
			if err != nil || len(names) != want {
				t.Errorf("%q: got %v, %v", domain, names, err)
			}
			if of, there := names[uuid.MustParse(ann)]; there && (*of.Number != "1001" || *of.Name != "Ann") {
				t.Errorf("got %+v", of)
			}
			if of, there := names[uuid.MustParse(bob)]; there && (*of.Number != "2001" || of.Name != nil) {
				t.Errorf("got %+v", of)
			}
		}
	})
}

func TestCDRQueryRefuses(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V53)
	for _, c := range []struct {
		name   string
		filter CDRFilter
		want   string
	}{
		{"an unknown column", CDRFilter{All: true, Columns: []string{"billsec", "colour"}}, `"colour"`},
		{"SQL", CDRFilter{All: true, Columns: []string{`billsec" from v_users --`}}, "v_users"},
		{"a column with a PIN", CDRFilter{All: true, Columns: []string{"pin_number"}}, "pin_number"},
		{"a bulky column", CDRFilter{All: true, Columns: []string{"json"}}, `"json"`},
		{"no domain", CDRFilter{}, "no domain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sql, _, err := p.CDRQuery(c.filter)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, %v; want an error with %q", sql, err, c.want)
			}
		})
	}
}

func TestMoreCDRsThan(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V54)
	one, two := uuid.NewString(), uuid.NewString()
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	end := start.Add(time.Hour)
	for _, r := range []struct {
		domain string
		at     time.Time
	}{{one, start}, {one, start.Add(time.Minute)}, {two, start.Add(time.Minute)}, {one, end}} {
		p.insert(t, "v_xml_cdr", row{"xml_cdr_uuid": uuid.NewString(), "domain_uuid": r.domain, "start_stamp": r.at.Format(time.RFC3339)})
	}
	for _, c := range []struct {
		name   string
		filter CDRFilter
		n      int64
		want   bool
	}{
		{"all, fewer", CDRFilter{All: true, Start: start, End: end}, 2, true},
		{"all, as many", CDRFilter{All: true, Start: start, End: end}, 3, false},
		{"one domain, fewer", CDRFilter{DomainUUID: one, Start: start, End: end}, 1, true},
		{"one domain, as many", CDRFilter{DomainUUID: one, Start: start, End: end}, 2, false},
		{"nothing to find", CDRFilter{All: true, Start: end, End: end}, 0, false},
	} {
		if got, err := p.MoreCDRsThan(t.Context(), c.filter, c.n); got != c.want || err != nil {
			t.Errorf("%s: got %t, %v; want %t", c.name, got, err, c.want)
		}
	}
	if _, err := p.MoreCDRsThan(t.Context(), CDRFilter{Start: start, End: end}, 1); err == nil {
		t.Error("a filter that is neither for all domains nor for one was taken")
	}
}
