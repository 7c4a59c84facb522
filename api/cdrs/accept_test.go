package cdrs

import "testing"

func TestAsksForFile(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]fileAsked{
		"":                                       {},
		"*/*":                                    {},
		"application/json":                       {},
		"text/csv":                               {true, "CSV"},
		"TEXT/CSV;charset=utf-8":                 {true, "CSV"},
		"application/xml":                        {true, "XML"},
		"text/xml, */*":                          {true, "XML"},
		"application/octet-stream":               {true, ""},
		"text/csv;q=0.5, application/xml":        {true, "XML"},
		"application/json, text/csv":             {},
		"application/json;q=0.1, text/csv;q=0.2": {true, "CSV"},
		"text/csv;q=0":                           {},
		"text/csv;q=x":                           {},
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": {},
		",;;,": {},
	} {
		if got := asksForFile(accept); got != want {
			t.Errorf("%q: got %+v, want %+v", accept, got, want)
		}
	}
}
