package table

import (
	"bytes"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// signatures are the first bytes of files that are no text in UTF-8, with what to do about it.
var signatures = []struct{ begins, says string }{
	{"\xff\xfe\x00\x00", "the file is in UTF-32; " + asUTF8},
	{"\x00\x00\xfe\xff", "the file is in UTF-32; " + asUTF8},
	{"\xff\xfe", "the file is in UTF-16 (LE); " + asUTF8},
	{"\xfe\xff", "the file is in UTF-16 (BE); " + asUTF8},
	{"PK\x03\x04", "the file is a workbook (.xlsx, .ods) or another archive; " + asUTF8},
	{"\xd0\xcf\x11\xe0", "the file is a workbook of an old Excel (.xls); " + asUTF8},
	{"\x1f\x8b", "the file is compressed; send it as it was before"},
}

const (
	byteOrderMark = "\ufeff"
	asUTF8        = `save it as UTF-8 (in Excel: "CSV UTF-8") and send that`
)

// begin passes over UTF-8's own mark. It says what the file is if that is no text in UTF-8.
func (s *source) begin() (says string, err error) {
	first, err := s.Peek(512)
	if err != nil && err != io.EOF && len(first) == 0 {
		return "", err
	}
	for _, signature := range signatures {
		if bytes.HasPrefix(first, []byte(signature.begins)) {
			return signature.says, nil
		}
	}
	if order := zeros(first); order != "" {
		return "the file is in UTF-16 (" + order + "); " + asUTF8, nil
	}
	if bytes.HasPrefix(first, []byte(byteOrderMark)) {
		_, err = s.Discard(len(byteOrderMark))
		return "", err
	}
	return "", nil
}

// zeros tells UTF-16 without a mark by its zeros, which stand at every second place of a header.
func zeros(text []byte) string {
	var at [2]int
	for i, b := range text {
		if b == 0 {
			at[i%2]++
		}
	}
	half := len(text) / 2
	switch {
	case half == 0:
		return ""
	case at[1] > half/2 && at[0] == 0:
		return "LE"
	case at[0] > half/2 && at[1] == 0:
		return "BE"
	}
	return ""
}

// wrongEncoding says what a text that is not UTF-8 looks like.
func wrongEncoding(text string) string {
	looks := ""
	for rest := text; rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		if r == utf8.RuneError && size == 1 {
			switch b := rest[0]; {
			case strings.IndexByte("\x81\x8d\x8f\x90\x9d", b) >= 0:
				return "is not valid UTF-8; " + asUTF8
			case b < 0xa0:
				looks = "it looks like Windows-1252; "
			case looks == "":
				looks = "it looks like Windows-1252 or Latin-1; "
			}
		}
		rest = rest[size:]
	}
	return "is not valid UTF-8: " + looks + asUTF8
}

func hasControl(text string) bool { return strings.ContainsFunc(text, unicode.IsControl) }

const controlCharacter = "holds a line break or another control character; remove it"
