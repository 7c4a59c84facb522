package table

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"trunkline/internal/fault"
)

// syntaxError says what is not as JSON has it. It never holds what was read.
type syntaxError string

func (e syntaxError) Error() string { return string(e) }

// readArray reads an array of objects. After what is no JSON nothing more is read.
func (r *reader) readArray() error {
	_, _ = r.next() // [ is there
	err := r.elements()
	var wrong syntaxError
	if errors.As(err, &wrong) {
		r.notJSON(r.source.line, wrong)
		return nil
	}
	if err == io.EOF {
		r.notJSON(r.here(), "the array ends before its ]")
		return nil
	}
	return err
}

func (r *reader) elements() error {
	for first := true; ; first = false {
		b, err := r.skipBlank(true)
		switch {
		case err != nil:
			return err
		case b == ']' && first:
			return r.end()
		case b != '{':
			return syntaxError("each element has to be an object, {...}")
		}
		more, err := r.object(true)
		if err != nil || !more {
			return err
		}
		switch b, err = r.skipBlank(true); {
		case err != nil:
			return err
		case b == ']':
			return r.end()
		case b != ',':
			return syntaxError("a comma or ] is missing after an object")
		}
	}
}

// end refuses what follows the array.
func (r *reader) end() error {
	b, err := r.peekText()
	if err == nil && b != 0 {
		_, _ = r.next()
		return syntaxError("something follows the array's ]")
	}
	return err
}

// readLines reads an object a line. After what is no JSON it goes on with the next line.
func (r *reader) readLines() error {
	for {
		b, err := r.peekText()
		if err != nil || b == 0 {
			return err
		}
		line, more := r.here(), true
		if _, err = r.next(); err == nil {
			if b != '{' {
				r.another(line)
				err = syntaxError("each line has to be an object, {...}")
			} else {
				more, err = r.object(false)
			}
		}
		if err == nil && more {
			b, err = r.skipBlank(false)
			if err == nil && b != '\n' {
				err = syntaxError("something follows the object; write each on a line of its own")
			}
		}
		var wrong syntaxError
		switch {
		case errors.As(err, &wrong):
			r.notJSON(line, wrong)
			if !r.raised {
				err = r.skipLine()
			} else {
				err = nil
			}
		case err == io.EOF && !r.complete:
			r.notJSON(line, "the object ends before its }")
		}
		if err == io.EOF {
			return nil
		}
		if err != nil || !more {
			return err
		}
	}
}

func (r *reader) notJSON(line int, wrong syntaxError) {
	r.fault(fault.Detail{Line: line, Row: r.file.Rows, Code: fault.InvalidRequest, Message: "this is not JSON: " + string(wrong)})
}

// object reads on after an object's { and hands on the row; more is false if there are too many.
func (r *reader) object(lines bool) (more bool, err error) {
	r.complete = false
	if !r.another(r.source.line) {
		return false, nil
	}
	row := Row{Number: r.file.Rows, Line: r.source.line, Values: map[string]string{}}
	given := map[string]bool{}
	for first := true; ; first = false {
		b, err := r.inside(lines)
		if err != nil {
			return true, err
		}
		if b == '}' && first {
			break
		}
		if b != '"' {
			return true, syntaxError("a name in quotes is missing")
		}
		if err := r.member(&row, given, lines); err != nil {
			return true, err
		}
		if b, err = r.inside(lines); err != nil {
			return true, err
		}
		if b == '}' {
			break
		}
		if b != ',' {
			return true, syntaxError("a comma or } is missing after a value")
		}
	}
	r.complete = true
	if r.total == 0 {
		r.take(row)
	}
	return true, nil
}

// member reads a name and its value, after the quote that opens the name.
func (r *reader) member(row *Row, given map[string]bool, lines bool) error {
	name, long, err := r.text()
	if err != nil {
		return err
	}
	switch b, err := r.inside(lines); {
	case err != nil:
		return err
	case b != ':':
		return syntaxError("a : is missing after a name")
	}
	b, err := r.inside(lines)
	if err != nil {
		return err
	}
	field := ""
	switch name = strings.TrimSpace(name); {
	case long || !utf8.ValidString(name) || hasControl(name):
		r.fault(fault.Detail{Line: row.Line, Row: row.Number, Code: fault.InvalidRequest, Message: "a name is too long, holds a control character or is not valid UTF-8"})
	default:
		field = r.column(name, row.Line, row.Number)
		of := field
		if of == "" {
			of = "unknown " + Tidy(name)
		}
		if given[of] {
			r.fault(fault.Detail{Line: row.Line, Row: row.Number, Field: field, Code: fault.InvalidRequest,
				Message: fmt.Sprintf("%s: is given twice; give it once", fault.Clip(strings.TrimPrefix(of, "unknown ")))})
		}
		given[of] = true
	}
	return r.jsonValue(b, row, field, lines)
}

