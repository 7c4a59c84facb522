package webhook

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"trunkline/internal/delivery"
	"trunkline/internal/delivery/dial"
	"trunkline/internal/fault"
)

// maxURL is how long a URL may be, in bytes.
const maxURL = 2048

// CheckURL refuses what is not the URL of a receiver: https, a host, and no credentials before it. The error names the
// parameter, and holds nothing of the URL, in whose path or query a token may stand.
func CheckURL(parameter, text string) error {
	if text == "" {
		return fault.Missing(parameter)
	}
	if err := delivery.CheckLine(parameter, text, maxURL); err != nil {
		return err
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || strings.ContainsAny(text, ` <>"\^{|}`+"`"):
		return fault.Invalid(parameter, "is not a URL; write one such as https://billing.example/hooks/trunkline, with special characters as %%XX")
	case u.Scheme != "https":
		return fault.Invalid(parameter, "does not begin with https://; messages are sent to nothing else")
	case u.User != nil:
		return fault.Invalid(parameter, "has a user or password before its host; take it out: messages are signed, by which the receiver knows who sends them")
	case u.Fragment != "" || strings.Contains(text, "#"):
		return fault.Invalid(parameter, "has a # and what follows it, which no receiver gets; take it out")
	case u.Hostname() == "":
		return fault.Invalid(parameter, "has no host; write one such as https://billing.example/hooks/trunkline")
	}
	if err := delivery.CheckHost(parameter, u.Hostname()); err != nil {
		return err
	}
	return checkPort(parameter, u)
}

func checkPort(parameter string, u *url.URL) error {
	if u.Port() == "" && !strings.HasSuffix(u.Host, ":") {
		return nil
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil || port == 0 {
		return fault.Invalid(parameter, "has no number of a port behind the colon; write it, or leave the colon out")
	}
	return delivery.CheckPort(parameter, port)
}

// CheckReachable refuses a URL of CheckURL of which it can be known now that nothing is sent there: its host stands for what may
// not be connected to, or there is no such host. The error names the parameter.
func CheckReachable(ctx context.Context, guard dial.Guard, parameter, text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return fault.Invalid(parameter, "is not a URL")
	}
	if err := guard.CheckHost(ctx, u.Hostname()); err != nil {
		return fault.Invalid(parameter, "%w", err)
	}
	return nil
}

// Shown is what of a URL is shown: its beginning, up to the host and port. In the rest a token may stand.
func Shown(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return hidden
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return shown.String() + "/..."
	}
	return shown.String() + u.Path
}
