package remote

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
)

// SecretSettings are the settings of destinations that no command line holds, since everybody on a host sees those.
var SecretSettings = []string{"access_key", "login_password", "passphrase", "private_key", "secret_key", "webhook_url"}

// maxSecret bounds a secret, in bytes: the longest are private keys.
const maxSecret = 64 << 10

// Place are the flags that say where a destination is and how it is reached.
type Place struct {
	Enabled *string  `placeholder:"true|false" help:"false: nothing is delivered there."`
	Set     []string `sep:"none" placeholder:"NAME=VALUE" help:"A setting of the kind, such as folder=billing. It may be there several times."`
	Secret  []string `sep:"none" placeholder:"NAME=FILE" help:"Read a secret setting, such as login_password, from FILE, or from standard input if that is -. It may be there several times."`
}

// form are the flags that were given, with the secrets that they say where to find.
func (p Place) form(program *Program) (url.Values, error) {
	form := url.Values{}
	if p.Enabled != nil {
		form.Set("enabled", *p.Enabled)
	}
	for _, text := range p.Set {
		// The value is in no message: it may be one of these by mistake.
		if name, _, _ := strings.Cut(text, "="); slices.Contains(SecretSettings, name) {
			return nil, fmt.Errorf("--set %s: everybody on this host could see it there; put it into a file and write --secret %[1]s=FILE", name)
		}
	}
	if err := addSet(form, p.Set); err != nil {
		return nil, err
	}
	input := ""
	for _, text := range p.Secret {
		name, file, found := strings.Cut(text, "=")
		switch {
		case !slices.Contains(SecretSettings, name):
			return nil, fmt.Errorf("--secret: write NAME=FILE, where NAME is one of %s", strings.Join(SecretSettings, ", "))
		case !found || file == "":
			return nil, fmt.Errorf("--secret %s: write %[1]s=FILE, the file that it is in, or %[1]s=- for standard input", name)
		case form.Has(name):
			return nil, fmt.Errorf("--secret %s: give it once", name)
		case file == "-" && input != "":
			return nil, fmt.Errorf("--secret %s: standard input is %s already; put one of them into a file", name, input)
		}
		if file == "-" {
			input = name
		}
		secret, err := program.secret(file)
		if err != nil {
			return nil, fmt.Errorf("--secret %s: %w", name, err)
		}
		form.Set(name, secret)
	}
	return form, nil
}

// secret is what a file, or standard input, holds, without the line break at its end. The errors say nothing of it.
func (p *Program) secret(file string) (string, error) {
	in := p.in
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer opened.Close()
		if info, err := opened.Stat(); err == nil && info.Mode().Perm()&0o044 != 0 {
			p.tell("WARNING: others on this host may read the secret in %s; chmod 600 %[1]s", visible(file))
		}
		in = opened
	}
	text, err := io.ReadAll(io.LimitReader(in, maxSecret+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxSecret:
		return "", fmt.Errorf("holds more than %d bytes", maxSecret)
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if secret == "" {
		return "", errors.New("is empty")
	}
	return secret, nil
}
