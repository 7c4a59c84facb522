package tour

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// How much of an answer is printed, in bytes.
const (
	answerShown = 900
	lineShown   = 160 // on one line
)

// Call is one request of the tour.
type Call struct {
	Method string
	Path   string // below the base, or a whole URL
	Form   url.Values
	CSV    string // a file as the body, in place of Form
	Login  bool   // as the sample's superadmin
	Token  string // instead of Login
	Whole  bool   // its answer is printed whole, if answers are
	SaveAs string // the file that curl writes the answer to; "": the terminal
}

// Answer is what came back.
type Answer struct {
	Status int
	Body   []byte
}

// show sends the call, prints it as a curl line with its answer, and decodes that.
func (t *Tour) show(ctx context.Context, c Call, status int, into any) error {
	t.printf("%s\n", t.curl(c))
	got, err := t.Send(ctx, c)
	if err != nil {
		return err
	}
	t.printf("%s\n", t.shown(c, got))
	if got.Status != status {
		return fmt.Errorf("it answered %d and not %d", got.Status, status)
	}
	if err := json.Unmarshal(got.Body, into); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return nil
}

// shown is the answer as it is printed: on one line, or indented if the tour is verbose.
func (t *Tour) shown(c Call, got Answer) string {
	body, most, before := got.Body, lineShown, " "
	var form bytes.Buffer
	if t.Verbose && json.Indent(&form, body, "", "  ") == nil {
		body, most, before = form.Bytes(), answerShown, "\n"
	} else if json.Compact(&form, body) == nil {
		body = form.Bytes()
	}
	more := ""
	if len(body) > most && !(c.Whole && t.Verbose) {
		body, more = body[:most], fmt.Sprintf("%s... (%d bytes in all)", before, len(got.Body))
	}
	return fmt.Sprintf("HTTP %d%s%s%s", got.Status, before, body, more)
}

// Send sends the call and says nothing.
func (t *Tour) Send(ctx context.Context, c Call) (Answer, error) {
	var body io.Reader
	if c.Form != nil {
		body = strings.NewReader(c.Form.Encode())
	}
	if c.CSV != "" {
		body = strings.NewReader(c.CSV)
	}
	req, err := http.NewRequestWithContext(ctx, c.Method, t.url(c), body)
	if err != nil {
		return Answer{}, fmt.Errorf("making a request: %w", err)
	}
	if c.Form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if c.CSV != "" {
		req.Header.Set("Content-Type", "text/csv")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if c.Login {
		req.SetBasicAuth(t.Sample.SuperadminName, t.Sample.SuperadminPassword)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return Answer{Status: resp.StatusCode, Body: got}, err
}

func (t *Tour) url(c Call) string {
	if strings.HasPrefix(c.Path, "/") {
		return t.Base + c.Path
	}
	return c.Path
}

// curl is the call as a line for a shell.
func (t *Tour) curl(c Call) string {
	line := []string{"$ curl -sS"}
	if c.Login {
		line = append(line, "-u", quote(t.Sample.SuperadminName+":"+t.Sample.SuperadminPassword))
	}
	if c.Token != "" {
		line = append(line, "-H", quote("Authorization: Bearer "+c.Token))
	}
	if c.Form != nil && len(c.Form) == 0 {
		line = append(line, "-X", c.Method)
	}
	if c.CSV != "" {
		line = append(line, "-H", quote("Content-Type: text/csv"), "--data-binary", quoteLines(c.CSV))
	}
	if c.SaveAs != "" {
		line = append(line, "-o", c.SaveAs)
	}
	names := make([]string, 0, len(c.Form))
	for name := range c.Form {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		line = append(line, "--data-urlencode", quote(name+"="+c.Form.Get(name)))
	}
	return strings.Join(append(line, quote(t.url(c))), " ")
}

// quoteLines quotes several lines for bash and zsh, on one.
func quoteLines(text string) string {
	return "$'" + strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`).Replace(text) + "'"
}

// quote quotes a word for a POSIX shell.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
