package fssim

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	freeswitchVersion     = "1.10.12-release git a88d069 2024-08-02 21:02:27Z 64bit"
	freeswitchLongVersion = "FreeSWITCH Version 1.10.12-release+git~20240802T210227Z~a88d069d6f~64bit (git a88d069 2024-08-02 21:02:27Z 64bit)\n"
	noReply               = "-ERR no reply\n"
)

// loadedModules are those that module_exists knows.
var loadedModules = []string{"mod_commands", "mod_event_socket", "mod_lua", "mod_sofia", "mod_xml_curl"}

// Console carries out an api command as somebody at the switch's own console does, and returns what it says.
func (s *Switch) Console(command string) string {
	body, _ := s.api(command)
	return body
}

// api runs an api command and returns the body of its answer. It reports false if the connection ends
// without one.
func (s *Switch) api(command string) (body string, ok bool) {
	body, ok = s.apiOutput(command)
	if body == "" {
		body = noReply
	}
	return body, ok
}

// apiOutput is what the command writes, which may be nothing.
func (s *Switch) apiOutput(command string) (output string, ok bool) {
	name, arg, _ := strings.Cut(command, " ")
	arg = strings.TrimSpace(arg)
	switch name {
	case "status":
		return s.status(), true
	case "hostname":
		return s.opts.Hostname, true
	case "switchname":
		return s.opts.SwitchName, true
	case "version":
		if arg == "short" {
			return "1.10.12-release\n", true
		}
		return freeswitchLongVersion, true
	case "uptime":
		return s.uptime(arg), true
	case "echo":
		return arg, true
	case "msleep":
		ms, err := strconv.Atoi(arg)
		if err != nil || ms < 0 {
			return "-USAGE: <milliseconds>\n", true
		}
		return "+OK", s.pause(time.Duration(ms) * time.Millisecond)
	case "reloadxml":
		return "+OK [" + s.reloadXML() + "]\n", true
	case "reloadacl":
		return s.reloadAccessLists(), true
	case "global_getvar":
		return s.globalVariable(arg), true
	case "module_exists":
		return strconv.FormatBool(slices.Contains(loadedModules, arg)), true
	case "show":
		return s.show(strings.Fields(arg)), true
	case "sofia":
		return s.sofia(strings.Fields(arg))
	case "sofia_contact":
		return s.contact(arg), true
	case "lua":
		return s.lua(arg), true
	case "fsctl":
		return s.fsctl(arg)
	default:
		return fmt.Sprintf("-ERR %s Command not found!\n", name), true
	}
}

func (s *Switch) status() string {
	up := time.Since(s.started)
	unit := func(n int64, name string) string {
		if n == 1 {
			return "1 " + name
		}
		return fmt.Sprintf("%d %ss", n, name)
	}
	days := int64(up / (24 * time.Hour))
	return "UP " + strings.Join([]string{
		unit(days/365, "year"), unit(days%365, "day"), unit(int64(up/time.Hour)%24, "hour"),
		unit(int64(up/time.Minute)%60, "minute"), unit(int64(up/time.Second)%60, "second"),
		unit(up.Milliseconds()%1000, "millisecond"), unit(up.Microseconds()%1000, "microsecond"),
	}, ", ") + "\nFreeSWITCH (Version " + freeswitchVersion + ") is ready\n" +
		"0 session(s) since startup\n" +
		"0 session(s) - peak 0, last 5min 0 \n" +
		"0 session(s) per Sec out of max 30, peak 0, last 5min 0 \n" +
		"100 session(s) max\n" +
		"min idle cpu 0.00/96.43\n" +
		"Current Stack Size/Max 240K/8192K\n"
}

func (s *Switch) uptime(unit string) string {
	up := time.Since(s.started)
	switch unit {
	case "ms":
		return fmt.Sprintf("%d\n", up.Milliseconds())
	case "us":
		return fmt.Sprintf("%d\n", up.Microseconds())
	default:
		return fmt.Sprintf("%d\n", int64(up/time.Second))
	}
}

// fsctl knows the two ways to shut down.
func (s *Switch) fsctl(arg string) (output string, ok bool) {
	switch arg {
	case "shutdown":
		// The reply goes out before the notice: the connection ends after what it is doing.
		return "+OK\n", s.Shutdown() == nil
	case "shutdown now":
		return "", s.Stop() != nil
	default:
		return "-USAGE: shutdown [now]\n", true
	}
}

var (
	luaCache  = regexp.MustCompile(`^~\s*local\s+c\s*=\s*require\s*\(?\s*"resources\.functions\.cache"\s*\)?\s*;?\s*stream:write\((.*)\)\s*;?\s*$`)
	luaWrite  = regexp.MustCompile(`^~\s*stream:write\("([^"\\]*)"\)\s*;?\s*$`)
	luaSilent = regexp.MustCompile(`^~\s*local\s+\w+\s*=\s*\d+\s*;?\s*$`)
	luaDelete = regexp.MustCompile(`^tostring\(c\.del\("([^"\\]*)"\)\)$`)
	luaGet    = regexp.MustCompile(`^tostring\(c\.get\("([^"\\]*)"\)(?: or c\.get\("([^"\\]*)"\))?\)$`)
	luaText   = regexp.MustCompile(`^"([^"\\]*)"$`)
)

const luaError = "-ERR Cannot execute script\n"

// lua runs the few scripts that it knows: those that read and delete keys of FusionPBX's cache and write what
// that answered, and those that were recorded. Any other is one that fails.
func (s *Switch) lua(script string) string {
	if s.config.luaBroken() {
		return luaError
	}
	if m := luaWrite.FindStringSubmatch(script); m != nil {
		return m[1]
	}
	if luaSilent.MatchString(script) {
		return ""
	}
	m := luaCache.FindStringSubmatch(script)
	if m == nil {
		return luaError
	}
	var output strings.Builder
	var keys []string
	for term := range strings.SplitSeq(m[1], "..") {
		term = strings.TrimSpace(term)
		if text := luaText.FindStringSubmatch(term); text != nil {
			output.WriteString(text[1])
			continue
		}
		if got := luaGet.FindStringSubmatch(term); got != nil {
			output.WriteString(s.config.cached(got[1:]))
			continue
		}
		key := luaDelete.FindStringSubmatch(term)
		if key == nil {
			return luaError
		}
		keys = append(keys, key[1])
		output.WriteString("true") // whether the key is there or not
	}
	for _, key := range keys {
		s.config.forget(key)
	}
	return output.String()
}
