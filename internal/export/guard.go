package export

import (
	"unicode"
	"unicode/utf8"
)

// A spreadsheet takes a cell for a formula by its first sign, whatever that cannot be seen stands before it.
// Which of our cells it sees depends on where it separates: with other settings than ours a semicolon, a pipe, a tab
// or a line's end begins a cell of its own.

// looksPlain are the bytes that neither are a sign nor can hide one, as a text's first.
var looksPlain = func() (plain [256]bool) {
	for b := '!'; b < utf8.RuneSelf; b++ {
		plain[b] = b != '=' && b != '+' && b != '-' && b != '@' && b != 0x7f
	}
	return plain
}()

// isFormula says whether a spreadsheet would take a cell for a formula.
func isFormula(text []byte) bool {
	if looksPlain[text[0]] {
		return false
	}
	return text[0] == '\t' || text[0] == '\r' || text[0] == '\n' || BeginsFormula(text, false)
}

// BeginsFormula says whether the text, which may end a cell of ours (afterSeparator), is a formula. A sign before digits
// with at most one dot is a number; anything more, a second sign as well, is not.
func BeginsFormula(text []byte, afterSeparator bool) bool {
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		switch r {
		case '=', '@', '＝', '＋', '－', '＠', '﹦', '﹢', '﹣', '﹫', '−':
			return true
		case '+', '-':
			return !isNumber(text)
		case '"': // what ends with its cell's quotes, if the reader has another separator
			if !afterSeparator {
				return false
			}
		default:
			if !isUnseen(r) {
				return false
			}
		}
	}
	return false
}

// isUnseen reports whether a spreadsheet may pass the character over: white space, control and format
// characters, zero width, and what is not UTF-8, which can be such a character in another encoding.
func isUnseen(r rune) bool {
	return r == utf8.RuneError || unicode.IsSpace(r) || unicode.In(r, unicode.C, unicode.Z, unicode.M, unicode.Other_Default_Ignorable_Code_Point)
}

// isNumber reports whether text is digits with at most one dot.
func isNumber(text []byte) bool {
	digits, dots := 0, 0
	for _, b := range text {
		switch {
		case b >= '0' && b <= '9':
			digits++
		case b == '.' && dots == 0:
			dots++
		default:
			return false
		}
	}
	return digits > 0
}
