package main

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

// answerShown is how much of an answer is printed, in bytes.
const answerShown = 900

// call is one request of the tour.
type call struct {
	method string
	path   string // below the base, or a whole URL
	form   url.Values
	login  bool
	token  string // instead of login
	whole  bool   // its answer is printed whole
}

// answer is what came back.
type answer struct {
	status int
	body   []byte
}

// show sends the call, prints it as a curl line with its answer, and decodes that.
func (t *demoTour) show(ctx context.Context, c call, status int, into any) error {
	t.cmd.printf("%s\n", t.curl(c))
	got, err := t.send(ctx, c)
	if err != nil {
		return err
	}
	shown := got.body
	var indented bytes.Buffer
	if json.Indent(&indented, shown, "", "  ") == nil {
		shown = indented.Bytes()
	}
	more := ""
	if len(shown) > answerShown && !c.whole {
		shown, more = shown[:answerShown], fmt.Sprintf("\n... (%d bytes in all)", len(got.body))
	}
	t.cmd.printf("HTTP %d\n%s%s\n", got.status, shown, more)
	if got.status != status {
		return fmt.Errorf("it answered %d and not %d", got.status, status)
	}
	if err := json.Unmarshal(got.body, into); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return nil
}

func (t *demoTour) send(ctx context.Context, c call) (answer, error) {
	var body io.Reader
	if c.form != nil {
		body = strings.NewReader(c.form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, c.method, t.url(c), body)
	if err != nil {
		return answer{}, fmt.Errorf("making a request: %w", err)
	}
	if c.form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.login {
		req.SetBasicAuth(t.sample.SuperadminName, t.sample.SuperadminPassword)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, body: got}, err
}

func (t *demoTour) url(c call) string {
	if strings.HasPrefix(c.path, "/") {
		return t.base + c.path
	}
	return c.path
}

// curl is the call as a line for a shell.
func (t *demoTour) curl(c call) string {
	line := []string{"$ curl -sS"}
	if c.login {
		line = append(line, "-u", quote(t.sample.SuperadminName+":"+t.sample.SuperadminPassword))
	}
	if c.token != "" {
		line = append(line, "-H", quote("Authorization: Bearer "+c.token))
	}
	if c.form != nil && len(c.form) == 0 {
		line = append(line, "-X", c.method)
	}
	names := make([]string, 0, len(c.form))
	for name := range c.form {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		line = append(line, "--data-urlencode", quote(name+"="+c.form.Get(name)))
	}
	return strings.Join(append(line, quote(t.url(c))), " ")
}

// quote quotes a word for a POSIX shell.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
