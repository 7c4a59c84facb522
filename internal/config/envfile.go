package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"trunkline/internal/atomicfile"
)

// readEnvFile returns the settings of a file of KEY=VALUE lines, by name.
func readEnvFile(path string) (map[string]string, error) {
	content, err := atomicfile.Read(path)
	if err != nil {
		return nil, fmt.Errorf("reading the settings file: %w; give --config a file that this user may read", err)
	}
	values, err := parseEnvFile(content)
	if err != nil {
		return nil, fmt.Errorf("settings file %s, %w", path, err)
	}
	return values, nil
}

// parseEnvFile reads KEY=VALUE lines. Blank lines and those that begin with # are skipped; "export "
// may stand before a name, and single or double quotes around a value. Between double quotes \" and
// \\ stand for the character behind the backslash; nothing is expanded. An error names the line and
// never quotes it, since it may hold a password. It is written by hand since godotenv expands variables,
// quotes what it cannot read, and takes the last of two.
func parseEnvFile(content []byte) (map[string]string, error) {
	values := map[string]string{}
	lines := map[string]int{} // on which line each name stands
	number := 0
	for line := range bytes.Lines(bytes.TrimPrefix(content, []byte("\uFEFF"))) {
		number++
		text := strings.TrimSpace(string(line))
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		name, value, err := parseEnvLine(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if before, twice := lines[name]; twice {
			return nil, fmt.Errorf("line %d: %s is set on line %d already; keep one of the two", number, name, before)
		}
		lines[name], values[name] = number, value
	}
	return values, nil
}

func parseEnvLine(text string) (name, value string, err error) {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, isControl) {
		return "", "", errors.New("there is a control character or invalid UTF-8 in it; write plain text")
	}
	text = strings.TrimSpace(strings.TrimPrefix(text, "export "))
	name, value, found := strings.Cut(text, "=")
	name = strings.TrimRight(name, " \t")
	if !found || !variableName.MatchString(name) {
		return "", "", errors.New("it is not of the form " + prefix + "NAME=value; comments begin with #")
	}
	if !strings.HasPrefix(name, prefix) {
		return "", "", fmt.Errorf("%s is not a setting: the names of settings begin with %s", name, prefix)
	}
	value, err = unquote(strings.TrimSpace(value))
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", name, err)
	}
	return name, value, nil
}

// isControl reports whether r is a control character other than a tab.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// variableName is what can name an environment variable, and so be shown in an error.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// unquote takes the quotes off a value. What looks like a comment behind a value is an error: it would be
// wrong as part of a password, and a password cut off there would be wrong too.
func unquote(value string) (string, error) {
	if value == "" || value[0] != '"' && value[0] != '\'' {
		if strings.Contains(value, " #") || strings.Contains(value, "\t#") {
			return "", errors.New("there is a # behind the value; put the value in quotes, or the comment on a line of its own")
		}
		return value, nil
	}
	quote := value[0]
	var plain strings.Builder
	for i := 1; i < len(value); i++ {
		switch c := value[i]; {
		case c == quote && i == len(value)-1:
			return plain.String(), nil
		case c == quote:
			return "", errors.New("there is something behind the closing quote; a comment needs a line of its own, and a quote within double quotes is written \\\"")
		case quote == '"' && c == '\\' && i+1 < len(value) && (value[i+1] == '"' || value[i+1] == '\\'):
			i++
			plain.WriteByte(value[i])
		default:
			plain.WriteByte(c)
		}
	}
	return "", errors.New("the closing quote is missing")
}
