package params

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"trunkline/internal/fault"
)

var testLimits = Limits{BodyBytes: 1000, Count: 100, ValueBytes: 500, Lists: map[string]List{"ids": {Entries: 100, Setting: "TRUNKLINE_SOME"}, "few": {Entries: 3}}, Lines: map[string]bool{"text": true}}

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

func TestRead(t *testing.T) {
	t.Parallel()
	part := func(name, value string) string {
		return fmt.Sprintf("--B\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n", name, value)
	}
	for name, c := range map[string]struct {
		query, contentType, body string
		want                     string // the parameters as fmt prints the map, or
		code                     string // the code of the refusal, and
		says                     string // what it names
	}{
		"nothing":                 {want: "map[]"},
		"query":                   {query: "Gateway_Name=a%20b", want: "map[gateway_name:a b]"},
		"form":                    {contentType: formType, body: "a=1&B=%C3%A4", want: "map[a:1 b:ä]"},
		"form and query":          {query: "c=3", contentType: formType, body: "a=1", want: "map[a:1 c:3]"},
		"form with charset":       {contentType: formType + "; charset=UTF-8", body: "a=1", want: "map[a:1]"},
		"JSON":                    {contentType: jsonType, body: ` {"A":"x","n":-1.50,"big":12345678901234567890,"t":true,"f":false,"nil":null} `, want: "map[a:x big:12345678901234567890 f:false n:-1.50 t:true]"},
		"multipart":               {contentType: "multipart/form-data; boundary=B", body: part(`name="a"`, "1") + part(`name="b"`, "2") + "--B--\r\n", want: "map[a:1 b:2]"},
		"type without a body":     {contentType: "text/plain", want: "map[]"},
		"twice in the form":       {contentType: formType, body: "a=1&a=1", code: fault.InvalidRequest, says: "a: is given twice"},
		"twice, other case":       {contentType: formType, body: "a=1&A=1", code: fault.InvalidRequest, says: "a: is given twice"},
		"twice, query and body":   {query: "a=1", contentType: formType, body: "a=1", code: fault.InvalidRequest, says: "a: is given twice"},
		"twice in JSON":           {contentType: jsonType, body: `{"a":1,"a":2}`, code: fault.InvalidRequest, says: "a: is given twice"},
		"nested object":           {contentType: jsonType, body: `{"a":{"b":1}}`, code: fault.InvalidRequest, says: "a: is nested"},
		"nested list":             {contentType: jsonType, body: `{"a":[1]}`, code: fault.InvalidRequest, says: "commas"},
		"no object":               {contentType: jsonType, body: `[1]`, code: fault.InvalidRequest, says: "JSON object"},
		"half JSON":               {contentType: jsonType, body: `{"a":1`, code: fault.InvalidRequest, says: "JSON object"},
		"a comma too many":        {contentType: jsonType, body: `{"a":1,}`, code: fault.InvalidRequest, says: "JSON object"},
		"two objects":             {contentType: jsonType, body: `{"a":1}{"b":2}`, code: fault.InvalidRequest, says: "JSON object"},
		"invalid UTF-8 in JSON":   {contentType: jsonType, body: "{\"a\":\"\xff\"}", code: fault.InvalidRequest, says: "UTF-8"},
		"invalid UTF-8 in a form": {contentType: formType, body: "a=%FF", code: fault.InvalidRequest, says: "a: is not valid UTF-8"},
		"a NUL":                   {contentType: formType, body: "a=x%00y", code: fault.InvalidRequest, says: "a: holds"},
		"a line break":            {contentType: formType, body: "gateway_password=x%0Ay", code: fault.InvalidRequest, says: "gateway_password: holds a line break"},
		"a file's text":           {contentType: jsonType, body: `{"text":"\ufeffa\r\n\tb"}`, want: "map[text:\ufeffa\r\n\tb]"},
		"a NUL in it":             {contentType: formType, body: "text=a%0A%00", code: fault.InvalidRequest, says: "text: holds"},
		"an escaped NUL":          {contentType: jsonType, body: `{"a":"\u0000"}`, code: fault.InvalidRequest, says: "a: holds"},
		"a name with a NUL":       {contentType: formType, body: "a%00=1", code: fault.InvalidRequest, says: "name"},
		"a broken escape":         {contentType: formType, body: "a=%zz-secret", code: fault.InvalidRequest, says: "form"},
		"a broken query":          {query: "a=%zz", code: fault.InvalidRequest, says: "query"},
		"a file":                  {contentType: "multipart/form-data; boundary=B", body: part(`name="a"; filename="x"`, "1") + "--B--\r\n", code: fault.InvalidRequest, says: "a: is a file"},
		"half a multipart":        {contentType: "multipart/form-data; boundary=B", body: part(`name="a"`, "1"), code: fault.InvalidRequest, says: "body"},
		"another type":            {contentType: "text/xml", body: "<a/>", code: fault.InvalidRequest, says: "Content-Type"},
		"no type":                 {body: "a=1", code: fault.InvalidRequest, says: "Content-Type"},
		"too long":                {contentType: formType, body: "a=" + strings.Repeat("x", 501), code: fault.InvalidRequest, says: "a: is longer than 500 bytes"},
		"too large":               {contentType: formType, body: "a=" + strings.Repeat("x", 2000), code: fault.TooLarge, says: "1000"},
		"too large, multipart":    {contentType: "multipart/form-data; boundary=B", body: part(`name="a"`, strings.Repeat("x", 2000)) + "--B--\r\n", code: fault.TooLarge, says: "1000"},
		"too many":                {query: strings.Repeat("p", 1) + manyParams(), code: fault.InvalidRequest, says: "more than"},
		"a list":                  {contentType: jsonType, body: `{"IDs":["a"," b",""],"c":1}`, want: "map[c:1 ids:a, b,]"},
		"an empty list":           {contentType: jsonType, body: `{"ids":[]}`, want: "map[ids:]"},
		"a list as text":          {contentType: jsonType, body: `{"ids":"a,b"}`, want: "map[ids:a,b]"},
		"boxes that are ticked":   {contentType: formType, body: "ids=a&b=1&ids=c", want: "map[b:1 ids:a,c]"},
		"boxes of a query":        {query: "ids=a&ids=c,d", want: "map[ids:a,c,d]"},
		"boxes, query and form":   {query: "ids=a", contentType: formType, body: "ids=c", code: fault.InvalidRequest, says: "ids: is given twice"},
		"too many boxes":          {contentType: formType, body: strings.Repeat("ids=a&", 101), code: fault.TooLarge, says: "ids: has 101 entries"},
		"too long a short list":   {contentType: formType, body: "few=a&few=b&few=c&few=d", code: fault.TooLarge, says: "few: has 4 entries, more than the 3 that are taken at once; send"},
		"a long list":             {contentType: formType, body: "ids=" + strings.Repeat("aaaaaaaa,", 100), want: "map[ids:" + strings.Repeat("aaaaaaaa,", 100) + "]"},
		"a long list, multipart":  {contentType: "multipart/form-data; boundary=B", body: part(`name="ids"`, strings.Repeat("aaaaaaa,", 90)) + "--B--\r\n", want: "map[ids:" + strings.Repeat("aaaaaaa,", 90) + "]"},
		"too long a list":         {contentType: formType, body: "ids=" + strings.Repeat("a,", 101), code: fault.TooLarge, says: "ids: has 101 entries, more than the 100 that are taken at once (TRUNKLINE_SOME)"},
		"too long an array":       {contentType: jsonType, body: `{"ids":[` + strings.Repeat(`"a",`, 100) + `"a"]}`, code: fault.TooLarge, says: "ids: has 101 entries"},
		"a list twice":            {contentType: jsonType, body: `{"ids":["a"],"ids":"b"}`, code: fault.InvalidRequest, says: "ids: is given twice"},
		"a list of lists":         {contentType: jsonType, body: `{"ids":` + strings.Repeat("[", 400), code: fault.InvalidRequest, says: "ids: has an entry"},
		"a list of numbers":       {contentType: jsonType, body: `{"ids":[1]}`, code: fault.InvalidRequest, says: "array of strings"},
		"a list of null":          {contentType: jsonType, body: `{"ids":[null]}`, code: fault.InvalidRequest, says: "array of strings"},
		"an entry of two":         {contentType: jsonType, body: `{"ids":["a,b"]}`, code: fault.InvalidRequest, says: "ids: has an entry"},
		"a list with a NUL":       {contentType: jsonType, body: `{"ids":["a\u0000"]}`, code: fault.InvalidRequest, says: "ids: holds"},
		"half a list":             {contentType: jsonType, body: `{"ids":["a"`, code: fault.InvalidRequest, says: "JSON object"},
		"an object for a list":    {contentType: jsonType, body: `{"ids":{"a":1}}`, code: fault.InvalidRequest, says: "ids: is nested"},
		"password in the query":   {query: "password=x", code: fault.CredentialsInQuery, says: "in the body or by HTTP Basic"},
		"username in the query":   {query: "Username=x", code: fault.CredentialsInQuery, says: "username"},
		"gateway's in the query":  {query: "a=1&GATEWAY_PASSWORD=x", code: fault.CredentialsInQuery, says: "in the body, and"},
		"PHP brackets":            {query: "password[]=x", code: fault.CredentialsInQuery, says: "password"},
		"key":                     {query: "key=x", code: fault.CredentialsInQuery, says: "key"},
		"api_key":                 {query: "api_key=x", code: fault.CredentialsInQuery, says: "as Authorization: Bearer or X-API-Key"},
		"token":                   {query: "token", code: fault.CredentialsInQuery, says: "token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := read(c.query, c.contentType, c.body)
			if c.code == "" {
				if err != nil || fmt.Sprint(map[string]string(got)) != c.want {
					t.Fatalf("got %v, %v; want %s", got, err, c.want)
				}
				return
			}
			var refused *fault.Error
			if !errors.As(err, &refused) || refused.Code != c.code || !strings.Contains(refused.Message, c.says) {
				t.Fatalf("got %v, want %s that says %q", err, c.code, c.says)
			}
			if strings.Contains(refused.Message, "secret") {
				t.Errorf("the value is in %q", refused.Message)
			}
		})
	}
}

