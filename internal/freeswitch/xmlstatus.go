package freeswitch

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of the lines of one value that has line breaks, and of all such values
// of a reply, so that a hostile one costs little.
const (
	maxValueLines = 64
	maxSpareLines = 100_000
)

// parseElements adds the elements of that name in a reply of `sofia xmlstatus` to
// list, if keep, which also gets the element as it was sent, wants them. What
// stands in one goes to the field that has its name in the tag sofia; a number
// that cannot be read is 0.
//
// The reply is XML by name only: values such as the user name are not escaped,
// and it declares another encoding than it uses. So it is read as what FreeSWITCH
// prints: one element a line, each value ended by its own closing tag at the end
// of a line. A line that fits nothing is passed over, and takes no other element
// with it. A value with line breaks that imitates this very layout cannot be told
// from it.
func parseElements[T any](list []T, reply, element string, keep func(item *T, raw string) bool) []T {
	fields := fieldsOf(reflect.TypeFor[T]())
	opening, closing := "<"+element+">", "</"+element+">"
	var current *T
	var start int // of current in reply
	spare := maxSpareLines
	finish := func(end int) {
		if current != nil && keep(current, strings.TrimSpace(reply[start:end])) {
			list = append(list, *current)
		}
		current = nil
	}
	for at := 0; at < len(reply); {
		line, next := lineAt(reply, at)
		switch strings.TrimSpace(line) {
		case opening:
			finish(at)
			current, start = new(T), at
		case closing:
			finish(next)
		default:
			if current == nil {
				break
			}
			if tag, value, end, ok := elementAt(reply, at, &spare); ok {
				fields[tag].set(reflect.ValueOf(current).Elem(), value)
				next = end
			}
		}
		at = next
	}
	finish(len(reply))
	return list
}

// A field is where a value goes; the zero value is for one that nobody wants.
type field struct {
	index   []int
	escaped bool // FreeSWITCH escapes the value
}

// fieldsOf returns the fields of a struct by the names in their tags.
func fieldsOf(t reflect.Type) map[string]field {
	fields := map[string]field{}
	for _, f := range reflect.VisibleFields(t) {
		if name, escaped := strings.CutSuffix(f.Tag.Get("sofia"), ",escaped"); name != "" {
			fields[name] = field{index: f.Index, escaped: escaped}
		}
	}
	return fields
}

func (f field) set(item reflect.Value, value string) {
	if f.index == nil {
		return
	}
	if f.escaped {
		value = unescape(value)
	}
	to := item.FieldByIndex(f.index)
	if to.Kind() == reflect.String {
		to.SetString(value)
	} else if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		to.SetInt(n)
	}
}

// lineAt returns the line that starts at an offset, and where the next starts.
func lineAt(text string, at int) (line string, next int) {
	if n := strings.IndexByte(text[at:], '\n'); n >= 0 {
		return text[at : at+n], at + n + 1
	}
	return text[at:], len(text)
}

// elementAt reads the element <tag>value</tag> that starts on the line at an
// offset, and returns where the line after it starts. The value may hold anything
// but its closing tag at the end of a line. Its further lines are taken from spare.
func elementAt(text string, at int, spare *int) (tag, value string, next int, ok bool) {
	line, next := lineAt(text, at)
	opening := at + strings.IndexByte(line, '<')
	tag, _, found := strings.Cut(strings.TrimLeft(line, " \t"), ">")
	tag, isTag := strings.CutPrefix(tag, "<")
	if !found || !isTag || !isTagName(tag) {
		return "", "", 0, false
	}
	from := opening + len(tag) + len("<>")
	closing := "</" + tag + ">"
	for range maxValueLines {
		end := strings.TrimRight(text[from:next], " \t\r\n")
		if value, ok := strings.CutSuffix(end, closing); ok {
			return tag, value, next, true
		}
		if next == len(text) || *spare == 0 {
			break
		}
		*spare--
		_, next = lineAt(text, next)
	}
	return "", "", 0, false
}

func isTagName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-") == ""
}

var entities = map[string]string{"amp": "&", "lt": "<", "gt": ">", "quot": `"`, "apos": "'"}

// maybeReference finds entities and numeric references, and what looks like one.
var maybeReference = regexp.MustCompile(`&#?[0-9A-Za-z]{1,7};`)

// unescape replaces XML's five entities and numeric references, once. An
// ampersand that starts none of them stays.
func unescape(s string) string {
	return maybeReference.ReplaceAllStringFunc(s, func(found string) string {
		if text, ok := reference(found[1 : len(found)-1]); ok {
			return text
		}
		return found
	})
}

// reference returns the text that &name; stands for.
func reference(name string) (string, bool) {
	if text, ok := entities[name]; ok {
		return text, true
	}
	digits, numeric := strings.CutPrefix(name, "#")
	if !numeric {
		return "", false
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n == 0 || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
		return "", false
	}
	return string(rune(n)), true
}
