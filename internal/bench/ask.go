package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// client keeps a connection for each caller, as one who calls again and again does.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}}

// post sends a form as the superadmin and decodes the answer.
func (b *bench) post(ctx context.Context, p *process, path string, form url.Values, into any) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(b.Sample.SuperadminName, b.Sample.SuperadminPassword)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, json.Unmarshal(body, into)
}

// ask sends a body as the superadmin and decodes the answer.
func (b *bench) ask(ctx context.Context, p *process, method, path, media string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	req.SetBasicAuth(b.Sample.SuperadminName, b.Sample.SuperadminPassword)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s %s answered %d: %s", method, path, resp.StatusCode, answer[:min(len(answer), 500)])
	}
	return errors.Join(err, json.Unmarshal(answer, into))
}
