package freeswitch

import (
	"reflect"
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

// elements reads the elements of one name in a reply of `sofia xmlstatus`. What
// stands in one goes to the field of a T that has its name in the tag sofia; a
// number that cannot be read is 0.
//
// The reply is XML by name only: values such as the user name are not escaped,
// and it declares another encoding than it uses. So it is read as what FreeSWITCH
// prints: one element a line, each value ended by its own closing tag at the end
// of a line. A line that fits nothing is passed over, and takes no other element
// with it. A value with line breaks that imitates this very layout cannot be told
// from it.
type elements[T any] struct {
	fields           map[string]field
	opening, closing string
	found            func(item *T, raw string)
	item             T             // the one that is being read
	value            reflect.Value // of item
	spare            int           // how many lines the values with line breaks may have yet
}

// newElements returns a reader of the elements of that name. found gets each of
// them, and the element as it was sent; item is another one's when it has returned.
func newElements[T any](element string, found func(item *T, raw string)) *elements[T] {
	e := &elements[T]{
		fields: fieldsOf(reflect.TypeFor[T]()), opening: "<" + element + ">", closing: "</" + element + ">",
		found: found, spare: maxSpareLines,
	}
	e.value = reflect.ValueOf(&e.item).Elem()
	return e
}

// read reads the next part of the reply, and returns from where on it has to be
// read once more, with what follows. Nothing follows the last part.
func (e *elements[T]) read(text string, last bool) (rest string) {
	within := false
	var start, spare int // of the element within which it is, or of the line
	finish := func(end int) {
		if within {
			e.found(&e.item, strings.TrimSpace(text[start:end]))
		}
		within = false
	}
	again := func() string {
		e.spare = spare
		return text[start:]
	}
	for at := 0; at < len(text); {
		if !within {
			start, spare = at, e.spare
		}
		line, next := lineAt(text, at)
		if !last && !strings.HasSuffix(text[at:next], "\n") {
			return again()
		}
		switch strings.TrimSpace(line) {
		case e.opening:
			finish(at)
			within, start, spare, e.item = true, at, e.spare, *new(T)
		case e.closing:
			finish(next)
		default:
			if !within {
				break
			}
			tag, value, end, ok := elementAt(text, at, &e.spare)
			if !last && end == len(text) && !(ok && strings.HasSuffix(text, "\n")) {
				return again()
			}
			if ok {
				e.fields[tag].set(e.value, value)
				next = end
			}
		}
		at = next
	}
	if within && !last {
		return again()
	}
	finish(len(text))
	return ""
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
// offset, and returns how far it looked: where the line after it starts. The value
// may hold anything but its closing tag at the end of a line. Its further lines are
// taken from spare.
func elementAt(text string, at int, spare *int) (tag, value string, next int, ok bool) {
	line, next := lineAt(text, at)
	opening := at + strings.IndexByte(line, '<')
	tag, _, found := strings.Cut(strings.TrimLeft(line, " \t"), ">")
	tag, isTag := strings.CutPrefix(tag, "<")
	if !found || !isTag || !isTagName(tag) {
		return "", "", next, false
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
	return "", "", next, false
}

func isTagName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-") == ""
}

var entities = map[string]string{"amp": "&", "lt": "<", "gt": ">", "quot": `"`, "apos": "'"}

// maxReference is how long what stands between & and ; may be: # and seven digits.
const maxReference = 8

// unescape replaces XML's five entities and numeric references, once. An
// ampersand that starts none of them stays.
func unescape(s string) string {
	var text strings.Builder
	for {
		before, rest, found := strings.Cut(s, "&")
		if !found && text.Len() == 0 {
			return s
		}
		text.WriteString(before)
		if !found {
			return text.String()
		}
		s = rest
		name, _, closed := strings.Cut(rest[:min(len(rest), maxReference+len(";"))], ";")
		if meant, ok := reference(name); closed && ok {
			text.WriteString(meant)
			s = rest[len(name)+len(";"):]
		} else {
			text.WriteByte('&')
		}
	}
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
