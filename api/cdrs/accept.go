package cdrs

import (
	"mime"
	"slices"
	"strconv"
	"strings"

	"trunkline/internal/export"
)

// fileAsked is what Accept asks for: the file itself, and its format if the media type says one.
type fileAsked struct {
	file   bool
	format export.Format // "": any will do
}

// anyFormat is the media type that asks for the file, whatever its format.
const anyFormat = "application/octet-stream"

// answerTypes ask for the documented answer, JSON's among them. The last two are a browser's, whose
// Accept names application/xml as well, if with less weight.
var answerTypes = []string{"application/json", "text/html", "application/xhtml+xml"}

// asksForFile reads the Accept header: the file is asked for if its type has more weight than the
// answer's.
func asksForFile(accept string) fileAsked {
	var best fileAsked
	var fileWeight, answerWeight float64
	for part := range strings.SplitSeq(accept, ",") {
		media, details, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		weight := 1.0
		if q, given := details["q"]; given {
			if weight, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		format, isFormat := export.FormatOf(media)
		switch {
		case slices.Contains(answerTypes, media):
			answerWeight = max(answerWeight, weight)
		case (isFormat || media == anyFormat) && weight > fileWeight:
			best, fileWeight = fileAsked{true, format}, weight
		}
	}
	if answerWeight >= fileWeight {
		return fileAsked{}
	}
	return best
}
