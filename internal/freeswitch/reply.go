package freeswitch

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Status is what FreeSWITCH says of itself.
type Status struct {
	Uptime  time.Duration
	Version string  // such as "1.10.12-release"
	Ready   bool    // false while it starts, shuts down or is paused
	IdleCPU float64 // percent of the processors that is idle; 0 if it does not say
}

var (
	uptimeLine  = regexp.MustCompile(`^UP (\d{1,2}) years?, (\d{1,3}) days?, (\d{1,2}) hours?, (\d{1,2}) minutes?, (\d{1,2}) seconds?, (\d{1,3}) milliseconds?, (\d{1,3}) microseconds?\s*$`)
	versionLine = regexp.MustCompile(`^FreeSWITCH \(Version (\S+)[^)]*\) is (.*?)\s*$`)
	idleLine    = regexp.MustCompile(`(?m)^min idle cpu \d{1,3}\.\d{1,9}/(\d{1,3}\.\d{1,9})\s*$`)
)

// uptimeUnits are those of uptimeLine's numbers: a year has 365 days.
var uptimeUnits = []time.Duration{
	365 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Minute, time.Second, time.Millisecond, time.Microsecond,
}

// parseStatus reads the first two lines of a reply, and that of the processors.
func parseStatus(reply string) (Status, bool) {
	first, rest, _ := strings.Cut(reply, "\n")
	second, _, _ := strings.Cut(rest, "\n")
	up := uptimeLine.FindStringSubmatch(first)
	version := versionLine.FindStringSubmatch(second)
	if up == nil || version == nil {
		return Status{}, false
	}
	status := Status{Version: version[1], Ready: version[2] == "ready"}
	// The patterns let nothing but numbers through.
	for i, unit := range uptimeUnits {
		n, _ := strconv.Atoi(up[i+1])
		status.Uptime += time.Duration(n) * unit
	}
	if idle := idleLine.FindStringSubmatch(rest); idle != nil {
		status.IdleCPU, _ = strconv.ParseFloat(idle[1], 64)
	}
	return status, true
}

// splitRescan takes the reply to a rescan apart: "Reload XML", the result of
// the reload in brackets, and on a line of its own the outcome of the scan. The
// result can hold brackets from somebody's file: its end is found from behind.
func splitRescan(reply string) (result, outcome string, ok bool) {
	rest, ok := strings.CutPrefix(reply, "Reload XML ")
	if !ok {
		return "", "", false
	}
	end := strings.LastIndex(rest, "]\n")
	if end < 0 {
		return "", "", false
	}
	return rest[:end+1], strings.TrimSpace(rest[end+2:]), true
}

var reloadLine = regexp.MustCompile(`(?s)^\[error near line (\d{1,9})\]: (.*)$`)

// parseReload reads the bracketed result of a reload. detail is "" of [Success],
// else what was wrong, near that line if it is not 0.
func parseReload(result string) (line int, detail string, ok bool) {
	inner, open := strings.CutPrefix(result, "[")
	inner, shut := strings.CutSuffix(inner, "]")
	if !open || !shut || inner == "" {
		return 0, "", false
	}
	if inner == "Success" {
		return 0, "", true
	}
	m := reloadLine.FindStringSubmatch(inner)
	if m == nil || m[2] == "" {
		return 0, inner, true
	}
	line, _ = strconv.Atoi(m[1]) // digits, by the pattern
	return line, m[2], true
}

// endsWith reports whether the reply is whole: it ends with the closing tag.
func endsWith(reply, closing string) bool {
	return strings.HasSuffix(strings.TrimRight(reply, " \r\n"), closing)
}