func TestReadCompressed(t *testing.T) {
	t.Parallel()
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("a=1"))
	req.Header.Set("Content-Type", formType)
	req.Header.Set("Content-Encoding", "gzip")
	if _, err := Read(httptest.NewRecorder(), req, testLimits); err == nil || !strings.Contains(err.Error(), "Content-Encoding") {
		t.Errorf("got %v", err)
	}
}

func manyParams() string {
	var b strings.Builder
	for i := range testLimits.Count + 1 {
		fmt.Fprintf(&b, "%d=&", i)
	}
	return b.String()
}

func read(query, contentType, body string) (Values, error) {
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	req.URL.RawQuery = query
	req.Header.Set("Content-Type", contentType)
	return Read(httptest.NewRecorder(), req, testLimits)
}

// FuzzRead: whatever is sent, a parameter has a lower-case name and clean text, and every
// refusal is one that can be told to the caller.
func FuzzRead(f *testing.F) {
	f.Add("a=1", formType, "b=2&c=%20")
	f.Add("", jsonType, `{"a":"x","n":1e5,"t":true,"z":null}`)
	f.Add("", "multipart/form-data; boundary=B", "--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--B--\r\n")
	f.Add("password=x", formType, "\xff")
	f.Add("text=%0a", jsonType, `{"text":"\r\n\t"}`)
	f.Add("%zz", "text/plain", "x")
	f.Add("", jsonType, `{"ids":["a","b"],"x":1}`)
	f.Add("ids=a,b", jsonType, `{"ids":["a",["b"`)
	own := []fault.Code{fault.InvalidRequest, fault.CredentialsInQuery, fault.TooLarge}
	f.Fuzz(func(t *testing.T, query, contentType, body string) {
		got, err := read(query, contentType, body)
		if err != nil {
			var refused *fault.Error
			if !errors.As(err, &refused) || !slices.Contains(own, refused.Code) {
				t.Fatalf("refused with %v", err)
			}
			if !utf8.ValidString(refused.Message) || strings.ContainsFunc(refused.Message, unicode.IsControl) {
				t.Fatalf("the message is not clean: %q", refused.Message)
			}
			return
		}
		for name, value := range got {
			if strings.ToLower(name) != name || !IsText(name) || !IsText(value) && !(testLimits.Lines[name] && isMultiline(value)) {
				t.Fatalf("got %q=%q", name, value)
			}
		}
	})
}
