package cdr

import (
	"slices"
	"strings"
	"testing"

	"trunkline/internal/export"
	"trunkline/internal/fusionpbx"
)

func TestParseColumns(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct{ columns, headers []string }{
		"":                                    {},
		"billsec,LEG":                         {columns: []string{"billsec", "leg"}},
		"start_stamp:Date, Billsec : Seconds": {columns: []string{"start_stamp", "billsec"}, headers: []string{"Date", "Seconds"}},
		"leg,billsec:Seconds":                 {columns: []string{"leg", "billsec"}, headers: []string{"leg", "Seconds"}},
		"leg:a:b":                             {columns: []string{"leg"}, headers: []string{"a:b"}},
		"leg:":                                {columns: []string{"leg"}, headers: []string{""}},
		"All":                                 {columns: fusionpbx.AllCDRColumns()},
		"billing":                             {columns: columnSets["billing"]},
	} {
		var list []string
		if text != "" {
			list = strings.Split(text, ",")
		}
		columns, headers := ParseColumns(list, false)
		if !slices.Equal(columns, want.columns) || !slices.Equal(headers, want.headers) || (headers == nil) != (want.headers == nil) {
			t.Errorf("%q: got %q called %q, want %q called %q", text, columns, headers, want.columns, want.headers)
		}
	}
	for name := range columnSets {
		if columns, _ := ParseColumns([]string{name}, true); checkColumns(columns) != nil || len(columns) < 2 {
			t.Errorf("the set %s is %q", name, columns)
		}
	}
}

func TestCheckHeaders(t *testing.T) {
	t.Parallel()
	for _, good := range [][]string{nil, {"Date", "Anruf Sekunden"}, {strings.Repeat("x", maxHeader)}} {
		if err := checkHeaders(export.CSV, nil, good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range [][]string{{""}, {"a", "a"}, {"a\nb"}, {"\xff"}, {strings.Repeat("x", maxHeader+1)}} {
		if err := checkHeaders(export.CSV, nil, bad); err == nil || !strings.HasPrefix(err.Error(), "columns: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := checkHeaders(export.XML, nil, []string{"a b"}); err == nil {
		t.Error("an element with a blank in its name is taken")
	}
}

func TestColumnsOfThePage(t *testing.T) {
	t.Parallel()
	for all, want := range map[bool]int{false: 34, true: 35} {
		columns, headers := ParseColumns([]string{"FusionPBX"}, all)
		if len(columns) != want || len(headers) != want || checkHeaders(export.XML, columns, headers) != nil {
			t.Errorf("%d columns, %d headers", len(columns), len(headers))
		}
		for header, column := range map[string]string{"duration": "billsec", "billsec": "billsec", "wait": "waitsec", "extension": "extension"} {
			if i := slices.Index(headers, header); columns[i] != column {
				t.Errorf("%s is %s", header, columns[i])
			}
		}
	}
	if err := checkHeaders(export.CSV, []string{"leg", "leg"}, nil); err == nil {
		t.Error("two columns of one name were taken")
	}
	for list, want := range map[string]int{"fusionpbx": 33, "leg,billsec": 2, "all": len(columnSets["all"])} {
		if columns, err := ListedColumns(strings.Split(list, ","), false); len(columns) != want || err != nil {
			t.Errorf("%s: got %v, %v", list, columns, err)
		}
	}
	if _, err := ListedColumns([]string{"leg:Leg"}, false); err == nil {
		t.Error("a list has other names")
	}
}

func FuzzParseColumns(f *testing.F) {
	for _, seed := range []string{"", "leg", "leg:Leg", "a:b:c", "billing", ":", "all,leg", "ALL", "fusionpbx", "fusionpbx:x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		columns, headers := ParseColumns(strings.Split(text, ","), true)
		if headers != nil && len(headers) != len(columns) {
			t.Errorf("%q: %d columns and %d headers", text, len(columns), len(headers))
		}
		_ = checkHeaders(export.XML, columns, headers)
		listed, err := ListedColumns(strings.Split(text, ","), true)
		switch isSet := !strings.Contains(text, ",") && columnSets[strings.ToLower(text)] != nil; {
		case err != nil:
			if headers == nil || isSet {
				t.Errorf("%q has no other names and is refused: %v", text, err)
			}
		case isSet:
			for i, column := range listed {
				if slices.Contains(listed[:i], column) || !slices.Contains(columns, column) {
					t.Errorf("%q lists %q: twice, or not asked for", text, column)
				}
			}
		case headers != nil || !slices.Equal(listed, columns):
			t.Errorf("%q lists %q, want %q", text, listed, columns)
		}
	})
}