// jsonValue reads the value that begins with b into the row.
func (r *reader) jsonValue(b byte, row *Row, field string, lines bool) error {
	value, long, null := "", false, false
	var err error
	switch {
	case b == '"':
		value, long, err = r.text()
	case b == '{' || b == '[':
		if err = r.skipNested(lines); err == nil && field != "" {
			row.Faults = append(row.Faults, fault.Detail{Line: row.Line, Row: row.Number, Field: field, Code: fault.InvalidRequest,
				Message: field + ": is nested; write a string (several values with commas between them), a number or a boolean"})
		}
		return err
	default:
		value, err = r.bare(b)
		null = value == "null"
	}
	if err != nil || null || field == "" {
		return err
	}
	r.value(row, field, value, long)
	return nil
}

// skipNested passes over what a bracket opened, however deep it goes.
func (r *reader) skipNested(lines bool) error {
	for depth := 1; depth > 0; {
		b, err := r.inside(lines)
		if err != nil {
			return err
		}
		switch b {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			if _, _, err := r.text(); err != nil {
				return err
			}
		}
	}
	return nil
}

// skipBlank is the next byte that is no white space. Where an object has to stand on one line its end is none.
func (r *reader) skipBlank(lines bool) (byte, error) {
	for {
		b, err := r.next()
		if err != nil || b != ' ' && b != '\t' && (b != '\n' || !lines) {
			return b, err
		}
	}
}

// inside is skipBlank within an object.
func (r *reader) inside(lines bool) (byte, error) {
	b, err := r.skipBlank(lines)
	if err == nil && b == '\n' {
		return 0, syntaxError("the line ends within an object; write each object on one line, or all of them in an array")
	}
	return b, err
}

// bare reads a number, true, false or null that begins with b.
func (r *reader) bare(b byte) (string, error) {
	const longest = 64
	text := []byte{b}
	for {
		ahead, err := r.Peek(1)
		if err == io.EOF || err == nil && strings.IndexByte(",}] \t\r\n", ahead[0]) >= 0 {
			break
		}
		if err != nil {
			return "", err
		}
		if b, err = r.next(); err != nil {
			return "", err
		}
		if text = append(text, b); len(text) > longest {
			break
		}
	}
	switch word := string(text); {
	case word == "true" || word == "false" || word == "null" || isNumber(word):
		return word, nil
	}
	return "", syntaxError("a value has to be a string in quotes, a number, true, false or null")
}

// isNumber reports whether the text is a number as JSON writes it.
func isNumber(text string) bool {
	text = strings.TrimPrefix(text, "-")
	digits := func() int {
		rest := strings.TrimLeft(text, "0123456789")
		n := len(text) - len(rest)
		text = rest
		return n
	}
	zero := strings.HasPrefix(text, "0")
	if n := digits(); n == 0 || zero && n > 1 {
		return false
	}
	if after, dot := strings.CutPrefix(text, "."); dot {
		if text = after; digits() == 0 {
			return false
		}
	}
	if text != "" && (text[0] == 'e' || text[0] == 'E') {
		if text = text[1:]; text != "" && (text[0] == '+' || text[0] == '-') {
			text = text[1:]
		}
		if digits() == 0 {
			return false
		}
	}
	return text == ""
}

// text reads a string after the quote that opens it. What is longer than a cell may be is cut.
func (r *reader) text() (text string, long bool, err error) {
	var read []byte
	add := func(more ...byte) {
		if len(read)+len(more) > r.Limits.Cell {
			long = true
			return
		}
		read = append(read, more...)
	}
	for {
		b, err := r.next()
		switch {
		case err != nil:
			return "", false, err
		case b == '"':
			return string(read), long, nil
		case b < ' ':
			return "", false, syntaxError("a string holds a line break or another control character, or its closing quote is missing")
		case b != '\\':
			add(b)
			continue
		}
		if b, err = r.next(); err != nil {
			return "", false, err
		}
		if plain := strings.IndexByte(`"\/bfnrt`, b); plain >= 0 {
			add("\"\\/\b\f\n\r\t"[plain])
			continue
		}
		if b != 'u' {
			return "", false, syntaxError(`a \ in a string begins nothing that JSON knows; write \\ for the character`)
		}
		letter, err := r.escaped()
		if err != nil {
			return "", false, err
		}
		add(utf8.AppendRune(nil, letter)...)
	}
}

// escaped reads the hexadecimal digits after \u, of which a pair may be one character.
func (r *reader) escaped() (rune, error) {
	letter, err := r.hexadecimal()
	if err != nil || !utf16.IsSurrogate(letter) {
		return letter, err
	}
	const half = syntaxError(`a \u in a string is half of a pair`)
	for _, want := range []byte(`\u`) {
		if b, err := r.next(); err != nil {
			return 0, err
		} else if b != want {
			return 0, half
		}
	}
	second, err := r.hexadecimal()
	if letter = utf16.DecodeRune(letter, second); err == nil && letter == utf8.RuneError {
		err = half
	}
	return letter, err
}

func (r *reader) hexadecimal() (rune, error) {
	var digits [4]byte
	for i := range digits {
		b, err := r.next()
		if err != nil {
			return 0, err
		}
		digits[i] = b
	}
	n, err := strconv.ParseUint(string(digits[:]), 16, 32)
	if err != nil {
		return 0, syntaxError(`\u in a string has to be followed by four hexadecimal digits`)
	}
	return rune(n), nil
}
